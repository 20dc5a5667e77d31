#pragma once
// A client and the server behind, when both have agreed to speak WebSocket.

#include "http/upstream/exchange.hpp"
#include "http/wire/reply.hpp"

#include <memory>

namespace pdpp::http {

/// The exchange whose answer has switched the protocol.
std::unique_ptr<Tunnel> make_tunnel(std::shared_ptr<Exchange> exchange);

} // namespace pdpp::http
