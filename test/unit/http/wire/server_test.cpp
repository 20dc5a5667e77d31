// The server's patience, over real sockets: what a client can make it wait for is bounded.

#include <boost/test/unit_test.hpp>

#include "http/gateway.hpp"
#include "http/wire/server.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <thread>

using namespace pdpp::http;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

GatewayOptions options() {
    GatewayOptions nowhere;
    nowhere.database.conninfo = "host=/nowhere";
    return nowhere;
}

ServerLimits limits(std::chrono::milliseconds ServerLimits::*patience) {
    ServerLimits limits;
    limits.*patience = 50ms;
    return limits;
}

/// A server on a thread of its own, whose database is nowhere.
class Running {
  public:
    explicit Running(const ServerLimits& limits)
        : gateway_(loop_.get_executor(), options()),
          server_(loop_, Listener(loop_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), gateway_, limits),
          address_(server_.endpoint()) {
        server_.start();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Running() {
        asio::post(loop_, [this] { server_.drain(10s); });
        thread_.join();
    }

    /// All that the server sends, until it closes, to a client that sends `text` and then nothing more.
    std::string answers_to(const std::string& text) const {
        asio::io_context loop;
        Socket socket(loop);
        socket.connect(address_);
        asio::write(socket, asio::buffer(text));
        std::string received;
        boost::system::error_code end;
        asio::read(socket, asio::dynamic_buffer(received), end);
        BOOST_TEST(end == asio::error::eof);
        return received;
    }

  private:
    asio::io_context loop_{1};
    Gateway gateway_;
    Server server_;
    Endpoint address_;
    std::thread thread_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(http_server)

BOOST_AUTO_TEST_CASE(a_silent_client_is_hung_up_on) {
    const Running server(limits(&ServerLimits::idle_time));
    BOOST_TEST(server.answers_to("") == "");
    BOOST_TEST(server.answers_to("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404 "));
}

BOOST_AUTO_TEST_CASE(a_slow_header_is_not_waited_for) {
    const Running server(limits(&ServerLimits::header_time));
    BOOST_TEST(server.answers_to("GET /nowhere HT") == "");
    BOOST_TEST(server.answers_to("GET /nowhere HTTP/1.1\r\nHost: x\r\n") == "");
}

BOOST_AUTO_TEST_CASE(a_slow_body_is_not_waited_for) {
    const Running server(limits(&ServerLimits::body_time));
    BOOST_TEST(server.answers_to("POST /owner/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\npass") == "");
}

BOOST_AUTO_TEST_SUITE_END()
