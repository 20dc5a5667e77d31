#pragma once
// One connection to the server behind, plain or under TLS.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace pdpp::http {

class Link : public std::enable_shared_from_this<Link> {
  public:
    using Failure = boost::system::error_code;

    /// `tls` must outlive it; null for a plain one.
    Link(const boost::asio::any_io_executor& executor, boost::asio::ssl::context* tls);

    using Endpoints = boost::asio::ip::tcp::resolver::results_type;

    /// Connects to the first of these that answers, and under TLS makes sure that it is `host`.
    boost::asio::awaitable<Failure> open(Endpoints endpoints, std::string host);

    /// Some bytes, or why there are none: asio::error::eof at their end.
    boost::asio::awaitable<std::pair<Failure, std::size_t>> read_some(boost::asio::mutable_buffer bytes);
    /// All of these. One of each may be under way.
    boost::asio::awaitable<Failure> write(boost::asio::const_buffer bytes);

    /// Tells the other side that nothing more will be written, which it may go on to answer.
    void end_writing() noexcept;

    /// Closes it after so long, unless told otherwise before.
    void give(std::chrono::milliseconds time) { give_until(std::chrono::steady_clock::now() + time); }
    void give_until(std::chrono::steady_clock::time_point latest);
    void give_forever();
    /// Whether its time is what ended it.
    [[nodiscard]] bool is_late() const noexcept { return is_late_; }

    /// Closes it at once; what is under way fails.
    void close() noexcept;

    /// Whether it is open, with nothing on it: the next request may be sent.
    [[nodiscard]] bool is_quiet();

    boost::asio::any_io_executor executor() { return socket_.get_executor(); }

  private:
    using Socket = boost::asio::ip::tcp::socket;

    Socket socket_;
    std::optional<boost::asio::ssl::stream<Socket&>> tls_;
    boost::asio::steady_timer time_;
    bool is_late_ = false;
};

} // namespace pdpp::http
