#pragma once
// The connections of a listener: reads requests under limits of size and time, hands each to its handler, writes the
// answer, keeps the connection for the next one. One loop takes the connections, and hands them round to all.

#include "http/watch/metrics.hpp"
#include "http/wire/handler.hpp"
#include "http/wire/limits.hpp"
#include "http/wire/listener.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <memory>
#include <vector>

namespace pdpp::http {

/// A loop that serves connections, and what it serves there.
struct ServingLoop {
    boost::asio::io_context& loop;
    Handler& handler;           ///< must outlive the loop's run
    Metrics* metrics = nullptr; ///< where its connections are counted
};

class Server {
  public:
    /// The first of the loops takes the connections. All that is called here is to be called on it.
    Server(const std::vector<ServingLoop>& loops, Listener listener, const ServerLimits& limits = {});
    /// One loop.
    Server(boost::asio::io_context& loop, Listener listener, Handler& handler, const ServerLimits& limits = {});
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Where it listens, with the real port if it was asked for port 0.
    [[nodiscard]] Endpoint endpoint() const;

    /// Begins to take connections.
    void start();

    /// From now on, for new connections.
    void set_limits(const ServerLimits& limits) noexcept;

    /// Takes no more connections and requests, closes the idle connections at once and the others after the answer
    /// that is due on them, which ends waits and streams, and then stops the loops; at the latest after `limit`.
    void drain(std::chrono::seconds limit);

  private:
    struct State;
    struct Session;
    class Listed;

    static boost::asio::awaitable<void> accept(std::shared_ptr<State> state);
    static void hand_round(const std::shared_ptr<State>& state, Socket socket);
    static boost::asio::awaitable<void> turn_away(std::shared_ptr<State> state, Socket socket);
    static boost::asio::awaitable<void> serve(std::shared_ptr<Session> session);

    std::shared_ptr<State> state_;
};

} // namespace pdpp::http
