// Choosing among media types.

#include "http/syntax/negotiation.hpp"

#include "http/syntax/header_list.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>
#include <charconv>
#include <compare>
#include <vector>

namespace pdpp::http {

using beast::iequals;

namespace {

struct MediaRange {
    std::string_view type;
    std::string_view subtype;
    std::vector<std::string_view> parameters; ///< name=value, but for the quality
    int quality = 1000;                       ///< in thousandths
};

/// `0`, `1`, or either with up to three decimals, as thousandths; nothing for anything else.
std::optional<int> thousandths(std::string_view text) {
    if (text.empty() || (text[0] != '0' && text[0] != '1') || text.size() > 5 || (text.size() > 1 && text[1] != '.')) {
        return std::nullopt;
    }
    std::string digits{text.substr(0, 1)};
    digits += text.substr(std::min<std::size_t>(2, text.size()));
    digits.resize(4, '0');
    int value = 0;
    const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failure != std::errc{} || stop != digits.data() + digits.size() || value > 1000) {
        return std::nullopt;
    }
    return value;
}

/// `type/subtype` with its parameters, or nothing if it is not in this form.
std::optional<MediaRange> parse_range(std::string_view text) {
    const auto parts = elements_of(text, ';');
    if (parts.empty()) {
        return std::nullopt;
    }
    const auto slash = parts[0].find('/');
    if (slash == 0 || slash == std::string_view::npos || slash + 1 == parts[0].size()) {
        return std::nullopt;
    }
    MediaRange range{.type = parts[0].substr(0, slash), .subtype = parts[0].substr(slash + 1), .parameters = {}};
    if (range.type == "*" && range.subtype != "*") {
        return std::nullopt;
    }
    for (const auto parameter : std::span(parts).subspan(1)) {
        if (iequals(parameter.substr(0, 2), "q=")) {
            const auto quality = thousandths(parameter.substr(2));
            if (!quality) {
                return std::nullopt;
            }
            range.quality = *quality;
        } else if (!iequals(parameter, "charset=utf-8") && !iequals(parameter, R"(charset="utf-8")")) {
            range.parameters.push_back(parameter);
        }
    }
    return range;
}

/// How closely `range` describes `type`; 0 if it does not.
int specificity(const MediaRange& range, const MediaRange& type) {
    const auto same = [](std::string_view one, std::string_view other) { return iequals(one, other); };
    if (!range.parameters.empty() && !std::ranges::equal(range.parameters, type.parameters, same)) {
        return 0;
    }
    if (range.type == "*") {
        return 1;
    }
    if (!same(range.type, type.type)) {
        return 0;
    }
    if (range.subtype == "*") {
        return 2;
    }
    if (!same(range.subtype, type.subtype)) {
        return 0;
    }
    return range.parameters.empty() ? 3 : 4;
}

/// How much a type is liked. Orders by that, and then by whether it is named.
struct Liking {
    int quality = 0;
    bool is_named = false;

    auto operator<=>(const Liking&) const = default; // NOLINT(modernize-use-nullptr): clang-tidy 14
};

Liking liking_of(const MediaRange& type, std::span<const MediaRange> ranges) {
    int closest = 0;
    Liking liking;
    for (const auto& range : ranges) {
        const auto closeness = specificity(range, type);
        if (closeness > closest) {
            closest = closeness;
            liking = {range.quality, range.subtype != "*"};
        }
    }
    return liking;
}

} // namespace

std::optional<std::string_view> negotiate(const std::optional<std::string>& accept,
                                          std::span<const std::string_view> offered, Ties ties) {
    if (!accept || trimmed(*accept).empty()) {
        return offered.front();
    }
    std::vector<MediaRange> ranges;
    for (const auto element : elements_of(*accept)) {
        if (auto range = parse_range(element)) {
            ranges.push_back(std::move(*range));
        }
    }
    std::optional<std::string_view> best;
    Liking most{.quality = 0, .is_named = true};
    for (const auto type : offered) {
        const auto parsed = parse_range(type);
        auto liking = parsed ? liking_of(*parsed, ranges) : Liking{};
        liking.is_named = liking.is_named || ties == Ties::go_to_first;
        if (liking > most) {
            most = liking;
            best = type;
        }
    }
    return best;
}

} // namespace pdpp::http
