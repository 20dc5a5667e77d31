#pragma once
// Reads that many ask for at the same moment, as those do who wait for one run: the same question is asked once for all
// who have it, and only so many at a time, so that a crowd leaves connections to others.

#include "pq/connection.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::pq {

class SharedReads {
  public:
    using Body = std::shared_ptr<const std::string>;

    /// Makes a read over a connection that works just then, from the pool for example.
    using Call =
        std::function<boost::asio::awaitable<std::string>(std::string_view function, std::vector<Argument> arguments)>;

    /// At most `at_once` calls are under way at a time.
    SharedReads(const boost::asio::any_io_executor& executor, std::size_t at_once, Call call);

    /// What `function` answers, asked after this call: an answer under way, which may be older, is not shared. Throws
    /// what the call does; when that is Error `cannot_connect` or `not_let_in`, all who queue are told so at once.
    boost::asio::awaitable<Body> read(std::string_view function, std::vector<Argument> arguments);

  private:
    struct State;

    std::shared_ptr<State> state_;
};

} // namespace pdpp::pq
