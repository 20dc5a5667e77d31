#pragma once
// How many wrong passwords the gateway listens to: 5 a minute from one peer, 30 a minute from all together. It holds at
// most 30 entries, whoever knocks.

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

class LoginThrottle {
  public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr std::chrono::seconds window{60};
    static constexpr std::size_t peer_limit = 5;
    static constexpr std::size_t total_limit = 30;

    /// Nothing if a password from `peer` may be looked at; else the time until one may, rounded up to seconds.
    std::optional<std::chrono::seconds> must_wait(std::string_view peer, Time now);

    /// Notes that a password from `peer`, for which must_wait() had nothing to say, was wrong.
    void failed(std::string_view peer, Time now);

  private:
    struct Failure {
        std::string peer;
        Time at;
    };

    std::deque<Failure> failures_; ///< of the last minute, oldest first
};

} // namespace pdpp::http
