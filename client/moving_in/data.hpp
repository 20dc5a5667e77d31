#pragma once
// The data of the other server's events: made fit for jsonb where it is not, and looked into without being read whole.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::moving_in {

/// Whether it comes out of a jsonb, which ours takes as it is, or is any text.
enum class DataOrigin : bool { jsonb, text };

/// The object as our jsonb takes it. What that refuses (U+0000, half of a surrogate pair, what is no JSON or no
/// object) is replaced or left out, and the text as it was stands beside it under `imported_data_json`.
std::string fit_data(std::string_view text, DataOrigin origin);

/// Any value as our jsonb takes it, within an object: mended in the same way, and a string where that does not do.
std::string fit_value(std::string_view text);

/// A string in an object of fit_data(), by the keys that lead to it; nothing if there is none, or an empty one.
std::optional<std::string> string_at(std::string_view object, std::string_view key);
std::optional<std::string> string_at(std::string_view object, std::string_view outer, std::string_view key);

/// The whole number that a text is.
std::optional<std::int64_t> whole_number(std::string_view text);

/// A whole number there.
std::optional<std::int64_t> number_at(std::string_view object, std::string_view key);

/// `object` with further members behind its own, which count where a key is there twice. `members` is JSON without the
/// brackets: `"imported": true`.
std::string with_members(std::string_view object, std::string_view members);

/// `text` as a string of JSON, in its quotes.
std::string json_string(std::string_view text);

/// The same of data that stay a text. Nobody looks into that when it is served: what may have a credential in it is not
/// kept.
std::string kept_as_string(std::string_view text);

} // namespace pdpp::moving_in
