// Listening, on TCP and unix sockets.

#include "http/wire/listener.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <charconv>
#include <cstring>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

bool is_unix(const Endpoint& endpoint) {
    return endpoint.protocol().family() == AF_UNIX;
}

tcp::endpoint as_tcp(const Endpoint& endpoint) {
    tcp::endpoint address;
    address.resize(endpoint.size());
    std::memcpy(address.data(), endpoint.data(), endpoint.size());
    return address;
}

std::string path_of(const Endpoint& endpoint) {
    asio::local::stream_protocol::endpoint address;
    std::memcpy(address.data(), endpoint.data(), endpoint.size());
    address.resize(endpoint.size()); // looks at the path's last byte
    return address.path();
}

/// 0 if there is nothing at the path.
ino_t inode_at(const std::string& path) {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

bool is_socket(const std::string& path) {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

/// Removes a socket that nobody listens on. Whoever is in the way otherwise makes bind() fail.
void remove_stale_socket(asio::io_context& loop, const Endpoint& endpoint) {
    const auto path = path_of(endpoint);
    if (!is_socket(path)) {
        return;
    }
    Socket probe(loop, endpoint.protocol());
    error_code failure;
    probe.connect(endpoint, failure);
    if (failure == asio::error::connection_refused) {
        ::unlink(path.c_str());
    }
}

/// What the process creates has at most these permissions, for a scope.
class Umask {
  public:
    explicit Umask(mode_t mode) noexcept : before_(::umask(~mode & 0777)) {}
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;
    ~Umask() { ::umask(before_); }

  private:
    mode_t before_;
};

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
    throw std::invalid_argument(fmt::format("{}{}", text, why));
}

Endpoint parse_unix(std::string_view text, std::string_view path) {
    if (!path.starts_with('/')) {
        refuse(text, ": the path of a unix socket begins with /");
    }
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        refuse(text, ": the path of a unix socket cannot be that long");
    }
    return asio::local::stream_protocol::endpoint(std::string{path});
}

} // namespace

Endpoint parse_endpoint(asio::io_context& loop, std::string_view text) {
    constexpr std::string_view unix_prefix = "unix:";
    if (text.starts_with(unix_prefix)) {
        return parse_unix(text, text.substr(unix_prefix.size()));
    }
    const auto colon = text.rfind(':');
    auto host = std::string{text.substr(0, colon)};
    const auto digits = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (host.empty() || failure != std::errc{} || stop != digits.data() + digits.size()) {
        refuse(text, " is no address to listen on");
    }
    if (host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    error_code unknown;
    const auto found = tcp::resolver(loop).resolve(host, {}, unknown);
    if (!unknown && !found.empty()) {
        return tcp::endpoint{found.begin()->endpoint().address(), port};
    }
    if (host.empty() || host.find(':') != std::string::npos) { // which no name service can ever know
        refuse(text, fmt::format(": there is no address {}", host));
    }
    throw boost::system::system_error(unknown ? unknown : asio::error::host_not_found);
}

std::string to_string(const Endpoint& endpoint) {
    if (is_unix(endpoint)) {
        return "unix:" + path_of(endpoint);
    }
    return fmt::format("http://{}", fmt::streamed(as_tcp(endpoint)));
}

bool is_local(const Endpoint& endpoint) {
    return is_unix(endpoint) || as_tcp(endpoint).address().is_loopback();
}

std::string peer_of(const Socket& socket) {
    error_code gone;
    const auto endpoint = socket.remote_endpoint(gone);
    if (gone) {
        return {};
    }
    return is_unix(endpoint) ? "unix" : as_tcp(endpoint).address().to_string();
}

Listener::Listener(asio::io_context& loop, const Endpoint& endpoint, mode_t socket_mode) : acceptor_(loop) {
    acceptor_.open(endpoint.protocol());
    if (is_unix(endpoint)) {
        remove_stale_socket(loop, endpoint);
        const Umask umask(socket_mode);
        acceptor_.bind(endpoint);
        path_ = path_of(endpoint);
        inode_ = inode_at(path_);
    } else {
        acceptor_.set_option(Acceptor::reuse_address(true));
        acceptor_.bind(endpoint);
    }
    acceptor_.listen();
}

Listener::Listener(Listener&& other) noexcept
    : acceptor_(std::move(other.acceptor_)), path_(std::exchange(other.path_, {})), inode_(other.inode_) {}

Listener::~Listener() {
    close();
}

Endpoint Listener::endpoint() const {
    return acceptor_.local_endpoint();
}

void Listener::close() noexcept {
    error_code ignored;
    acceptor_.close(ignored);
    if (!path_.empty() && inode_at(path_) == inode_) {
        ::unlink(path_.c_str());
    }
    path_.clear();
}

} // namespace pdpp::http
