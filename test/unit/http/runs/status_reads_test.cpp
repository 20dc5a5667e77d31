// Gathering, with calls that the test ends when it likes: who goes with whom, and who gets which answer.

#include <boost/test/unit_test.hpp>

#include "http/runs/status_reads.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <map>

using namespace pdpp::http;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace pq = pdpp::pq;

namespace {

using Ids = std::vector<std::string>;

/// A database whose calls wait until they are let go.
struct Database {
    explicit Database(asio::io_context& loop_) : loop(loop_) {}

    asio::awaitable<std::vector<StatusAnswer>> fetch(StatusReads::Take take) {
        if (!has_connection) {
            throw pq::Error(pq::ErrorKind::cannot_connect, "no connection");
        }
        const auto ids = take();
        calls.push_back(ids);
        asio::steady_timer gate(loop, asio::steady_timer::time_point::max());
        gates.push_back(&gate);
        boost::system::error_code opened;
        co_await gate.async_wait(asio::redirect_error(asio::use_awaitable, opened));
        std::vector<StatusAnswer> answers;
        for (const auto& id : ids) {
            const auto failure = failures.find(id);
            if (failure != failures.end()) {
                throw failure->second;
            }
            answers.push_back({"body of " + id});
        }
        co_return answers;
    }

    /// Ends the call with this number, from 0.
    void end(std::size_t call) {
        gates.at(call)->cancel();
        loop.poll();
    }
    /// Ends those that are under way now.
    void end_all() {
        const auto now = gates.size();
        while (ended < now) {
            end(ended++);
        }
    }

    asio::io_context& loop;
    bool has_connection = true;
    std::vector<Ids> calls;
    std::vector<asio::steady_timer*> gates;
    std::size_t ended = 0;
    std::map<std::string, pq::Error> failures;
};

struct StatusReadsFixture {
    StatusReadsFixture() : StatusReadsFixture({.calls = 1}) {}
    explicit StatusReadsFixture(StatusReads::Limits limits)
        : database(loop),
          reads(
              loop.get_executor(), [this](StatusReads::Take take) { return database.fetch(std::move(take)); }, limits) {
    }

    /// Asks, and lets whatever can go on do so.
    void ask(const Ids& ids) {
        for (const auto& id : ids) {
            asio::co_spawn(loop, reads.read(id), [this, id](std::exception_ptr failure, StatusAnswer answer) {
                BOOST_TEST(!answers.contains(id));
                answers[id] = failure ? message_of(failure) : answer.body;
            });
        }
        loop.poll();
    }

    static std::string message_of(const std::exception_ptr& failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            return std::string{"failed: "} + error.what();
        }
    }

    asio::io_context loop{1};
    Database database;
    StatusReads reads;
    std::map<std::string, std::string> answers;
};

struct TwoConnections : StatusReadsFixture {
    TwoConnections() : StatusReadsFixture({.calls = 2, .head_start = 1h}) {}
};
struct NoHeadStart : StatusReadsFixture {
    NoHeadStart() : StatusReadsFixture({.calls = 2, .head_start = 0ms}) {}
};
struct SmallBatches : StatusReadsFixture {
    SmallBatches() : StatusReadsFixture({.calls = 1, .batch = 2}) {}
};
struct LittlePatience : StatusReadsFixture {
    LittlePatience() : StatusReadsFixture({.calls = 1, .patience = 1ms}) {}
};

const pq::Error refused_read(pq::ErrorKind::refused, "refused", "XX001");
const pq::Error timed_out(pq::ErrorKind::refused, "timed out", "57014");
const pq::Error lost(pq::ErrorKind::connection_lost, "lost");

} // namespace

BOOST_AUTO_TEST_SUITE(http_status_reads)

BOOST_FIXTURE_TEST_CASE(a_single_request_goes_at_once, StatusReadsFixture) {
    ask({"a"});
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}}));
    database.end_all();
    BOOST_TEST(answers["a"] == "body of a");
}

BOOST_FIXTURE_TEST_CASE(what_comes_meanwhile_goes_together, StatusReadsFixture) {
    ask({"a"});
    ask({"b"});
    ask({"c", "b2", "d"});
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}}));
    database.end_all();
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}, {"b", "c", "b2", "d"}}));
    database.end_all();
    BOOST_TEST(answers.size() == 5U);
    for (const auto& [id, body] : answers) {
        BOOST_TEST(body == "body of " + id);
    }
}

BOOST_FIXTURE_TEST_CASE(a_call_on_its_way_is_waited_for, TwoConnections) {
    ask({"a"});
    ask({"b", "c"});
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}}));
    database.end_all();
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}, {"b", "c"}}));
    database.end_all();
    BOOST_TEST(answers.size() == 3U);
}

BOOST_FIXTURE_TEST_CASE(but_not_if_it_takes_long, NoHeadStart) {
    ask({"a"});
    ask({"b"});
    ask({"c"});
    ask({"d"});
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}, {"b"}}));
    database.end(1);
    BOOST_TEST(answers["b"] == "body of b");
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}, {"b"}, {"c", "d"}}));
    database.end(0);
    ask({"e"});
    BOOST_TEST((database.calls.back() == Ids{"e"}));
    database.end(2);
    database.end(3);
    BOOST_TEST(answers.size() == 5U);
}

BOOST_FIXTURE_TEST_CASE(a_batch_is_bounded, SmallBatches) {
    ask({"a", "b", "c", "d", "e"});
    BOOST_TEST((database.calls == std::vector<Ids>{{"a", "b"}}));
    database.end_all();
    database.end_all();
    database.end_all();
    BOOST_TEST((database.calls == std::vector<Ids>{{"a", "b"}, {"c", "d"}, {"e"}}));
    BOOST_TEST(answers.size() == 5U);
}

BOOST_FIXTURE_TEST_CASE(of_many_a_quarter_goes, StatusReadsFixture) {
    Ids ids;
    for (int i = 0; i < 100; ++i) {
        ids.push_back(std::to_string(i));
    }
    ask(ids);
    while (answers.size() < ids.size()) {
        database.end_all();
    }
    std::vector<std::size_t> sizes;
    for (const auto& call : database.calls) {
        sizes.push_back(call.size());
    }
    BOOST_TEST((sizes == std::vector<std::size_t>{25, 18, 16, 16, 16, 9}));
}

BOOST_FIXTURE_TEST_CASE(a_refusal_of_one_is_not_that_of_the_others, StatusReadsFixture) {
    database.failures.emplace("bad", refused_read);
    ask({"a", "bad", "b"});
    database.end_all();
    BOOST_TEST(answers.empty());
    ask({"late"}); // goes with nobody who must go alone
    for (int i = 0; i < 4; ++i) {
        database.end_all();
    }
    BOOST_TEST((database.calls == std::vector<Ids>{{"a", "bad", "b"}, {"a"}, {"bad"}, {"b"}, {"late"}}));
    BOOST_TEST(answers["a"] == "body of a");
    BOOST_TEST(answers["b"] == "body of b");
    BOOST_TEST(answers["late"] == "body of late");
    BOOST_TEST(answers["bad"] == "failed: refused");
}

BOOST_FIXTURE_TEST_CASE(a_server_in_trouble_is_not_asked_again_for_each, StatusReadsFixture) {
    database.failures.emplace("a", timed_out);
    ask({"a", "b"});
    database.end_all();
    BOOST_TEST(answers["a"] == "failed: timed out");
    BOOST_TEST(answers["b"] == "failed: timed out");
    BOOST_TEST(database.calls.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_lost_connection_is_survived, StatusReadsFixture) {
    database.failures.emplace("a", lost);
    ask({"a", "b"});
    database.end_all();
    BOOST_TEST(answers.empty());
    database.failures.clear();
    database.end_all();
    BOOST_TEST(answers["a"] == "body of a");
    BOOST_TEST(answers["b"] == "body of b");
}

BOOST_FIXTURE_TEST_CASE(but_not_for_ever, StatusReadsFixture) {
    database.failures.emplace("a", lost);
    ask({"a"});
    for (int i = 0; i < 3; ++i) {
        database.end_all();
    }
    BOOST_TEST(answers["a"] == "failed: lost");
    BOOST_TEST(database.calls.size() == 3U);
    ask({"b"});
    database.end_all();
    BOOST_TEST(answers["b"] == "body of b");
}

BOOST_FIXTURE_TEST_CASE(without_a_connection_those_who_wait_are_told, StatusReadsFixture) {
    database.has_connection = false;
    ask({"a", "b"});
    BOOST_TEST(answers["a"] == "failed: no connection");
    BOOST_TEST(answers["b"] == "failed: no connection");
    database.has_connection = true;
    ask({"c"});
    database.end_all();
    BOOST_TEST(answers["c"] == "body of c");
}

BOOST_FIXTURE_TEST_CASE(patience_ends, LittlePatience) {
    ask({"a"});
    ask({"b"});
    while (!answers.contains("b")) {
        loop.run_one();
    }
    BOOST_TEST(answers["b"] == "failed: all database connections are in use");
    BOOST_TEST(!answers.contains("a")); // it is under way
    database.end_all();
    BOOST_TEST(answers["a"] == "body of a");
    BOOST_TEST((database.calls == std::vector<Ids>{{"a"}}));
}

BOOST_FIXTURE_TEST_CASE(an_answer_for_somebody_who_has_gone_harms_nobody, StatusReadsFixture) {
    asio::cancellation_signal give_up;
    bool is_gone = false;
    asio::co_spawn(loop, reads.read("a"),
                   asio::bind_cancellation_slot(give_up.slot(), [&](std::exception_ptr failure, const StatusAnswer&) {
                       is_gone = failure != nullptr;
                   }));
    loop.poll();
    give_up.emit(asio::cancellation_type::terminal);
    loop.poll();
    BOOST_TEST(is_gone);
    ask({"b"});
    database.end_all();
    database.end_all();
    BOOST_TEST(answers["b"] == "body of b");
}

BOOST_AUTO_TEST_SUITE_END()
