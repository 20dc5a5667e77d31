#pragma once
// The connections of a listener: reads requests under limits of size and time, hands each to its handler, writes the
// answer, keeps the connection for the next one.

#include "http/handler.hpp"
#include "http/listener.hpp"
#include "http/metrics.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <memory>

namespace pdpp::http {

/// What a client may ask of the server's memory and patience.
struct ServerLimits {
    std::size_t header_bytes = 16384; ///< request line and headers together: 431
    std::size_t body_bytes = 131072;  ///< 413; twice what pdpp.max_event_bytes allows a run's data by default
    /// Open at once. One more takes the place of the oldest whose client is not known (Client::is_known); if there is
    /// none it is answered 503 and closed.
    std::size_t connections = 16384;
    /// From a request's first byte to the end of its headers; to its first byte as well, after an answer to a client
    /// that is not known.
    std::chrono::milliseconds header_time = std::chrono::seconds(10);
    std::chrono::milliseconds body_time = std::chrono::seconds(30);
    std::chrono::milliseconds write_time = std::chrono::seconds(30);
    std::chrono::milliseconds idle_time = std::chrono::seconds(75); ///< between requests
};

class Server {
  public:
    /// `handler` must outlive the loop's run.
    Server(boost::asio::io_context& loop, Listener listener, Handler& handler, const ServerLimits& limits = {});

    /// Counts its connections there.
    void count_in(Metrics& metrics) noexcept;

    /// Where it listens, with the real port if it was asked for port 0.
    Endpoint endpoint() const;

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
