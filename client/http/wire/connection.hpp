#pragma once
// One connection's reading and writing: whole requests in, whole responses out, malformed requests turned into
// refusals. It knows the protocol; what a request means is the gateway's business.

#include "http/wire/handler.hpp"
#include "http/wire/limits.hpp"
#include "http/wire/message.hpp"
#include "http/wire/peer.hpp"
#include "http/wire/reply.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <memory>
#include <optional>

namespace pdpp::http {

class Connection {
  public:
    Connection(Socket socket, const ServerLimits& limits);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// Waits for a client to begin a request; false when it has gone, or has been silent for so long.
    boost::asio::awaitable<bool> wait_for_request(std::chrono::milliseconds patience);

    /// Reads the request that has begun into `whole`. False if the client went away or was too slow, or close() was
    /// called. Throws Refusal 400, 413, 414 or 431 for what is no acceptable HTTP; the connection is then of no further
    /// use but for the answer. Where `handler` takes the body as it comes, that is streamed_body(), and has no limit.
    boost::asio::awaitable<bool> read(const Handler& handler, std::optional<Request>& whole);

    /// The body of the last request, if it is read as it comes; else null.
    [[nodiscard]] std::shared_ptr<BodySource> streamed_body() const;
    /// Whether the last request has been read to its end.
    [[nodiscard]] bool has_read_body() const noexcept;
    /// Nobody takes more of it: whoever waits for some is told so.
    boost::asio::awaitable<void> leave_body();

    /// Sends `response`, without its body if it answers HEAD; false if the client does not take it.
    boost::asio::awaitable<bool> write(const Response& response, bool head);

    /// Sends `head` and, in chunks unless it has a Content-Length, what `body` has to say; false if the client does not
    /// take it. To a client that knows no chunks (HTTP/1.0) the end of the body is that of the connection. Throws what
    /// `body` does: what was sent then has no end.
    boost::asio::awaitable<bool> write(Response head, BodySource& body);

    /// Of a connection that speaks another protocol by now: some bytes, 0 at their end; false if they are not taken.
    boost::asio::awaitable<std::size_t> receive(boost::asio::mutable_buffer bytes);
    boost::asio::awaitable<bool> send(boost::asio::const_buffer bytes);
    /// Tells the client that nothing more will be sent.
    void end_sending() noexcept;
    /// It is between requests for whoever ends the server: nothing is due on it.
    void be_idle() noexcept { in_flight_ = false; }

    /// Whether the headers of a request have come whose answer is not yet sent.
    [[nodiscard]] bool is_in_flight() const noexcept { return in_flight_; }

    Socket& socket() noexcept { return stream_.socket(); }

    /// Closes so that the client still gets what was sent: first our side, then, when it has closed its own, the rest.
    boost::asio::awaitable<void> finish();

    /// Closes at once; waits in progress end.
    void close() noexcept;

  private:
    class StreamedBody;

    boost::beast::basic_stream<StreamProtocol, boost::asio::any_io_executor> stream_;
    boost::beast::flat_buffer buffer_;
    ServerLimits limits_;
    bool in_flight_ = false;
    std::shared_ptr<StreamedBody> streamed_;
};

} // namespace pdpp::http
