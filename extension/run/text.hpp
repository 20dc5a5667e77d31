/*
 * Text of a bounded length, held in place.
 *
 * The server leaves a function by longjmp, which runs no destructor. So nothing in the domain owns heap memory: text
 * is either a view of memory that the server owns, or one of these.
 */
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

namespace pdpp::run {

/// Up to N bytes. What does not fit is cut off; every use states the bound that makes this impossible.
template <std::size_t N>
class Text {
  public:
    constexpr Text() = default;
    constexpr explicit Text(std::string_view text) { append(text); }

    constexpr void append(std::string_view text) {
        for (const char byte : text) {
            append(byte);
        }
    }
    constexpr void append(char byte) {
        if (length_ < N) {
            bytes_[length_++] = byte;
        }
    }
    constexpr void append_hex(unsigned char byte, std::string_view digits = "0123456789abcdef") {
        append(digits[byte >> 4]);
        append(digits[byte & 0x0f]);
    }

    [[nodiscard]] constexpr std::string_view view() const { return {bytes_.data(), length_}; }

  private:
    std::array<char, N> bytes_{};
    std::size_t length_ = 0;
};

static_assert(std::is_trivially_destructible_v<Text<1>>);

} // namespace pdpp::run
