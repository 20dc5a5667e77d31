#include "text/text.hpp"

#include <boost/locale/utf.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace pdpp {

namespace {

namespace utf = boost::locale::utf;

/// Takes one character off the front of `rest`. Malformed bytes come one at a time, as utf::illegal, so that a broken
/// sequence does not swallow the sound character behind it.
utf::code_point take(std::string_view& rest, std::string_view& bytes) {
    auto end = rest.begin();
    const utf::code_point character = utf::utf_traits<char>::decode(end, rest.end());
    const bool valid = character != utf::illegal && character != utf::incomplete;
    bytes = rest.substr(0, valid ? static_cast<std::size_t>(end - rest.begin()) : 1);
    rest.remove_prefix(bytes.size());
    return valid ? character : utf::illegal;
}

bool is_disruptive(utf::code_point character) {
    return character < 0x20 || (character >= 0x7f && character < 0xa0) ||         // C0, DEL, C1
           (character >= 0x2028 && character <= 0x202e) ||                        // separators, embeddings, overrides
           (character >= 0x2066 && character <= 0x2069) || character == 0x200e || // isolates, marks
           character == 0x200f || character == 0x061c;
}

} // namespace

bool is_storable(std::string_view text) {
    if (std::ranges::all_of(text, [](char byte) { return byte > 0; })) { // most of it is plain ASCII
        return true;
    }
    for (std::string_view bytes; !text.empty();) {
        const auto character = take(text, bytes);
        if (character == 0 || character == utf::illegal) {
            return false;
        }
    }
    return true;
}

std::string storable(std::string_view text, std::size_t limit) {
    std::string stored;
    std::size_t characters = 0;
    for (std::string_view bytes; !text.empty();) {
        const auto character = take(text, bytes);
        if (character == 0) {
            continue;
        }
        if (characters++ == limit) {
            return stored + "…";
        }
        stored += character == utf::illegal ? std::string_view("\ufffd") : bytes;
    }
    return stored;
}

std::string printable(std::string_view text) {
    std::string shown;
    for (std::string_view bytes; !text.empty();) {
        const auto character = take(text, bytes);
        if (character == utf::illegal) {
            shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes.front()));
        } else if (character == '\n') {
            shown += "\\n";
        } else if (character == '\t') {
            shown += "\\t";
        } else if (character == '\r') {
            shown += "\\r";
        } else if (is_disruptive(character)) {
            shown += character < 0x100 ? fmt::format("\\x{:02x}", character) : fmt::format("\\u{:04x}", character);
        } else {
            shown += bytes;
        }
    }
    return shown;
}

} // namespace pdpp
