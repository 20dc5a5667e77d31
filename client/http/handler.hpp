#pragma once
// What a server serves: something that has an answer to every request.

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

    /// The answer to a request from `peer`, an address without its port, or `unix`. Whatever goes wrong is an answer
    /// too.
    virtual boost::asio::awaitable<Response> answer(const Request& request, const std::string& peer) = 0;

    /// The answer to bytes that are no acceptable request, or to a connection too many.
    virtual Response refuse(const Refusal& refusal, const std::string& peer) = 0;
};

} // namespace pdpp::http
