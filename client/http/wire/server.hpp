#pragma once
// The connections of a listener: reads requests under limits of size and time, hands each to its handler, writes the
// answer, keeps the connection for the next one.

#include "http/watch/metrics.hpp"
#include "http/wire/handler.hpp"
#include "http/wire/limits.hpp"
#include "http/wire/listener.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <memory>

namespace pdpp::http {

class Server {
  public:
    /// `handler` must outlive the loop's run.
    Server(boost::asio::io_context& loop, Listener listener, Handler& handler, const ServerLimits& limits = {});

    /// Counts its connections there.
    void count_in(Metrics& metrics) noexcept;

    /// Where it listens, with the real port if it was asked for port 0.
    [[nodiscard]] Endpoint endpoint() const;

    /// Begins to take connections.
    void start();

    /// From now on, for new connections.
    void set_limits(const ServerLimits& limits) noexcept;

    /// Takes no more connections and requests, closes the idle connections at once and the others after the answer
    /// that is due on them, which ends waits and streams, and then stops the loop; at the latest after `limit`.
    void drain(std::chrono::seconds limit);

  private:
    struct State;
    struct Session;

    static boost::asio::awaitable<void> accept(std::shared_ptr<State> state);
    static boost::asio::awaitable<void> turn_away(std::shared_ptr<State> state, Socket socket);
    static boost::asio::awaitable<void> serve(std::shared_ptr<State> state, Socket socket);

    std::shared_ptr<State> state_;
};

} // namespace pdpp::http
