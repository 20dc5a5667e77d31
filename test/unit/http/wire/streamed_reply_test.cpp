// Bodies that come piece by piece, over real sockets: how they are framed, how they end, and that nothing piles up for
// a client that does not read.

#include <boost/test/unit_test.hpp>

#include "http/wire/server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <functional>
#include <future>
#include <stdexcept>
#include <thread>

using namespace pdpp::http;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// Every request is answered with the same pieces.
class Pieces : public Handler {
  public:
    /// What a body does when it is asked for its next piece, counted from 0.
    using Next = std::function<asio::awaitable<std::optional<std::string>>(std::size_t number, Peer& peer)>;

    explicit Pieces(Next next) : next_(std::move(next)) {}

    asio::awaitable<Reply> answer(const Request&, Peer& peer) override {
        Response head{status::ok, 11};
        head.set("Request-Id", "req_1");
        co_return Reply(std::move(head), std::make_unique<Body>(*this, peer));
    }
    Response refuse(const Refusal&, const std::string&) override { return Response{status::bad_request, 11}; }

    std::atomic<std::size_t> asked{0};
    std::promise<void> gone; ///< kept when the first body is

  private:
    class Body : public BodySource {
      public:
        Body(Pieces& pieces, Peer& peer) : pieces_(pieces), peer_(peer) {}
        ~Body() override {
            if (!pieces_.is_gone_.exchange(true)) {
                pieces_.gone.set_value();
            }
        }
        asio::awaitable<std::optional<std::string>> next() override {
            ++pieces_.asked;
            return pieces_.next_(number_++, peer_);
        }

      private:
        Pieces& pieces_;
        Peer& peer_;
        std::size_t number_ = 0;
    };

    Next next_;
    std::atomic<bool> is_gone_{false};
};

asio::awaitable<std::optional<std::string>> three(std::size_t number, Peer&) {
    const std::vector<std::string> pieces{"a", "bc\r\n", std::string(300, 'd')};
    co_return number < pieces.size() ? std::optional(pieces[number]) : std::nullopt;
}

class StreamingServer {
  public:
    explicit StreamingServer(Pieces::Next next, const ServerLimits& limits = {})
        : handler(std::move(next)),
          server_(loop_, Listener(loop_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), handler, limits),
          address_(server_.endpoint()) {
        server_.start();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~StreamingServer() {
        drain();
        thread_.join();
    }

    void drain() {
        asio::post(loop_, [this] { server_.drain(10s); });
    }

    Socket connect(asio::io_context& loop, const std::string& request) const {
        Socket socket(loop, address_.protocol());
        socket.set_option(Socket::receive_buffer_size(4096));
        socket.connect(address_);
        asio::write(socket, asio::buffer(request));
        return socket;
    }

    /// All that the server sends until it closes, without the heads of the answers.
    std::string answers_to(const std::string& request) const {
        asio::io_context loop;
        auto socket = connect(loop, request);
        std::string received;
        boost::system::error_code end;
        asio::read(socket, asio::dynamic_buffer(received), end);
        BOOST_TEST(end == asio::error::eof);
        for (auto head = received.find("HTTP/1.1 200"); head != std::string::npos;
             head = received.find("HTTP/1.1 200")) {
            received.erase(head, received.find("\r\n\r\n", head) + 4 - head);
        }
        return received;
    }

    Pieces handler;

  private:
    asio::io_context loop_{1};
    Server server_;
    Endpoint address_;
    std::thread thread_;
};

const std::string in_chunks = "1\r\na\r\n4\r\nbc\r\n\r\n12c\r\n" + std::string(300, 'd') + "\r\n0\r\n\r\n";
constexpr auto get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr auto last = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

} // namespace

BOOST_AUTO_TEST_SUITE(http_stream)

BOOST_AUTO_TEST_CASE(pieces_are_chunks_and_the_connection_goes_on) {
    const StreamingServer server(three);
    BOOST_TEST(server.answers_to(last) == in_chunks);
    BOOST_TEST(server.answers_to(std::string{get} + get + last) == in_chunks + in_chunks + in_chunks);
}

BOOST_AUTO_TEST_CASE(head_gets_no_pieces) {
    StreamingServer server(three);
    BOOST_TEST(server.answers_to("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == "");
    BOOST_TEST(server.handler.asked == 0);
}

BOOST_AUTO_TEST_CASE(before_chunks_were_known_the_end_was_that_of_the_connection) {
    const StreamingServer server(three);
    const auto received = server.answers_to("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    BOOST_TEST(received.ends_with("\r\n\r\nabc\r\n" + std::string(300, 'd')));
    BOOST_TEST(received.find("chunked") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_body_that_fails_has_no_end) {
    const StreamingServer server([](std::size_t number, Peer&) -> asio::awaitable<std::optional<std::string>> {
        if (number == 1) {
            throw std::runtime_error("it broke");
        }
        co_return "a";
    });
    BOOST_TEST(server.answers_to(get) == "1\r\na\r\n");
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_read_is_not_read_for_and_hung_up_on) {
    ServerLimits limits;
    limits.write_time = 100ms;
    StreamingServer server(
        [](std::size_t, Peer&) -> asio::awaitable<std::optional<std::string>> { co_return std::string(65536, 'x'); },
        limits);
    asio::io_context loop;
    const auto socket = server.connect(loop, get);
    server.handler.gone.get_future().wait();
    BOOST_TEST(server.handler.asked < 500u); // what fits into the buffers of two sockets
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_ends_a_wait) {
    bool has_left = false;
    StreamingServer server([&](std::size_t number, Peer& peer) -> asio::awaitable<std::optional<std::string>> {
        if (number == 0) {
            co_return "a";
        }
        co_await peer.wait_until(Peer::Time::max());
        has_left = peer.has_left();
        co_return std::nullopt;
    });
    {
        asio::io_context loop;
        auto socket = server.connect(loop, get);
        std::string received;
        asio::read_until(socket, asio::dynamic_buffer(received), "1\r\na\r\n");
    }
    server.handler.gone.get_future().wait();
    BOOST_TEST(has_left);
}

BOOST_AUTO_TEST_CASE(a_server_that_drains_ends_a_wait) {
    StreamingServer server([](std::size_t number, Peer& peer) -> asio::awaitable<std::optional<std::string>> {
        if (number == 0) {
            co_return "a";
        }
        if (number == 1) {
            co_await peer.wait_until(Peer::Time::max());
        }
        co_return number == 1 && peer.is_draining() ? std::optional<std::string>("z") : std::nullopt;
    });
    asio::io_context loop;
    auto socket = server.connect(loop, get);
    std::string received;
    asio::read_until(socket, asio::dynamic_buffer(received), "1\r\na\r\n");
    server.drain();
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(received), end);
    BOOST_TEST(end == asio::error::eof);
    BOOST_TEST(received.ends_with("1\r\na\r\n1\r\nz\r\n0\r\n\r\n"));
}

BOOST_AUTO_TEST_SUITE_END()
