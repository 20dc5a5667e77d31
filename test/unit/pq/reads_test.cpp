// Which of two servers is believed: a standby about what will never be otherwise, the primary about the rest.

#include <boost/test/unit_test.hpp>

#include "pq/reads.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <variant>

using namespace pdpp::pq;
namespace asio = boost::asio;

namespace {

using Said = std::variant<Answer, Error>;

const Finality is_end = [](std::string_view body) { return body == "the end"; };

/// What comes out; `asked` is how often the primary was.
std::string read(const Said& standby, const Said& primary, int& asked) {
    const auto say = [](Said said) -> asio::awaitable<Answer> {
        if (const auto* const error = std::get_if<Error>(&said)) {
            throw *error;
        }
        co_return std::get<Answer>(said);
    };
    asio::io_context loop;
    std::string body;
    std::exception_ptr failure;
    asio::co_spawn(loop,
                   read_of_either([&]() { return say(standby); },
                                  [&]() {
                                      ++asked;
                                      return say(primary);
                                  },
                                  is_end),
                   [&](std::exception_ptr thrown, Answer given) {
                       failure = std::move(thrown);
                       body = std::move(given.body);
                   });
    loop.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    return body;
}

Said from_standby(std::string body) {
    return Answer{std::move(body), true};
}

Said from_primary(std::string body) {
    return Answer{std::move(body), false};
}

} // namespace

BOOST_AUTO_TEST_SUITE(pq_reads)

BOOST_AUTO_TEST_CASE(an_ending_is_believed) {
    int asked = 0;
    BOOST_TEST(read(from_standby("the end"), from_primary("never"), asked) == "the end");
    BOOST_TEST(asked == 0);
}

BOOST_AUTO_TEST_CASE(all_else_is_asked_of_the_primary) {
    const Said lost = Error(ErrorKind::connection_lost, "lost");
    const Said away = Error(ErrorKind::cannot_connect, "away");
    const Said refused = Error(ErrorKind::refused, "no", "42501");
    for (const auto& standby : {from_standby("active"), from_standby("unknown"), lost, away, refused}) {
        int asked = 0;
        BOOST_TEST(read(standby, from_primary("active"), asked) == "active");
        BOOST_TEST(asked == 1);
    }
}

BOOST_AUTO_TEST_CASE(who_was_taken_for_a_standby_and_is_the_primary_is_asked_once) {
    int asked = 0;
    BOOST_TEST(read(from_primary("unknown"), from_primary("never"), asked) == "unknown");
    BOOST_TEST(asked == 0);
}

BOOST_AUTO_TEST_CASE(without_a_primary_nothing_is_said_of_the_present) {
    int asked = 0;
    const auto is_away = [](const Error& error) { return error.kind() == ErrorKind::cannot_connect; };
    BOOST_CHECK_EXCEPTION(read(from_standby("unknown"), Error(ErrorKind::cannot_connect, "away"), asked), Error,
                          is_away);
    BOOST_CHECK_EXCEPTION(read(from_standby("unknown"), from_standby("unknown"), asked), Error, is_away);
    BOOST_TEST(read(Error(ErrorKind::connection_lost, "lost"), from_standby("the end"), asked) == "the end");
}

BOOST_AUTO_TEST_CASE(a_standby_that_took_all_the_time_is_not_made_up_for) {
    for (const auto& standby : {Error(ErrorKind::timeout, "late"), Error(ErrorKind::refused, "cancelled", "57014")}) {
        int asked = 0;
        BOOST_CHECK_THROW(read(standby, from_primary("late"), asked), Error);
        BOOST_TEST(asked == 0);
    }
}

BOOST_AUTO_TEST_SUITE_END()
