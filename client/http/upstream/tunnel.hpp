#pragma once
// A client and the server behind, when both have agreed to speak WebSocket.

#include "http/upstream/exchange.hpp"
#include "http/wire/reply.hpp"

#include <chrono>
#include <memory>

namespace pdpp::http {

/// The exchange whose answer has switched the protocol. When one side has ended, the other may be silent for so long
/// before it is taken to have ended too.
std::unique_ptr<Tunnel> make_tunnel(std::shared_ptr<Exchange> exchange, std::chrono::milliseconds patience);

} // namespace pdpp::http
