#pragma once
// The server behind this one: what is not ours to answer is handed on to it, and its answer back, as both come.

#include "http/upstream/links.hpp"
#include "http/wire/message.hpp"
#include "http/wire/peer.hpp"
#include "http/wire/reply.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace pdpp::http {

/// A name that nobody else has.
std::string new_via();

struct UpstreamOptions {
    UpstreamAddress address;
    /// How long it may be silent before it answers, and within an answer that is no stream of events.
    std::chrono::milliseconds patience = std::chrono::seconds(60);
    std::string scheme = "http"; ///< that clients reach us by, as far as we know
    std::string via = new_via(); ///< how we are told from others that requests have come through
};

class Upstream {
  public:
    Upstream(const boost::asio::any_io_executor& executor, UpstreamOptions options);

    /// Its answer to `request`, whose body is in it, or comes by `body` if there is one. Throws Refusal: 502
    /// `upstream_unavailable`, 504 `upstream_timeout`, and 400 and 405 for what is not handed on. 499 says in the log
    /// that the client did not wait for the answer.
    boost::asio::awaitable<Reply> hand_on(const Request& request, std::shared_ptr<BodySource> body, Peer& peer,
                                          std::string_view request_id);

  private:
    boost::asio::awaitable<Reply> attempt(std::shared_ptr<Link> link, const Request& request,
                                          std::shared_ptr<BodySource> body, Peer& peer, std::string_view request_id);

    UpstreamOptions options_;
    std::shared_ptr<Links> links_; ///< which may have to outlive this, as an answer may
};

} // namespace pdpp::http
