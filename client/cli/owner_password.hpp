#pragma once
// The owner's password, which comes from the environment or a file that it names: an option would show it to every user
// of the machine.

#include "cli/output.hpp"

#include <optional>
#include <string>

namespace pdpp::cli {

/// Whether the files that `pdpp init` makes (setup/password_file.hpp) are looked for where the environment says
/// nothing.
enum class UsualFiles { looked_for, left_alone };

/// PDPP_OWNER_PASSWORD, or the first line of the file PDPP_OWNER_PASSWORD_FILE; nothing if neither is set, or the
/// former is empty, and there is no usual file. Throws Failure if both are set, or the file cannot be read, begins with
/// an empty line, can be read by others, or belongs to somebody else than us and root.
std::optional<std::string> owner_password(UsualFiles usual);

/// Whose the owner's sessions are: PDPP_OWNER_SUBJECT_ID, or `owner_local` where that is not set, or empty. Throws
/// Failure for what no session can hold.
std::string owner_subject();

/// The file that the password comes from; nothing if it comes from the environment itself, or from nowhere.
std::optional<std::string> owner_password_file(UsualFiles usual);

/// The first of the usual files that is there, and may not be read by this user.
std::optional<std::string> hidden_password_file();

/// What is said where there is none, with the hint `what_to_do` behind where it could come from.
Failure no_owner_password(const std::string& what_to_do);

} // namespace pdpp::cli
