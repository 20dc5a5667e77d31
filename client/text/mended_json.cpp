#include "text/mended_json.hpp"

#include "text/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace pdpp {

namespace {

constexpr std::string_view replacement = "\\ufffd";

bool is_control_byte(char byte) {
    return static_cast<unsigned char>(byte) < 0x20;
}

/// The code unit that the escape `\uXXXX` at the front of `text` stands for.
std::optional<unsigned> escaped_unit(std::string_view text) {
    constexpr std::size_t length = 6;
    unsigned unit = 0;
    if (text.size() < length || !text.starts_with("\\u")) {
        return std::nullopt;
    }
    const char* const end = text.data() + length;
    const auto [stop, error] = std::from_chars(text.data() + 2, end, unit, 16);
    return error == std::errc() && stop == end ? std::optional(unit) : std::nullopt;
}

bool is_high_surrogate(unsigned unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}

bool is_low_surrogate(unsigned unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

/// Takes an escape off the front of `rest`, and gives what to write for it.
std::string_view take_escape(std::string_view& rest) {
    std::size_t length = std::min<std::size_t>(2, rest.size());
    bool is_half = false;
    if (const auto unit = escaped_unit(rest)) {
        length = 6;
        const auto next = escaped_unit(rest.substr(length));
        if (is_high_surrogate(*unit) && next && is_low_surrogate(*next)) {
            length *= 2;
        } else {
            is_half = is_high_surrogate(*unit) || is_low_surrogate(*unit);
        }
    }
    const auto escape = rest.substr(0, length);
    rest.remove_prefix(length);
    return is_half ? replacement : escape;
}

} // namespace

std::string mended_json(std::string_view text) {
    bool in_string = false;
    return mended_json(text, in_string);
}

std::string mended_json(std::string_view piece, bool& in_string) {
    // whole characters first, so that what follows may go by bytes
    const auto characters = storable(piece, std::string_view::npos);
    std::string mended;
    mended.reserve(characters.size());
    for (std::string_view rest = characters; !rest.empty();) {
        const char byte = rest.front();
        if (in_string && byte == '\\') {
            mended += take_escape(rest);
            continue;
        }
        rest.remove_prefix(1);
        if (byte == '"') {
            in_string = !in_string;
        }
        if (!is_control_byte(byte)) {
            mended += byte;
        } else if (in_string) {
            mended += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
        } else {
            mended += ' ';
        }
    }
    return mended;
}

} // namespace pdpp
