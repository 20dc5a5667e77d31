#pragma once
// The owner's password, which comes from the environment only: an option would show it to every user of the machine.

#include <optional>
#include <string>

namespace pdpp::cli {

/// PDPP_OWNER_PASSWORD; nothing if it is unset or empty.
std::optional<std::string> owner_password();

} // namespace pdpp::cli
