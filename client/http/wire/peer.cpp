// Watching a socket without reading from it: by peeking.

#include "http/wire/peer.hpp"

#include "http/wire/errors.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using boost::system::error_code;

Peer::Peer(Socket& socket, std::string address)
    : socket_(socket), address_(std::move(address)), timer_(socket.get_executor()) {}

asio::awaitable<bool> Peer::wait_until(Time time) {
    watch();
    if (!was_woken_ && !has_left_ && !is_draining_) {
        timer_.expires_at(time);
        co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return std::exchange(was_woken_, false);
}

void Peer::wake() {
    was_woken_ = true;
    timer_.cancel();
}

void Peer::drain() {
    is_draining_ = true;
    timer_.cancel();
}

void Peer::recognise() {
    was_recognised_ = true;
    auto standing = standing_.load(std::memory_order_acquire);
    if (standing == Standing::unknown) {
        standing_.compare_exchange_strong(standing, Standing::known);
    }
    if (standing == Standing::leaving) {
        throw refusal(ErrorKind::too_many_connections);
    }
}

void Peer::forget() noexcept {
    auto known = Standing::known;
    standing_.compare_exchange_strong(known, Standing::unknown);
}

void Peer::end_request() noexcept {
    if (!was_recognised_) {
        forget();
    }
}

bool Peer::give_way() noexcept {
    auto unknown = Standing::unknown;
    return standing_.compare_exchange_strong(unknown, Standing::leaving);
}

void Peer::watch() {
    if (std::exchange(is_watching_, true)) {
        return;
    }
    // A client that sends its next request early is not watched any further: what is behind that cannot be seen.
    socket_.async_receive(asio::buffer(&peeked_, 1), Socket::message_peek,
                          [self = shared_from_this()](error_code failure, std::size_t) {
                              if (failure && failure != asio::error::operation_aborted) {
                                  self->has_left_ = true;
                                  self->is_gone_ = failure != asio::error::eof;
                                  self->timer_.cancel();
                              }
                          });
}

void Peer::stop_watching() {
    if (!std::exchange(is_watching_, false)) {
        return;
    }
    error_code ignored;
    socket_.cancel(ignored);
}

} // namespace pdpp::http
