// Who may go, who waits, and who waits in vain.

#include <boost/test/unit_test.hpp>

#include "http/runs/turns.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <map>

using namespace pdpp::http;
namespace asio = boost::asio;

namespace {

constexpr auto long_patience = std::chrono::hours(1);

struct TurnsFixture {
    asio::io_context loop;
    Turns turns{loop.get_executor(), 2};
    std::map<std::string, Turns::Turn> held; ///< by who has it
    std::string gone;                        ///< who has lost his patience

    asio::awaitable<void> come(std::string who, std::string thing, std::chrono::milliseconds patience) {
        auto turn = co_await turns.take(std::move(thing), patience);
        if (turn) {
            held.emplace(who, std::move(*turn));
        } else {
            gone += who;
        }
    }

    void come_and_go(const std::string& who, const std::string& thing,
                     std::chrono::milliseconds patience = long_patience) {
        asio::co_spawn(loop, come(who, thing, patience), asio::detached);
        settle();
    }

    void leave(const std::string& who) {
        held.erase(who);
        settle();
    }

    void settle() {
        loop.restart();
        loop.poll();
    }

    std::string holders() const {
        std::string names;
        for (const auto& [who, turn] : held) {
            names += who;
        }
        return names;
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_turns, TurnsFixture)

BOOST_AUTO_TEST_CASE(so_many_at_once_and_the_others_in_line) {
    for (const auto* who : {"a", "b", "c", "d"}) {
        come_and_go(who, "thing");
    }
    BOOST_TEST(holders() == "ab");
    BOOST_TEST(turns.waiting() == 2U);
    leave("b");
    BOOST_TEST(holders() == "ac");
    leave("a");
    leave("c");
    leave("d");
    BOOST_TEST(turns.waiting() == 0U);
    come_and_go("e", "thing");
    come_and_go("f", "thing");
    BOOST_TEST(holders() == "ef");
}

BOOST_AUTO_TEST_CASE(each_thing_has_turns_of_its_own) {
    for (const auto* who : {"a", "b", "c"}) {
        come_and_go(who, "one");
    }
    come_and_go("d", "other");
    BOOST_TEST(holders() == "abd");
}

BOOST_AUTO_TEST_CASE(who_loses_his_patience_goes_and_is_not_called) {
    for (const auto* who : {"a", "b"}) {
        come_and_go(who, "thing");
    }
    asio::co_spawn(loop, come("c", "thing", std::chrono::milliseconds(1)), asio::detached);
    loop.restart();
    loop.run();
    BOOST_TEST(gone == "c");
    BOOST_TEST(turns.waiting() == 0U);
    come_and_go("d", "thing");
    leave("a");
    BOOST_TEST(holders() == "bd");
}

BOOST_AUTO_TEST_CASE(a_turn_may_outlive_the_others) {
    auto short_lived = std::make_unique<Turns>(loop.get_executor(), 1);
    std::optional<Turns::Turn> turn;
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
            auto taken = co_await short_lived->take("thing", long_patience);
            turn.emplace(std::move(*taken));
        },
        asio::detached);
    settle();
    short_lived.reset();
    turn.reset();
    BOOST_TEST(gone.empty());
}

BOOST_AUTO_TEST_SUITE_END()
