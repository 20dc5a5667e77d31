#pragma once
// Reading the bodies that the SQL API answers with.

#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace pdpp::pq {

/// The body, however deep the data in it is nested. Throws boost::system::system_error if it is no JSON.
boost::json::value parse_body(std::string_view body);

/// A string at the top level of a body; empty if it is null or missing.
std::string string_in(std::string_view body, std::string_view key);

} // namespace pdpp::pq
