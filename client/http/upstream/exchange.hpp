#pragma once
// One request and its answer on a connection to the server behind, both ways at once.

#include "http/upstream/link.hpp"
#include "http/wire/message.hpp"
#include "http/wire/peer.hpp"
#include "http/wire/reply.hpp"
#include "pq/condition.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <exception>
#include <stdexcept>

namespace pdpp::http {

/// The server behind has gone, speaks no HTTP, or takes too long.
class LostUpstream : public std::runtime_error {
  public:
    LostUpstream(const std::string& why, bool is_late, bool has_answered)
        : std::runtime_error(why), is_late_(is_late), has_answered_(has_answered) {}

    [[nodiscard]] bool is_late() const noexcept { return is_late_; }
    /// Whether any byte of an answer had come.
    [[nodiscard]] bool has_answered() const noexcept { return has_answered_; }

  private:
    bool is_late_;
    bool has_answered_;
};

/// The client does not wait for the answer any more.
class LostClient : public std::runtime_error {
  public:
    LostClient() : std::runtime_error("the client has left") {}
};

class Exchange : public std::enable_shared_from_this<Exchange> {
  public:
    using Answer = beast::http::response_parser<beast::http::buffer_body>;

    /// `patience` is for how long the server behind may keep silent when it is its turn.
    Exchange(std::shared_ptr<Link> link, std::chrono::milliseconds patience);

    /// Sends the head, and what of the body is there already. Throws LostUpstream.
    boost::asio::awaitable<void> send(std::string text);

    /// Sends the body from now on as it comes, in chunks or not. If `waits_for_word`, only once the server behind has
    /// said that it wants it, or nothing for a second.
    void send_body(std::shared_ptr<BodySource> body, bool in_chunks, bool waits_for_word);

    /// The head of the answer; those that are not the last one (100, 103) are passed over. Throws LostUpstream,
    /// LostClient, or what the body of the request has thrown.
    boost::asio::awaitable<const Answer*> head(Peer& peer, bool answers_head);

    /// The next piece of the answer's body, or nothing at its end. `is_endless` if it may be silent for as long as it
    /// likes; such a body ends when this server does. Throws as head() does.
    boost::asio::awaitable<std::optional<std::string>> next(Peer& peer, bool is_endless);

    /// Nobody wants more of it. Returns the connection if that is fit for another request, else closes it and returns
    /// null.
    std::shared_ptr<Link> finish();

    /// The connection, and what has come on it already, for another protocol.
    std::shared_ptr<Link> link() { return link_; }
    beast::flat_buffer& rest() { return buffer_; }

  private:
    boost::asio::awaitable<void> pump(std::shared_ptr<BodySource> body, bool in_chunks, bool waits_for_word);
    boost::asio::awaitable<void> read_more(Peer& peer, bool is_endless);
    void start_reading(Peer& peer);
    [[noreturn]] void fail(const std::string& why);

    std::shared_ptr<Link> link_;
    std::chrono::milliseconds patience_;
    beast::flat_buffer buffer_;
    std::optional<Answer> answer_;
    std::exception_ptr failure_of_body_; ///< of the request
    boost::asio::steady_timer word_;     ///< for the word that the body is wanted
    pq::Condition read_;                 ///< a read has ended, or the sending
    Link::Failure read_failure_;
    bool is_reading_ = false;
    bool is_endless_ = false; ///< what is read may be silent
    bool is_sending_ = false;
    bool is_sent_ = true;       ///< all of the request
    bool has_answered_ = false; ///< any byte has come
    bool has_word_ = false;
    bool has_head_ = false; ///< of the last answer
};

} // namespace pdpp::http
