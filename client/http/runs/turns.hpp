#pragma once
// Taking turns: of those who want the same thing only so many are at it at once, the others wait in line. It keeps what
// one of them gets stuck in from being everybody's trouble.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace pdpp::http {

class Turns {
    struct State;

  public:
    /// One's turn, until the end of the scope.
    class [[nodiscard]] Turn {
      public:
        Turn(Turn&&) noexcept = default;
        Turn& operator=(Turn&&) = delete;
        ~Turn(); // NOLINT(bugprone-exception-escape): see there

      private:
        friend class Turns;
        Turn(std::shared_ptr<State> state, std::string thing) noexcept;

        std::shared_ptr<State> state_;
        std::string thing_;
    };

    /// `at_once` for each thing.
    Turns(const boost::asio::any_io_executor& executor, std::size_t at_once);

    /// First come, first served; nothing if it is not one's turn within `patience`.
    boost::asio::awaitable<std::optional<Turn>> take(std::string thing, std::chrono::milliseconds patience);

    /// Those who wait, for whatever.
    [[nodiscard]] std::size_t waiting() const noexcept;

  private:
    std::shared_ptr<State> state_;
};

} // namespace pdpp::http
