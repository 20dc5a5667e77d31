#pragma once
// What is wrong with a connection string, whatever the server says.

#include <optional>
#include <string>

namespace pdpp::pq {

/// What keeps libpq from making a connection of `conninfo`, its service file and the environment wherever the server
/// is; nothing if it may. In one line, without a password that may be in it. No server is asked, and no name looked up.
std::optional<std::string> mistake_in(const std::string& conninfo);

} // namespace pdpp::pq
