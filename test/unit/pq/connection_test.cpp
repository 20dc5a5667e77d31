// Connecting to what is no PostgreSQL. (With a real server: pq_database_test.cpp.)

#include <boost/test/unit_test.hpp>

#include "pq/connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace pq = pdpp::pq;
using asio::ip::tcp;

namespace {

/// What the socket of ours that is connected to `port` has of these, in the order of their names; nothing without one.
std::optional<std::array<int, 3>> keepalives_of_who_connects_to(std::uint16_t port) {
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET ||
            peer.sin_port != htons(port)) {
            continue;
        }
        std::array<int, 3> values{};
        const std::array<int, 3> names{TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT};
        for (std::size_t i = 0; i < names.size(); ++i) {
            socklen_t length = sizeof(int);
            getsockopt(descriptor, IPPROTO_TCP, names[i], &values[i], &length);
        }
        return values;
    }
    return std::nullopt;
}

/// The keepalives of a connection to a listener of ours, which hangs up then.
std::array<int, 3> keepalives_of(const std::string& options) {
    asio::io_context loop(1);
    tcp::acceptor acceptor(loop, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const auto port = acceptor.local_endpoint().port();
    std::optional<std::array<int, 3>> seen;
    acceptor.async_accept([&](boost::system::error_code, tcp::socket) { seen = keepalives_of_who_connects_to(port); });
    pq::Connection connection(loop.get_executor());
    asio::co_spawn(loop,
                   connection.open("host=127.0.0.1 dbname=x sslmode=disable gssencmode=disable port=" +
                                   std::to_string(port) + options),
                   [&](std::exception_ptr) { acceptor.close(); });
    loop.run();
    return seen.value();
}

} // namespace

BOOST_AUTO_TEST_SUITE(pq_connection)

BOOST_AUTO_TEST_CASE(keepalives_are_ours_where_nobody_says_otherwise) {
    const std::array<int, 3> ours{15, 5, 3};
    const std::array<int, 3> one_said{77, 5, 3};
    BOOST_CHECK(keepalives_of("") == ours);
    BOOST_CHECK(keepalives_of(" keepalives_idle=77") == one_said);

    const auto file = std::filesystem::temp_directory_path() / ("services_" + std::to_string(getpid()));
    std::ofstream(file) << "[kept]\nkeepalives_idle=77\n";
    setenv("PGSERVICEFILE", file.c_str(), 1);
    BOOST_CHECK(keepalives_of(" service=kept") == one_said);
    unsetenv("PGSERVICEFILE");
    std::filesystem::remove(file);
}

/// Three, because a negative number of milliseconds that was taken for an unsigned one and divided by two came out as a
/// time in the past again, by the overflow that followed.
BOOST_AUTO_TEST_CASE(hosts_that_are_silent_get_no_more_time_than_there_is) {
    for (const auto timeout : {-1ms, 0ms, 10ms}) {
        asio::io_context loop(1);
        const tcp::endpoint local(asio::ip::address_v4::loopback(), 0);
        const std::array<tcp::acceptor, 3> silent{tcp::acceptor(loop, local), tcp::acceptor(loop, local),
                                                  tcp::acceptor(loop, local)};
        std::string ports;
        for (const auto& acceptor : silent) {
            ports.append(ports.empty() ? "" : ",").append(std::to_string(acceptor.local_endpoint().port()));
        }
        pq::Connection connection(loop.get_executor());
        std::optional<std::exception_ptr> ended;
        asio::co_spawn(
            loop, connection.open("host=127.0.0.1,127.0.0.1,127.0.0.1 dbname=x sslmode=disable port=" + ports, timeout),
            [&](std::exception_ptr thrown) { ended = thrown; });
        loop.run_for(30s);
        BOOST_TEST_CONTEXT(timeout.count() << " ms") {
            BOOST_TEST_REQUIRE(ended.has_value());
            BOOST_CHECK_EXCEPTION(std::rethrow_exception(*ended), pq::Error,
                                  [](const pq::Error& error) { return error.kind() == pq::ErrorKind::cannot_connect; });
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
