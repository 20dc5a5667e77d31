#include "run/id.hpp"

#include <charconv>

namespace pdpp::run {

namespace {

constexpr std::string_view event_prefix = "evt_";

/// Unicode's category Cc in UTF-8: C0, DEL and C1.
bool has_control_character(std::string_view text) {
    unsigned char before = 0;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_printable_ascii = byte >= 0x20 && byte < 0x7f; // nearly all of them are
        if (!is_printable_ascii && (byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte >= 0x80 && byte <= 0x9f))) {
            return true;
        }
        before = byte;
    }
    return false;
}

GeneratedId with_prefix(std::string_view prefix, std::string_view digits) {
    GeneratedId id{prefix};
    id.append(digits);
    return id;
}

} // namespace

bool is_possible_id(std::string_view id) {
    return !check_id(id, "id");
}

Check check_id(std::string_view id, std::string_view param) {
    const auto fault = [&](std::string_view message) { return Fault{ErrorCode::invalid_request, param, message}; };
    if (id.empty()) {
        return fault("must not be empty");
    }
    if (id.size() > max_id_bytes) {
        return fault("must not be longer than 256 bytes");
    }
    if (id == "." || id == "..") {
        return fault("must not be . or .., which no URL can carry");
    }
    if (has_control_character(id)) {
        return fault("must not contain control characters");
    }
    return {};
}

UuidDigits placed_uuid7_digits(std::int64_t unix_micros, Placement placement,
                               const std::array<unsigned char, 8>& random) {
    const auto millis = static_cast<std::uint64_t>(unix_micros / 1000);
    const std::uint64_t high = (millis << 16) | 0x7000U | (placement & 0xfffU);

    UuidDigits digits;
    for (int shift = 56; shift >= 0; shift -= 8) {
        digits.append_hex(static_cast<unsigned char>(high >> shift));
    }
    digits.append_hex(static_cast<unsigned char>((random[0] & 0x3f) | 0x80)); // the variant
    for (std::size_t i = 1; i < random.size(); ++i) {
        digits.append_hex(random[i]);
    }
    return digits;
}

UuidDigits uuid7_digits(std::int64_t unix_micros, const std::array<unsigned char, 8>& random) {
    // the microseconds within the millisecond, scaled to 12 bits
    return placed_uuid7_digits(unix_micros, static_cast<Placement>(unix_micros % 1000 * 4096 / 1000), random);
}

GeneratedId run_id_from(const UuidDigits& digits) {
    return with_prefix("run_", digits.view());
}

GeneratedId event_id_from(const UuidDigits& digits) {
    return with_prefix(event_prefix, digits.view());
}

GeneratedId trace_id_from(const std::array<unsigned char, 16>& random) {
    UuidDigits digits;
    for (const unsigned char byte : random) {
        digits.append_hex(byte);
    }
    return with_prefix("trc_", digits.view());
}

EventId event_id_of(std::string_view run_id, std::int64_t event_seq) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), event_seq).ptr;
    EventId id{event_prefix};
    id.append(run_id);
    id.append('_');
    id.append(std::string_view{digits.data(), static_cast<std::size_t>(end - digits.data())});
    return id;
}

std::optional<std::int64_t> event_seq_in(std::string_view event_id, std::string_view run_id) {
    const std::size_t digits = event_prefix.size() + run_id.size() + 1;
    std::int64_t event_seq = 0;
    if (event_id.size() > digits) {
        (void)std::from_chars(event_id.data() + digits, event_id.data() + event_id.size(), event_seq);
    }
    // written again it is the same: no sign, no leading zero, nothing behind it
    return event_seq > 0 && event_id_of(run_id, event_seq).view() == event_id ? std::optional{event_seq} : std::nullopt;
}

} // namespace pdpp::run
