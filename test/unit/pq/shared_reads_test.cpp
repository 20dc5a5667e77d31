// Reads that several ask for: who shares an answer, how many are under way, and what becomes of failures.

#include <boost/test/unit_test.hpp>

#include "pq/shared_reads.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>

using namespace pdpp::pq;
namespace asio = boost::asio;

namespace {

/// Reads that answer when they are told to, with what they were asked and their number.
class SharedReadsFixture {
  public:
    explicit SharedReadsFixture(std::size_t at_once)
        : shared(loop.get_executor(), at_once, [this](std::string_view function, std::vector<Argument> arguments) {
              return call(function, std::move(arguments));
          }) {}

    /// Asks; what comes of it is found in `answers` under the same number.
    std::size_t ask(const std::string& run_id) {
        const auto number = answers.size();
        answers.emplace_back("(none)");
        asio::co_spawn(loop, take(run_id, number), asio::detached);
        return number;
    }

    /// Goes on as far as it goes by itself.
    void settle() {
        loop.restart();
        loop.poll();
    }

    /// Lets the oldest read that is under way answer, or fail.
    void let_go(std::optional<ErrorKind> failure = std::nullopt) {
        under_way.front()->failure = failure;
        under_way.front()->timer.cancel();
        under_way.pop_front();
        settle();
    }

    struct Held {
        explicit Held(asio::io_context& loop) : timer(loop, asio::steady_timer::time_point::max()) {}
        asio::steady_timer timer;
        std::optional<ErrorKind> failure;
    };

    asio::io_context loop;
    std::deque<std::shared_ptr<Held>> under_way;
    std::vector<std::string> answers;
    int made = 0;
    SharedReads shared;

  private:
    asio::awaitable<std::string> call(std::string_view function, std::vector<Argument> arguments) {
        const auto number = ++made;
        const auto held = std::make_shared<Held>(loop);
        under_way.push_back(held);
        boost::system::error_code ignored;
        co_await held->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (held->failure) {
            throw Error(*held->failure, "failed");
        }
        co_return std::string{function} + " " + *arguments.at(0).value + " " + std::to_string(number);
    }

    asio::awaitable<void> take(std::string run_id, std::size_t number) {
        std::vector<Argument> arguments;
        arguments.push_back({"run_id", "text", std::move(run_id)});
        try {
            const auto body = co_await shared.read("status", std::move(arguments));
            answers[number] = *body;
        } catch (const Error& error) {
            answers[number] = error.what();
        }
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(pq_shared_reads)

BOOST_AUTO_TEST_CASE(who_asks_at_the_same_moment_shares_the_answer) {
    SharedReadsFixture reads(2);
    for (int i = 0; i < 5; ++i) {
        reads.ask("a");
    }
    reads.ask("b");
    reads.settle();
    BOOST_TEST(reads.made == 2);
    reads.let_go();
    reads.let_go();
    for (int i = 0; i < 5; ++i) {
        BOOST_TEST(reads.answers[i] == "status a 1");
    }
    BOOST_TEST(reads.answers[5] == "status b 2");
}

BOOST_AUTO_TEST_CASE(an_answer_under_way_may_be_too_old) {
    SharedReadsFixture reads(2);
    const auto first = reads.ask("a");
    reads.settle();
    const auto second = reads.ask("a");
    reads.settle();
    BOOST_TEST(reads.made == 2);
    reads.let_go();
    reads.let_go();
    BOOST_TEST(reads.answers[first] == "status a 1");
    BOOST_TEST(reads.answers[second] == "status a 2");
}

BOOST_AUTO_TEST_CASE(only_so_many_are_under_way) {
    SharedReadsFixture reads(2);
    for (const auto* run : {"a", "b", "c", "d", "c"}) {
        reads.ask(run);
    }
    reads.settle();
    BOOST_TEST(reads.under_way.size() == 2u);
    reads.let_go();
    BOOST_TEST(reads.under_way.size() == 2u);
    while (!reads.under_way.empty()) {
        reads.let_go();
    }
    BOOST_TEST(reads.made == 4);
    BOOST_TEST(reads.answers[2] == "status c 3");
    BOOST_TEST(reads.answers[4] == "status c 3");
    BOOST_TEST(reads.answers[3] == "status d 4");
}

BOOST_AUTO_TEST_CASE(a_failure_is_that_of_its_read) {
    SharedReadsFixture reads(1);
    reads.ask("a");
    reads.ask("b");
    reads.settle();
    reads.let_go(ErrorKind::timeout);
    reads.let_go();
    BOOST_TEST(reads.answers[0] == "failed");
    BOOST_TEST(reads.answers[1] == "status b 2");
}

BOOST_AUTO_TEST_CASE(where_nobody_can_connect_nobody_waits_for_it) {
    SharedReadsFixture reads(1);
    for (const auto* run : {"a", "b", "c"}) {
        reads.ask(run);
    }
    reads.settle();
    reads.let_go(ErrorKind::cannot_connect);
    BOOST_TEST(reads.made == 1);
    for (const auto& answer : reads.answers) {
        BOOST_TEST(answer == "failed");
    }
    const auto later = reads.ask("a");
    reads.settle();
    reads.let_go();
    BOOST_TEST(reads.answers[later] == "status a 2");
}

BOOST_AUTO_TEST_SUITE_END()
