// Reading Prefer. Beast's lists of parameters do not fit: they know no value before the first parameter.

#include "http/syntax/prefer.hpp"

#include "http/syntax/header_list.hpp"

#include <boost/algorithm/string/case_conv.hpp>

#include <algorithm>
#include <optional>

namespace pdpp::http {

namespace {

bool is_token(std::string_view text) {
    constexpr std::string_view allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

/// A value without its quotes; nothing if it is malformed.
std::optional<std::string> read_value(std::string_view text) {
    if (!text.starts_with('"')) {
        const bool is_plain = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '"'; });
        return is_plain ? std::optional<std::string>(text) : std::nullopt;
    }
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            return i + 1 == text.size() ? std::optional(std::move(value)) : std::nullopt;
        }
        if (text[i] == '\\' && ++i == text.size()) {
            break;
        }
        value += text[i];
    }
    return std::nullopt;
}

using NameAndValue = std::pair<std::string, std::string>;

/// `name`, `name=value` or `name="value"`, blanks around the `=` or not; nothing if it is malformed.
std::optional<NameAndValue> read_pair(std::string_view text) {
    const auto equals = text.find('=');
    const auto name = trimmed(text.substr(0, equals));
    auto value =
        equals == std::string_view::npos ? std::optional(std::string{}) : read_value(trimmed(text.substr(equals + 1)));
    if (!is_token(name) || !value) {
        return std::nullopt;
    }
    return NameAndValue{boost::algorithm::to_lower_copy(std::string{name}), *std::move(value)};
}

std::optional<Preference> read_preference(std::string_view text) {
    const auto parts = elements_of(text, ';');
    auto first = parts.empty() || text.starts_with(';') ? std::nullopt : read_pair(parts.front());
    if (!first) {
        return std::nullopt;
    }
    Preference preference{std::move(first->first), std::move(first->second), {}};
    for (const auto part : std::span(parts).subspan(1)) {
        auto parameter = read_pair(part);
        if (!parameter) {
            return std::nullopt;
        }
        preference.parameters.push_back(*std::move(parameter));
    }
    return preference;
}

void add(std::vector<Preference>& preferences, std::string_view text) {
    for (const auto part : elements_of(text)) {
        auto preference = read_preference(part);
        if (preference && find_preference(preferences, preference->name) == nullptr) {
            preferences.push_back(*std::move(preference));
        }
    }
}

} // namespace

std::vector<Preference> parse_prefer(std::string_view text) {
    std::vector<Preference> preferences;
    add(preferences, text);
    return preferences;
}

std::vector<Preference> preferences_of(const Request& request) {
    std::vector<Preference> preferences;
    const auto [first, last] = request.equal_range(field::prefer);
    for (auto header = first; header != last; ++header) {
        add(preferences, header->value());
    }
    return preferences;
}

const Preference* find_preference(std::span<const Preference> preferences, std::string_view name) {
    const auto found = std::ranges::find(preferences, name, &Preference::name);
    return found == preferences.end() ? nullptr : &*found;
}

} // namespace pdpp::http
