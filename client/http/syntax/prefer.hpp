#pragma once
// The Prefer header (RFC 7240): what a client would like, and can do without. Pure: what is honoured is for others to
// say, in Preference-Applied.

#include "http/wire/message.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::http {

struct Preference {
    std::string name;                                            ///< in lower case
    std::string value;                                           ///< without quotes; empty if there is none
    std::vector<std::pair<std::string, std::string>> parameters; ///< as name and value are
};

/// The preferences in one value of the header, in order, each name once: the first wins. What is malformed is left out,
/// up to the next comma, as the RFC has it for what is not understood. A value need not be quoted for characters that
/// no token has, such as the slash of `timezone=Europe/Oslo`, which clients of PostgREST send.
std::vector<Preference> parse_prefer(std::string_view text);

/// The preferences of a request, from all its Prefer headers together.
std::vector<Preference> preferences_of(const Request& request);

/// The preference called `name` (lower case), or null.
const Preference* find_preference(std::span<const Preference> preferences, std::string_view name);

} // namespace pdpp::http
