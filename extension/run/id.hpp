#pragma once
// Ids: which ones callers may bring, and how ours are made.

#include "run/error.hpp"
#include "run/text.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::run {

inline constexpr std::size_t max_id_bytes = 256;

/// 1 to 256 bytes, no control character, neither `.` nor `..` (which no URL can carry as a segment). An id that fails
/// this names no run; a reader just finds it unknown.
[[nodiscard]] bool is_possible_id(std::string_view id);

/// Whether a run may be here by this id: beside those, runs that were imported, whose ids may hold any character.
[[nodiscard]] constexpr bool may_be_known(std::string_view id) {
    return !id.empty() && id.size() <= max_id_bytes;
}

/// The same as a refusal for writers: invalid_request, naming the parameter.
[[nodiscard]] Check check_id(std::string_view id, std::string_view param);

/// The 32 lower-case hex digits of a UUID.
using UuidDigits = Text<32>;

/// What the ids of a connection's runs have in common, 12 bits.
using Placement = std::uint16_t;

/// The first 12 bits of SHA-256 of a connection's id, in UTF-8, by the first two bytes of the digest. For ever: what is
/// spread by it is found by it.
[[nodiscard]] constexpr Placement placement_of(unsigned char first, unsigned char second) {
    return static_cast<Placement>(first << 4 | second >> 4);
}

/// RFC 9562, version 7: 48 bits of milliseconds, the placement for its `rand_a`, 62 random bits that nobody guesses.
[[nodiscard]] UuidDigits placed_uuid7_digits(std::int64_t unix_micros, Placement placement,
                                             const std::array<unsigned char, 8>& random);

/// The same with the fraction of the millisecond (method 3 of section 6.2) for a placement: digits sort by time down to
/// the microsecond's neighbourhood.
[[nodiscard]] UuidDigits uuid7_digits(std::int64_t unix_micros, const std::array<unsigned char, 8>& random);

using GeneratedId = Text<4 + 32>;

[[nodiscard]] GeneratedId run_id_from(const UuidDigits& digits);                      ///< run_…
[[nodiscard]] GeneratedId event_id_from(const UuidDigits& digits);                    ///< evt_…
[[nodiscard]] GeneratedId trace_id_from(const std::array<unsigned char, 16>& random); ///< trc_…

/// `evt_<run id>_<number>`: what an event is known by whose writer brought no id.
using EventId = Text<4 + max_id_bytes + 1 + 20>;
[[nodiscard]] EventId event_id_of(std::string_view run_id, std::int64_t event_seq);

/// The number of the event that has this id, or will have it; nothing for any other id.
[[nodiscard]] std::optional<std::int64_t> event_seq_in(std::string_view event_id, std::string_view run_id);

} // namespace pdpp::run
