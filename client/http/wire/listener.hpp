#pragma once
// Where a server listens: an address and a port, or the path of a unix socket; and the sockets that come from there.

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include <string>
#include <string_view>
#include <sys/types.h>

namespace pdpp::http {

/// TCP and unix sockets alike.
using StreamProtocol = boost::asio::generic::stream_protocol;
using Socket = StreamProtocol::socket;
using Endpoint = StreamProtocol::endpoint;

/// Reads `HOST:PORT`, `[IPV6]:PORT`, `NAME:PORT` or `unix:/PATH`; port 0 is any free one. Throws std::invalid_argument
/// with a message that begins with `text`, and boost::system::system_error for a name that has no address just now.
Endpoint parse_endpoint(boost::asio::io_context& loop, std::string_view text);

/// `http://127.0.0.1:8080`, or `unix:/run/pdpp/gateway.sock`.
std::string to_string(const Endpoint& endpoint);

/// Whether only this machine reaches it.
bool is_local(const Endpoint& endpoint);

/// The address a connection comes from, without its port; `unix` for a unix socket's, empty if it has gone already.
std::string peer_of(const Socket& socket);

class Listener {
  public:
    using Acceptor = boost::asio::basic_socket_acceptor<StreamProtocol>;

    /// Listens at once; throws boost::system::system_error if it cannot. A unix socket gets `socket_mode` and no more
    /// from its first moment. One that a dead server left at the path is replaced, one that a live server listens on is
    /// not (address_in_use), and neither is anything that is no socket.
    Listener(boost::asio::io_context& loop, const Endpoint& endpoint, mode_t socket_mode = 0660);
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    /// Where it listens, with the real port if it was asked for port 0.
    [[nodiscard]] Endpoint endpoint() const;

    Acceptor& acceptor() noexcept { return acceptor_; }

    /// Listens no more, and takes its unix socket away.
    void close() noexcept;

  private:
    Acceptor acceptor_;
    std::string path_; ///< of a unix socket
    ino_t inode_ = 0;  ///< of that path: whoever has taken the path over meanwhile keeps it
};

} // namespace pdpp::http
