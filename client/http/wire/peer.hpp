#pragma once
// The client at the other end of a connection, for whoever lets it wait: when it leaves, or the server has to, the wait
// ends.

#include "http/wire/listener.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <memory>
#include <string>

namespace pdpp::http {

/// For the thread that serves the connection, but for give_way() and is_known().
class Peer : public std::enable_shared_from_this<Peer> {
  public:
    using Time = boost::asio::steady_timer::time_point;

    /// `socket` must live until the last wait has ended.
    Peer(Socket& socket, std::string address);

    /// Where it connects from, without the port; `unix` for a unix socket.
    const std::string& address() const noexcept { return address_; }

    /// Waits until `time`, or until wake() was called since the last wait, the client has left, or the server drains.
    /// True if it was woken. While it waits the socket is watched; nothing is read from it.
    boost::asio::awaitable<bool> wait_until(Time time);

    void wake();
    void drain();

    /// It has closed its side of the connection, or all of it: what it waits for should come to an end, and the answer
    /// may still be read.
    bool has_left() const noexcept { return has_left_; }
    /// The connection is lost: nobody reads an answer any more.
    bool is_gone() const noexcept { return is_gone_; }
    /// The server is to end: what waits has to come to an end too.
    bool is_draining() const noexcept { return is_draining_; }

    /// Whether its last request came from somebody who may come in: had a session, where there are any. Others are the
    /// first to go when there is no place left.
    bool is_known() const noexcept { return standing_.load(std::memory_order_acquire) == Standing::known; }
    /// To be called with each request, as soon as that is found out and before anything is done for it. Throws Refusal
    /// 503 `too_many_connections` if another has been given its place already.
    void recognise();
    void forget() noexcept;
    /// A request, between its last byte and its answer: who was known before is until then, and no longer unless
    /// recognise() was called meanwhile.
    void begin_request() noexcept { was_recognised_ = false; }
    void end_request() noexcept;
    /// Gives its place to another, for good; false if it is known. From any thread.
    bool give_way() noexcept;

    /// Leaves the socket to others: to be called before anything is read from it again.
    void stop_watching();

  private:
    enum class Standing : unsigned char { unknown, known, leaving };

    void watch();

    Socket& socket_;
    std::string address_;
    boost::asio::steady_timer timer_;
    char peeked_ = 0;
    std::atomic<Standing> standing_ = Standing::unknown;
    bool was_recognised_ = false;
    bool is_watching_ = false;
    bool was_woken_ = false;
    bool has_left_ = false;
    bool is_gone_ = false;
    bool is_draining_ = false;
};

} // namespace pdpp::http
