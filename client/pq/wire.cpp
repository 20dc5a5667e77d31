// Waiting on libpq's socket, with a deadline.

#include "pq/wire.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>

namespace pdpp::pq {

namespace asio = boost::asio;

void Connection::Wire::start_deadline(std::chrono::milliseconds timeout) {
    expired = false;
    deadline.expires_after(timeout);
    deadline.async_wait([wire = weak_from_this()](boost::system::error_code cancelled) {
        const auto self = wire.lock();
        // A handler that was already queued when the deadline moved on must not fire for the next statement.
        if (cancelled || !self || self->deadline.expiry() > asio::steady_timer::clock_type::now()) {
            return;
        }
        self->expired = true;
        boost::system::error_code ignored;
        self->socket.cancel(ignored);
    });
}

void Connection::Wire::stop_deadline() {
    deadline.expires_at(asio::steady_timer::time_point::max());
    expired = false;
}

void Connection::Wire::attach() {
    boost::system::error_code failure;
    socket.assign(PQsocket(handle), failure);
    if (failure) {
        throw Error(ErrorKind::connection_lost, "cannot watch the socket of the connection: " + failure.message());
    }
}

void Connection::Wire::detach() noexcept {
    if (socket.is_open()) {
        socket.release();
    }
}

void Connection::Wire::close() noexcept {
    detach();
    PQfinish(handle);
    handle = nullptr;
    doomed = false;
    has_refused_writes = false;
}

void Connection::Wire::check_still_open() const {
    if (expired) {
        throw Error(ErrorKind::timeout, "the database did not answer in time");
    }
    if (handle == nullptr) {
        throw Error(ErrorKind::misused, "the database connection was closed while it was in use");
    }
}

asio::awaitable<void> Connection::Wire::wait(WaitType what, ErrorKind if_lost) {
    try {
        co_await socket.async_wait(what, asio::use_awaitable);
    } catch (const boost::system::system_error& error) {
        check_still_open();
        if (error.code() == asio::error::operation_aborted) { // whoever waits has been cancelled
            throw;
        }
        throw Error(if_lost, "cannot watch the socket of the connection: " + error.code().message());
    }
    check_still_open();
}

asio::awaitable<void> Connection::Wire::wait_either() {
    using namespace asio::experimental::awaitable_operators;
    try {
        co_await (wait(WaitType::wait_read) || wait(WaitType::wait_write));
    } catch (const asio::multiple_exceptions& both) { // what befell the connection befell both
        std::rethrow_exception(both.first_exception());
    }
}

Error Connection::Wire::failure(ErrorKind kind) const {
    return {kind, PQerrorMessage(handle)};
}

} // namespace pdpp::pq
