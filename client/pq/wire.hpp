#pragma once
// Below a connection: the libpq handle, its socket in Asio's hands, and the one deadline that holds for whatever runs.

#include "pq/connection.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <libpq-fe.h>

#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

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
    /// sockets itself, and a new one may carry the old one's number. Throws Error `connection_lost` where the system
    /// has no room for one more socket to be told of.
    void attach();
    void detach() noexcept;

    void close() noexcept;

    /// Waits for the socket. Throws Error `timeout`, `misused` if the connection was closed meanwhile, and `if_lost` if
    /// the system cannot tell of the socket any more.
    boost::asio::awaitable<void> wait(WaitType what, ErrorKind if_lost = ErrorKind::connection_lost);
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

/// Marks the connection as in use, under a deadline. What is not declared done() by the end of the scope (an error, a
/// cancelled coroutine) leaves libpq in the middle of something: the connection is closed.
class Connection::Busy {
  public:
    Busy(std::shared_ptr<Wire> wire, std::chrono::milliseconds timeout) : wire_(std::move(wire)) {
        if (wire_->busy) {
            throw Error(ErrorKind::misused, "the database connection is already in use");
        }
        wire_->busy = true;
        wire_->start_deadline(timeout);
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() { // NOLINT(bugprone-exception-escape): out of memory may end the program
        wire_->busy = false;
        wire_->stop_deadline();
        if (!done_) {
            wire_->close();
        }
    }

    void done() noexcept { done_ = true; }

  private:
    std::shared_ptr<Wire> wire_;
    bool done_ = false;
};

struct FreeMemory {
    void operator()(void* memory) const noexcept { PQfreemem(memory); }
};

/// A field of an error or a notice; empty if it has none.
inline std::string error_field(const PGresult* result, int code) {
    const char* const text = PQresultErrorField(result, code);
    return text == nullptr ? std::string{} : std::string{text};
}

/// As a number; 0 if it is none.
inline int number_in(std::string_view text) {
    int number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

} // namespace pdpp::pq
