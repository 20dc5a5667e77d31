#pragma once
// A clock that may be set, beside one that never is: how much of the time between two stamps has really passed.

#include "run/instant.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace pdpp::run {

/// What the wall clock of a host was set to since somebody began to look. Both clocks count microseconds; the steady
/// one from any moment.
class WallClock {
  public:
    /// Less is no setting: the two clocks are not read in the same instant. So a stamp may be that far ahead of a clock
    /// that made it, and nothing is known of a setting.
    static constexpr std::int64_t tolerance = 1'000'000;

    /// Both clocks as they are now. An older look than the latest says nothing.
    void look(Instant wall, std::int64_t steady);

    /// A stamp that this clock made, as the clock would have made it had it been then what it is now; the stamp itself
    /// if the clock was not set since, or cannot have made it. One that is less than the tolerance ahead of now may be
    /// of now. Where a clock that was set back came by the same time twice, the later moment counts: nothing that is
    /// due so long after a stamp is due too early.
    [[nodiscard]] Instant in_present_time(Instant stamp, Instant now) const;

    /// By how much that may move a stamp, at most: to later, and to earlier (not positive).
    [[nodiscard]] std::int64_t furthest_forward() const;
    [[nodiscard]] std::int64_t furthest_back() const;

  private:
    /// The time between two settings.
    struct Era {
        std::int64_t begin; ///< what the clock showed then, at the earliest
        std::int64_t end;   ///< and at the end, at the latest
        std::int64_t moved; ///< so much it has been set ahead since then; negative: back
    };
    static constexpr std::size_t remembered = 8;

    std::array<Era, remembered> eras_{}; ///< the last of them goes on
    std::size_t count_ = 0;
    std::int64_t offset_ = 0;      ///< what the wall clock shows at 0 of the steady one
    std::int64_t latest_look_ = 0; ///< on the steady clock
};

} // namespace pdpp::run
