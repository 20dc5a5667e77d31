#pragma once
// Passes a child's output on to a descriptor of ours without ever blocking the event loop, however slowly it is read at
// the other end: a terminal that is held must not keep a run from being stopped or settled.
//
// The descriptor is shared with others (the shell, a pager), so it must not be made nonblocking. Instead it is watched
// through an epoll of its own, and written in pieces that a pipe or terminal that is ready takes whole.

#include "controller/output.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string_view>

namespace pdpp::controller {

class Mirror : public Output {
  public:
    /// Does not take `descriptor` over.
    Mirror(const boost::asio::any_io_executor& executor, int descriptor);
    Mirror(const Mirror&) = delete;
    Mirror& operator=(const Mirror&) = delete;
    ~Mirror() override;

    /// Queues `bytes`. If nobody reads the descriptor any more (EPIPE), they are dropped: the run goes on.
    void write(std::string_view bytes) override;

    boost::asio::awaitable<void> room() override;
    void lift_limit() override;

    /// Returns when all that was queued has been passed on.
    boost::asio::awaitable<void> flushed();

    /// Whether the last byte passed on or queued ended a line (or there was none).
    [[nodiscard]] bool at_line_start() const noexcept;

  private:
    struct State;
    std::shared_ptr<State> state_; ///< shared with the coroutine that writes
};

} // namespace pdpp::controller
