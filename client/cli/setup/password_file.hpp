#pragma once
// The files that hold the owner's password where the environment says nothing else.

#include <optional>
#include <string>
#include <vector>

namespace pdpp::cli {

/// That of this machine, which root makes.
constexpr auto machines_password_file = "/etc/pdpp/owner-password";

/// Where the user who runs this has it: root in /etc/pdpp, anybody else among the files of their configuration. Empty
/// for a user without a home.
std::string own_password_file();

/// Where it is looked for, in this order: the user's own file and that of the machine.
std::vector<std::string> usual_password_files();

/// Who is to read the file that is made for a role: under sudo its caller, if the next commands are theirs; else
/// whoever makes it, for the unix user called like the role may be a controller's, whose connectors are anybody's
/// programs.
std::string reader_of_password(const std::string& role, const std::string& asking_user);

/// Makes a file with a random password that only whoever makes it can read, or, where root does, `owner`, a unix user;
/// empty for root itself. Throws std::system_error.
void make_password_file(const std::string& path, const std::string& owner);

} // namespace pdpp::cli
