#pragma once
// When a run has to have ended, as the database says it, on this process's own clock. The database's clock may show
// another time than this host's, so only differences of what it prints count.

#include <chrono>
#include <optional>
#include <string_view>

namespace pdpp::controller {

class Deadline {
  public:
    using Clock = std::chrono::steady_clock;
    using Stamp = std::chrono::sys_time<std::chrono::milliseconds>; ///< of the database

    /// The answer to run.started, which says when it was recorded and when the run has to have ended. It was given no
    /// later than now.
    void note_start(std::string_view body, Clock::time_point now);

    /// A status since: somebody may have given the run more time.
    void note_status(std::string_view body, Clock::time_point now);

    /// When the process has to be asked to stop, so that there is time for its grace and for the ending to be told:
    /// that much sooner, but by no more than a tenth of the run's time. The last time there is, if there is no
    /// deadline.
    [[nodiscard]] Clock::time_point time_to_stop(std::chrono::milliseconds grace) const;

  private:
    void set(Clock::time_point at, Clock::time_point now);

    std::optional<Stamp> stamp_;
    Clock::time_point at_ = Clock::time_point::max();
    Clock::duration given_{};
};

/// Between two times of a body, both as the database printed them; nothing if one of them is missing.
std::optional<std::chrono::milliseconds> time_between(std::string_view body, std::string_view from,
                                                      std::string_view to);

} // namespace pdpp::controller
