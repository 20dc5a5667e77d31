#include "moving_in/data.hpp"

#include "pq/jsonb_text.hpp"
#include "run/event.hpp"
#include "run/timeline.hpp"
#include "text/json_handler.hpp"
#include "text/mended_json.hpp"
#include "text/text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <charconv>

namespace pdpp::moving_in {

namespace json = boost::json;

namespace {

/// Exponents of four digits, and more digits than numeric has room for, are beyond what it holds, or make kilobytes of
/// one number.
bool has_huge_number(std::string_view text) {
    constexpr std::size_t most_digits = 16'000;
    bool in_string = false;
    std::size_t digits_on_end = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_digit = !in_string && ((text[i] >= '0' && text[i] <= '9') || text[i] == '.');
        digits_on_end = is_digit ? digits_on_end + 1 : 0;
        if (digits_on_end > most_digits) {
            return true;
        }
        if (in_string && text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && (text[i] == 'e' || text[i] == 'E') && i > 0 && text[i - 1] >= '0' &&
                   text[i - 1] <= '9') {
            const auto digits = text.find_first_not_of("+-", i + 1);
            const auto end = text.find_first_not_of("0123456789", digits);
            if (std::min(end, text.size()) - std::min(digits, text.size()) > 3) {
                return true;
            }
        }
    }
    return false;
}

bool is_json_for_jsonb(std::string_view text, int most_levels) {
    json::parse_options options;
    options.max_depth = static_cast<std::size_t>(most_levels);
    json::basic_parser<JsonHandler> parser{options};
    boost::system::error_code error;
    const auto read = parser.write_some(false, text.data(), text.size(), error);
    return !error && parser.done() && text.find_first_not_of(" \t\r\n", read) == std::string_view::npos &&
           !has_huge_number(text);
}

bool is_object_for_jsonb(std::string_view text) {
    const auto start = text.find_first_not_of(" \t\r\n");
    return start != std::string_view::npos && text[start] == '{' && is_json_for_jsonb(text, run::max_data_depth);
}

/// U+0000 is no character of a jsonb: U+FFFD stands for it.
std::string without_nul(std::string_view text) {
    std::string fit;
    for (std::size_t i = 0; i < text.size();) {
        const bool is_escape = text[i] == '\\';
        if (is_escape && text.substr(i, 6) == "\\u0000") {
            fit += "\\ufffd";
            i += 6;
            continue;
        }
        const std::size_t length = is_escape ? 2 : 1;
        fit += text.substr(i, length);
        i += length;
    }
    return fit;
}

/// Whether a text names a key whose value is a credential, with escapes or without.
bool names_bearer_key(std::string_view text) {
    constexpr std::string_view escape = "\\u00";
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned byte = 0;
        const auto digits = text.substr(i, escape.size()) == escape ? text.substr(i + escape.size(), 2) : "";
        if (digits.size() == 2 && std::from_chars(digits.begin(), digits.end(), byte, 16).ptr == digits.end()) {
            plain += static_cast<char>(byte);
            i += escape.size() + 1;
        } else {
            plain += text[i];
        }
    }
    return std::ranges::any_of(run::bearer_keys, [&](auto key) { return plain.find(key) != std::string::npos; });
}

std::optional<std::string> as_string(std::optional<std::string_view> value) {
    if (!value || !value->starts_with('"') || *value == "\"\"") {
        return std::nullopt;
    }
    boost::system::error_code error;
    const auto text = json::parse(*value, error);
    return error ? std::nullopt : std::optional(std::string(text.get_string()));
}

} // namespace

std::string fit_data(std::string_view text, DataOrigin origin) {
    const auto most_levels = std::ranges::count(text, '{') + std::ranges::count(text, '[');
    if (origin == DataOrigin::jsonb && text.starts_with('{') && most_levels <= run::max_data_depth) {
        return std::string(text);
    }
    if (is_object_for_jsonb(text) && is_storable(text) && text.find("\\u0000") == std::string_view::npos) {
        return std::string(text);
    }
    const auto as_it_was = "\"imported_data_json\": " + kept_as_string(text);
    auto mended = without_nul(mended_json(text));
    if (!is_object_for_jsonb(mended)) {
        return "{" + as_it_was + "}";
    }
    return mended == text ? mended : with_members(mended, as_it_was);
}

std::string fit_value(std::string_view text) {
    constexpr int levels = run::max_data_depth - 1;
    const auto mended = without_nul(mended_json(text));
    return is_storable(mended) && is_json_for_jsonb(mended, levels) ? mended : kept_as_string(text);
}

std::optional<std::string> string_at(std::string_view object, std::string_view key) {
    return as_string(pq::member_of(object, key));
}

std::optional<std::string> string_at(std::string_view object, std::string_view outer, std::string_view key) {
    const auto inner = pq::member_of(object, outer);
    return inner && inner->starts_with('{') ? string_at(*inner, key) : std::nullopt;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && stop == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> number_at(std::string_view object, std::string_view key) {
    const auto text = pq::member_of(object, key);
    return text ? whole_number(*text) : std::nullopt;
}

std::string with_members(std::string_view object, std::string_view members) {
    std::string with(object.substr(0, object.rfind('}')));
    const bool is_empty = with.find_first_not_of("{ \t\r\n") == std::string::npos;
    with += is_empty ? "" : ", ";
    with += members;
    with += '}';
    return with;
}

std::string kept_as_string(std::string_view text) {
    return json_string(names_bearer_key(text) ? run::redacted_bearer : text);
}

std::string json_string(std::string_view text) {
    return json::serialize(json::string_view(storable(text, std::string_view::npos)));
}

} // namespace pdpp::moving_in
