#pragma once
// Text of a bounded length, held in place.
//
// The server leaves a function by longjmp, which runs no destructor. So nothing in the domain owns heap memory: text
// is either a view of memory that the server owns, or one of these.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
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
        const std::size_t fitting = std::min(text.size(), N - length_);
        std::copy_n(text.data(), fitting, bytes_.data() + length_);
        length_ += fitting;
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
    constexpr void append_number(std::uint64_t number) { ///< as 16 hex digits
        for (int shift = 56; shift >= 0; shift -= 8) {
            append_hex(static_cast<unsigned char>(number >> shift));
        }
    }

    [[nodiscard]] constexpr std::string_view view() const { return {bytes_.data(), length_}; }

  private:
    std::array<char, N> bytes_{};
    std::size_t length_ = 0;
};

static_assert(std::is_trivially_destructible_v<Text<1>>);

/// The value of a lower-case hex digit; nothing for any other byte.
constexpr std::optional<unsigned char> hex_value(char digit) {
    const std::size_t value = std::string_view{"0123456789abcdef"}.find(digit);
    if (value == std::string_view::npos) {
        return {};
    }
    return static_cast<unsigned char>(value);
}

/// The number that append_number() wrote; nothing for any other text.
constexpr std::optional<std::uint64_t> number_in(std::string_view digits) {
    if (digits.size() != 16) {
        return {};
    }
    std::uint64_t number = 0;
    for (const char digit : digits) {
        const auto value = hex_value(digit);
        if (!value) {
            return {};
        }
        number = (number << 4) | *value;
    }
    return number;
}

} // namespace pdpp::run
