#pragma once
// The owner's password, which comes from the environment or a file that it names: an option would show it to every user
// of the machine.

#include <optional>
#include <string>

namespace pdpp::cli {

/// PDPP_OWNER_PASSWORD, or the first line of the file PDPP_OWNER_PASSWORD_FILE; nothing if neither is set, or the
/// former is empty. Throws Failure if both are set, or the file cannot be read, begins with an empty line, can be read
/// by others, or belongs to somebody else than us and root.
std::optional<std::string> owner_password();

} // namespace pdpp::cli
