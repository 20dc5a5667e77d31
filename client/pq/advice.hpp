#pragma once
// What to do about a refusal of the server that its own words do not say.

#include "pq/error.hpp"

#include <string>

namespace pdpp::pq {

/// For a connection that the server does not allow (is_not_let_in); empty for any other error, and where there is
/// nothing to add. In one line; it is about what `conninfo` and the environment say.
std::string advice(const Error& error, const std::string& conninfo);

/// Whom `conninfo`, its service file and the environment log in as, or libpq by itself: the unix user's name.
std::string role_in(const std::string& conninfo);

} // namespace pdpp::pq
