#pragma once
// The progress that waits to be written. A connector may report faster than a database should be written to, so the
// queue is bounded and its drain is paced: the first reports of a run are all kept, and in a flood the newest of each
// stream displaces what it makes stale. Pure; the clock is the caller's.

#include "controller/connector_output.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>

namespace pdpp::controller {

class ProgressQueue {
  public:
    using Clock = std::chrono::steady_clock;

    /// Never more than this many wait.
    static constexpr std::size_t capacity = 100;
    /// This many are written as fast as the database takes them, then one for each `interval`.
    static constexpr int burst = 100;
    static constexpr std::chrono::milliseconds interval{100};

    /// With the queue full, the newest waiting report of the same stream is replaced; failing that, the oldest report
    /// of all is dropped.
    void push(Progress progress);

    /// The oldest report.
    std::optional<Progress> pop();

    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

    /// Accounts for one write, and gives the time at which it may be made: `now` unless the burst is used up.
    Clock::time_point due(Clock::time_point now);

  private:
    std::deque<Progress> waiting_;
    Clock::time_point paced_to_{};
};

} // namespace pdpp::controller
