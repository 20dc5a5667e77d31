// Connecting to what is no PostgreSQL. (With a real server: pq_database_test.cpp.)

#include <boost/test/unit_test.hpp>

#include "pq/connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <array>
#include <optional>

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace pq = pdpp::pq;
using asio::ip::tcp;

BOOST_AUTO_TEST_SUITE(pq_connection)

/// Three, because a negative number of milliseconds that was taken for an unsigned one and divided by two came out as a
/// time in the past again, by the overflow that followed.
BOOST_AUTO_TEST_CASE(hosts_that_are_silent_get_no_more_time_than_there_is) {
    for (const auto timeout : {-1ms, 0ms, 10ms}) {
        asio::io_context loop(1);
        const tcp::endpoint local(asio::ip::address_v4::loopback(), 0);
        const std::array<tcp::acceptor, 3> silent{tcp::acceptor(loop, local), tcp::acceptor(loop, local),
                                                  tcp::acceptor(loop, local)};
        std::string ports;
        for (const auto& acceptor : silent)
            ports.append(ports.empty() ? "" : ",").append(std::to_string(acceptor.local_endpoint().port()));
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
