#pragma once
// What the gateway answers: a whole response, or the head of one whose body comes piece by piece.

#include "http/wire/message.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace pdpp::http {

/// A body in pieces. The next one is asked for when the client has taken the last, so nothing piles up for a slow one.
class BodySource {
  public:
    BodySource() = default;
    BodySource(const BodySource&) = delete;
    BodySource& operator=(const BodySource&) = delete;
    virtual ~BodySource() = default;

    /// The next piece, which is not empty, or nothing at the end. May take as long as it likes. What it throws breaks
    /// the answer off in a way that the client notices.
    virtual boost::asio::awaitable<std::optional<std::string>> next() = 0;
};

class Connection;

/// What a connection is for after an answer that switches its protocol (101).
class Tunnel {
  public:
    Tunnel() = default;
    Tunnel(const Tunnel&) = delete;
    Tunnel& operator=(const Tunnel&) = delete;
    virtual ~Tunnel() = default;

    /// Carries what both sides say until both have ended; `client` is of no further use then.
    virtual boost::asio::awaitable<void> join(Connection& client) = 0;
};

// NOLINTNEXTLINE(bugprone-exception-escape): Beast moves headers without throwing, but does not promise it
struct Reply {
    Reply() = default;
    Reply(Response whole) : head(std::move(whole)) {} // NOLINT(google-explicit-constructor): a response is an answer
    Reply(Response head_, std::unique_ptr<BodySource> body_) : head(std::move(head_)), body(std::move(body_)) {}

    Response head;                    ///< all of the answer, if there is no source
    std::unique_ptr<BodySource> body; ///< may be null
    std::unique_ptr<Tunnel> tunnel;   ///< of an answer that switches the protocol; else null
    bool is_for_nobody = false;       ///< the client has gone: it is counted, and not sent
};

} // namespace pdpp::http
