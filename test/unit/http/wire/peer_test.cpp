// Who is known keeps his place, and who has lost it is not let in any more.

#include <boost/test/unit_test.hpp>

#include "http/wire/peer.hpp"
#include "refusal_of.hpp"

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <memory>
#include <thread>

using namespace pdpp::http;
namespace asio = boost::asio;

namespace {

struct Client {
    asio::io_context loop;
    Socket socket{loop};
    std::shared_ptr<Peer> peer = std::make_shared<Peer>(socket, "peer");

    /// Whether a request of somebody who is known is let in.
    bool is_let_in() const {
        peer->begin_request();
        const bool is_refused = ::refusal_of([&] { peer->recognise(); }).has_value();
        peer->end_request();
        return !is_refused;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(http_peer)

BOOST_AUTO_TEST_CASE(who_is_known_does_not_give_way) {
    const Client client;
    BOOST_TEST(!client.peer->is_known());
    BOOST_TEST(client.is_let_in());
    BOOST_TEST(client.peer->is_known());
    BOOST_TEST(!client.peer->give_way());
    BOOST_TEST(client.is_let_in());
}

BOOST_AUTO_TEST_CASE(he_is_known_until_another_request_has_its_answer) {
    const Client client;
    client.is_let_in();
    client.peer->begin_request();
    BOOST_TEST(!client.peer->give_way());
    client.peer->end_request();
    BOOST_TEST(!client.peer->is_known());
    BOOST_TEST(client.peer->give_way());
}

BOOST_AUTO_TEST_CASE(who_gave_way_is_not_let_in) {
    const Client client;
    BOOST_TEST(client.peer->give_way());
    BOOST_TEST(!client.peer->give_way());
    BOOST_TEST(!client.is_let_in());
    BOOST_TEST(!client.peer->is_known());
    const auto refusal = refusal_of([&] { client.peer->recognise(); });
    BOOST_REQUIRE(refusal);
    BOOST_TEST(refusal->error_code == "too_many_connections");
}

BOOST_AUTO_TEST_CASE(of_both_at_once_one_is_done) {
    for (int i = 0; i < 5000; ++i) {
        const Client client;
        std::atomic<bool> go = false;
        bool gave_way = false;
        std::thread other([&] {
            while (!go) {
            }
            gave_way = client.peer->give_way();
        });
        go = true;
        const bool is_let_in = client.is_let_in();
        other.join();
        BOOST_REQUIRE(gave_way != is_let_in);
    }
}

BOOST_AUTO_TEST_SUITE_END()
