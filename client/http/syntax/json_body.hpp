#pragma once
// JSON request bodies. They are checked here and taken apart by PostgreSQL: nothing in between reads a number, so none
// loses a digit.

#include "http/wire/message.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

/// How deep a body may be nested.
constexpr std::size_t body_depth = 200;

/// `type/subtype` of Content-Type, without its parameters.
std::string_view media_type(const Request& request);

struct JsonBody {
    /// The whole text; empty if the request has no body.
    std::string_view text;
    /// The top-level members, each with its value if that is a string.
    std::map<std::string, std::optional<std::string>, std::less<>> members;
};

/// Reads the body of `request`, which must outlive it. Throws Refusal 415 `unsupported_media_type` if there is a body
/// that is not application/json or is compressed, and 400 `invalid_request` if it is no JSON object, is nested too
/// deeply, names a member of any object twice, or holds what PostgreSQL cannot store (U+0000, bytes that are not UTF-8,
/// half a surrogate pair).
JsonBody read_json_body(const Request& request);

/// The same, whatever the Content-Type says.
JsonBody read_untyped_json_body(const Request& request);

} // namespace pdpp::http
