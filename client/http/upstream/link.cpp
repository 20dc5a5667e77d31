// Connecting, reading and writing, with Asio and OpenSSL.

#include "http/upstream/link.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <sys/socket.h>

namespace pdpp::http {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using tcp = asio::ip::tcp;

namespace {

constexpr auto with_failure = asio::as_tuple(asio::use_awaitable);

} // namespace

Link::Link(const asio::any_io_executor& executor, ssl::context* tls) : socket_(executor), time_(executor) {
    if (tls != nullptr) {
        tls_.emplace(socket_, *tls);
    }
}

asio::awaitable<Link::Failure> Link::open(Endpoints endpoints, std::string host) {
    const auto [failure, endpoint] = co_await asio::async_connect(socket_, endpoints, with_failure);
    if (failure) {
        co_return failure;
    }
    Failure ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.set_option(Socket::keep_alive(true), ignored); // a stream may be silent for long
    if (!tls_) {
        co_return Failure{};
    }
    tls_->set_verify_mode(ssl::verify_peer);
    tls_->set_verify_callback(ssl::host_name_verification(host));
    asio::ip::make_address(host, ignored);
    if (ignored) { // a name, and no address, which has no place there (RFC 6066, 3)
        SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
    }
    const auto [refused] = co_await tls_->async_handshake(ssl::stream_base::client, with_failure);
    co_return refused;
}

asio::awaitable<std::pair<Link::Failure, std::size_t>> Link::read_some(asio::mutable_buffer bytes) {
    if (tls_) {
        const auto [failure, size] = co_await tls_->async_read_some(bytes, with_failure);
        co_return std::pair{failure, size};
    }
    const auto [failure, size] = co_await socket_.async_read_some(bytes, with_failure);
    co_return std::pair{failure, size};
}

asio::awaitable<Link::Failure> Link::write(asio::const_buffer bytes) {
    if (tls_) {
        const auto [failure, size] = co_await asio::async_write(*tls_, bytes, with_failure);
        co_return failure;
    }
    const auto [failure, size] = co_await asio::async_write(socket_, bytes, with_failure);
    co_return failure;
}

void Link::give_until(std::chrono::steady_clock::time_point latest) {
    time_.expires_at(latest);
    time_.async_wait([weak = weak_from_this()](Failure cancelled) {
        const auto self = weak.lock();
        // what was given since counts, even if this had been on its way already
        if (!cancelled && self && self->time_.expiry() <= std::chrono::steady_clock::now()) {
            self->is_late_ = true;
            self->close();
        }
    });
}

void Link::give_forever() {
    time_.expires_at(asio::steady_timer::time_point::max());
}

/// Of TCP, under TLS too: its own word of the end (close_notify) many take for that of both directions.
void Link::end_writing() noexcept {
    Failure ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
}

void Link::close() noexcept {
    Failure ignored;
    socket_.close(ignored);
}

bool Link::is_quiet() {
    if (tls_) { // may have read more than it gave
        SSL* const session = tls_->native_handle();
        if (SSL_has_pending(session) != 0 || BIO_ctrl_pending(SSL_get_rbio(session)) > 0) {
            return false;
        }
    }
    char byte = 0;
    return socket_.is_open() && ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

} // namespace pdpp::http
