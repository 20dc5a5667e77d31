#pragma once
// What a server serves: something that has an answer to every request.

#include "http/answer.hpp"
#include "http/client.hpp"
#include "http/message.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace pdpp::http {

class Handler {
  public:
    Handler() = default;
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;
    virtual ~Handler() = default;

    /// The answer to a request. Whatever goes wrong is an answer too. `client` outlives the answer, whose body, if it
    /// comes in pieces, may wait on it.
    virtual boost::asio::awaitable<Answer> answer(const Request& request, Client& client) = 0;

    /// The answer to bytes that are no acceptable request, or to a connection too many, from `peer` (Client::address).
    virtual Response refuse(const Refusal& refusal, const std::string& peer) = 0;
};

} // namespace pdpp::http
