#pragma once
// Arrays as PostgreSQL reads them.

#include "pq/connection.hpp"

#include <span>
#include <string>

namespace pdpp::pq {

/// `{"a","b",NULL}`: a text[].
std::string array_literal(std::span<const Parameter> elements);

} // namespace pdpp::pq
