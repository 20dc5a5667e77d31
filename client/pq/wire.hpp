#pragma once
// Below a connection: the libpq handle, its socket in Asio's hands, and the one deadline that holds for whatever runs.

#include "pq/connection.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <libpq-fe.h>

#include <memory>

namespace pdpp::pq {

/// Held by shared_ptr, because the deadline's handler may still be queued when the connection is gone.
struct Connection::Wire : std::enable_shared_from_this<Connection::Wire> {
    using WaitType = boost::asio::posix::stream_descriptor::wait_type;

    explicit Wire(const boost::asio::any_io_executor& executor) : socket(executor), deadline(executor) {}
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
    ~Wire() { close(); }

    /// From now on waits fail with Error `timeout` once `timeout` has passed; until stop_deadline().
    void start_deadline(std::chrono::milliseconds timeout);
    void stop_deadline();

    /// Hands the socket that libpq uses just now to Asio; detach() takes it back. libpq opens, closes and replaces
    /// sockets itself, and a new one may carry the old one's number.
    void attach();
    void detach() noexcept;

    void close() noexcept;

    /// Waits for the socket. Throws Error `timeout`, or `misused` if the connection was closed meanwhile.
    boost::asio::awaitable<void> wait(WaitType what);
    /// Waits until the socket can be read or written.
    boost::asio::awaitable<void> wait_either();

    /// libpq's last words, as an error of the given kind.
    Error failure(ErrorKind kind) const;

    boost::asio::posix::stream_descriptor socket;
    boost::asio::steady_timer deadline;
    PGconn* handle = nullptr;
    bool expired = false;
    bool busy = false;
    bool doomed = false; ///< the server has said that it ends this session
    bool has_refused_writes = false;

  private:
    void check_still_open() const;
};

} // namespace pdpp::pq
