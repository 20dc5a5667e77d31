#pragma once
// Reads that many ask for at the same moment, as those do who wait for one run: the same question is asked once for all
// who have it, and only so many at a time, so that a crowd leaves connections to others.

#include "pq/pool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::pq {

class SharedReads {
  public:
    using Body = std::shared_ptr<const std::string>;

    /// At most `at_once` connections of `pool`, which must outlive the loop's run, are in use; `timeout` is for the
    /// answer to one read.
    SharedReads(const boost::asio::any_io_executor& executor, Pool& pool, std::size_t at_once,
                std::chrono::milliseconds timeout);

    /// What `function` answers, asked after this call: an answer under way, which may be older, is not shared. Throws
    /// Error, as the pool and the connection do; when no connection can be had, all who queue are told so at once.
    boost::asio::awaitable<Body> read(std::string_view function, std::vector<Argument> arguments);

  private:
    struct State;

    std::shared_ptr<State> state_;
};

} // namespace pdpp::pq
