#pragma once
// What a server serves: something that has an answer to every request.

#include "http/wire/message.hpp"
#include "http/wire/peer.hpp"
#include "http/wire/reply.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace pdpp::http {

class Handler {
  public:
    Handler() = default;
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;
    virtual ~Handler() = default;

    /// Whether the body of this request is for the answer to take as it comes, however large it is.
    [[nodiscard]] virtual bool takes_stream(const RequestHead& /*request*/) const { return false; }

    /// The answer to such a request, whose own body is empty. What `body` throws is why there is no more of it: a
    /// Refusal for what is no body, or that the client has gone.
    // NOLINTNEXTLINE(performance-unnecessary-value-param): an answer that is a coroutine keeps it
    virtual boost::asio::awaitable<Reply> answer_stream(const Request& request, std::shared_ptr<BodySource> /*body*/,
                                                        Peer& peer) {
        return answer(request, peer);
    }

    /// The answer to a request. Whatever goes wrong is an answer too. `peer` outlives the answer, whose body, if it
    /// comes in pieces, may wait on it.
    virtual boost::asio::awaitable<Reply> answer(const Request& request, Peer& peer) = 0;

    /// The answer to bytes that are no acceptable request, or to a connection too many, from `peer` (Peer::address).
    virtual Response refuse(const Refusal& refusal, const std::string& peer) = 0;
};

} // namespace pdpp::http
