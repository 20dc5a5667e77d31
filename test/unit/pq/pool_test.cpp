// Connections and the pool against a real server, the one the PG* environment names: disabled unless asked for with
// --run_test=pq_database, which test/http/database.t does on a cluster of its own.

#include <boost/test/unit_test.hpp>

#include "pq/connection.hpp"
#include "pq/mistake.hpp"
#include "pq/pool.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <functional>

using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;
namespace asio = boost::asio;
namespace pq = pdpp::pq;

namespace {

/// Runs a test body on an event loop of its own; what it throws fails the test.
void on_a_loop(std::function<asio::awaitable<void>(asio::any_io_executor)> body) {
    asio::io_context loop(1);
    std::exception_ptr failure;
    asio::co_spawn(loop, body(loop.get_executor()), [&](std::exception_ptr thrown) { failure = thrown; });
    loop.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
}

asio::awaitable<pq::Connection> connected(asio::any_io_executor executor) {
    pq::Connection connection(executor);
    co_await connection.open("");
    co_return connection;
}

asio::awaitable<std::string> value(pq::Connection& connection, std::string sql) {
    const auto result = co_await connection.query(sql);
    co_return std::string(result.text(0, 0).value());
}

/// The kind of error that the statement ends with.
asio::awaitable<pq::ErrorKind> failure_of(pq::Connection& connection, std::string sql, pq::Effect effect,
                                          std::chrono::milliseconds timeout = 10s) {
    try {
        co_await connection.query(sql, {}, timeout, effect);
    } catch (const pq::Error& error) {
        co_return error.kind();
    }
    throw std::logic_error("no error");
}

/// Ends the server process `pid` once it waits for the advisory lock 7, which some other session holds.
asio::awaitable<void> terminate_when_it_waits(pq::Connection& other, std::string pid) {
    std::vector<pq::Parameter> parameters;
    parameters.emplace_back(pid);
    for (;;) {
        const auto found = co_await other.query("SELECT pg_terminate_backend($1::int) FROM pg_locks "
                                                "WHERE pid = $1::int AND locktype = 'advisory' AND NOT granted",
                                                parameters);
        if (found.rows() > 0) {
            co_return;
        }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(pq_database, *boost::unit_test::disabled())

BOOST_AUTO_TEST_CASE(parameters_and_nulls_travel_both_ways) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        std::vector<pq::Parameter> parameters;
        parameters.emplace_back("a'b\\c \u20ac");
        parameters.emplace_back(std::nullopt);
        const auto result = co_await connection.query("SELECT $1::text, $2::text", parameters);
        BOOST_TEST(result.rows() == 1);
        BOOST_TEST(result.columns() == 2);
        BOOST_TEST(result.text(0, 0).value() == "a'b\\c \u20ac");
        BOOST_TEST(!result.text(0, 1).has_value());
        BOOST_CHECK_THROW((void)result.text(1, 0), pdpp::pq::Error);
        BOOST_CHECK_THROW((void)result.text(0, 2), pdpp::pq::Error);
    });
}

BOOST_AUTO_TEST_CASE(an_answer_that_was_not_asked_for_is_no_refusal) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        for (const auto& [effect, kind] : {std::pair{pq::Effect::reads, pq::ErrorKind::connection_lost},
                                           std::pair{pq::Effect::writes, pq::ErrorKind::in_doubt}}) {
            auto connection = co_await connected(executor);
            std::vector<pq::Argument> nobody;
            nobody.push_back({"run_ids", "text[]", "{}"});
            std::optional<pq::ErrorKind> failure;
            try {
                co_await connection.call("pdpp_run_statuses", std::move(nobody), 10s, effect);
            } catch (const pq::Error& error) {
                failure = error.kind();
            }
            BOOST_TEST((failure == kind));
            BOOST_TEST(!connection.usable());
        }
    });
}

BOOST_AUTO_TEST_CASE(an_answer_under_another_name_is_somebody_else_s) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        co_await connection.query("CREATE FUNCTION public.pdpp_mixed_up(OUT somebody_else text, OUT too int) "
                                  "LANGUAGE sql AS 'SELECT NULL::text, 1'");
        std::vector<pq::Argument> none;
        std::optional<pq::ErrorKind> failure;
        try {
            co_await connection.call("pdpp_mixed_up", std::move(none), 10s, pq::Effect::writes);
        } catch (const pq::Error& error) {
            failure = error.kind();
        }
        BOOST_TEST((failure == pq::ErrorKind::in_doubt));
        BOOST_TEST(!connection.usable());
        auto other = co_await connected(executor);
        co_await other.query("DROP FUNCTION public.pdpp_mixed_up()");
    });
}

// What is larger than the system takes at once is still being sent when the time is over.
BOOST_AUTO_TEST_CASE(a_timeout_while_a_statement_is_sent) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        const pid_t server = std::stoi(co_await value(connection, "SELECT pg_backend_pid()"));
        BOOST_REQUIRE(::kill(server, SIGSTOP) == 0);
        std::vector<pq::Parameter> parameters;
        parameters.emplace_back(std::string(50'000'000, 'x'));
        std::optional<pq::ErrorKind> failure;
        try {
            co_await connection.query("SELECT $1::text", parameters, 300ms);
        } catch (const pq::Error& error) {
            failure = error.kind();
        }
        ::kill(server, SIGCONT);
        BOOST_TEST((failure == pq::ErrorKind::timeout));
        BOOST_TEST(!connection.usable());
    });
}

BOOST_AUTO_TEST_CASE(megabytes_travel_both_ways) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        const std::string big(20'000'000, 'x');
        std::vector<pq::Parameter> parameters;
        parameters.emplace_back(big);
        const auto result = co_await connection.query("SELECT $1::text", parameters);
        BOOST_TEST((result.text(0, 0).value() == big));
    });
}

BOOST_AUTO_TEST_CASE(a_nul_is_refused_rather_than_cut) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        std::vector<pq::Parameter> parameters;
        parameters.emplace_back(std::string("run_1\0x", 7));
        bool refused = false;
        try {
            co_await connection.query("SELECT $1::text", parameters);
        } catch (const pq::Error& error) {
            refused = error.kind() == pq::ErrorKind::misused;
        }
        BOOST_TEST(refused);
    });
}

BOOST_AUTO_TEST_CASE(a_statement_is_kept_and_done_without_where_it_cannot_be) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        const std::string kept =
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%pdpp_run_statuses%'";
        for (const auto* const id : {"a", "b"}) {
            std::vector<pq::Argument> arguments;
            arguments.push_back({"run_ids", "text[]", std::string("{") + id + "}"});
            const auto rows = co_await connection.prepared_column("run_id", "pdpp_run_statuses", std::move(arguments));
            BOOST_TEST(rows.text(0, 0).value() == id);
            const auto count = co_await value(connection, kept);
            BOOST_TEST(count == "1");
        }
        for (const bool is_again : {false, true}) {
            co_await connection.query("DEALLOCATE ALL"); // another server, behind a pooler
            std::vector<pq::Argument> arguments;
            arguments.push_back({"run_ids", "text[]", std::string("{c,d}")});
            const auto rows = co_await connection.prepared_column("run_id", "pdpp_run_statuses", std::move(arguments));
            BOOST_TEST(rows.rows() == 2, is_again);
            const auto count = co_await value(connection, kept);
            BOOST_TEST(count == "0");
        }
    });
}

BOOST_AUTO_TEST_CASE(a_refusal_keeps_its_fields_and_the_connection) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        bool refused = false;
        try {
            co_await connection.query("DO $$ BEGIN RAISE SQLSTATE 'PT409' USING message = 'm', detail = "
                                      "'{\"code\": \"c\"}', hint = 'h'; END $$");
        } catch (const pq::Error& error) {
            refused = true;
            BOOST_CHECK(error.kind() == pq::ErrorKind::refused);
            BOOST_TEST(error.what() == "m");
            BOOST_TEST(error.sqlstate() == "PT409");
            BOOST_TEST(error.detail() == "{\"code\": \"c\"}");
            BOOST_TEST(error.hint() == "h");
        }
        BOOST_TEST(refused);
        BOOST_TEST(connection.usable());
        BOOST_TEST(co_await value(connection, "SELECT 1") == "1");
    });
}

BOOST_AUTO_TEST_CASE(an_error_at_commit_is_an_error) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        co_await connection.query("CREATE TEMP TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
        const auto kind =
            co_await failure_of(connection, "INSERT INTO t VALUES (1), (1) RETURNING a", pq::Effect::writes);
        BOOST_CHECK(kind == pq::ErrorKind::refused);
        BOOST_TEST(connection.usable());
    });
}

BOOST_AUTO_TEST_CASE(a_server_that_says_goodbye_before_commit_leaves_no_doubt) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto holder = co_await connected(executor);
        co_await holder.query("SELECT pg_advisory_lock(7)");
        for (const auto effect : {pq::Effect::reads, pq::Effect::writes}) {
            auto victim = co_await connected(executor);
            const auto pid = co_await value(victim, "SELECT pg_backend_pid()");
            const auto kind = co_await (failure_of(victim, "SELECT pg_advisory_lock(7)", effect) &&
                                        terminate_when_it_waits(holder, pid));
            BOOST_CHECK(kind == pq::ErrorKind::connection_lost);
            BOOST_TEST(!victim.usable());
        }
    });
}

BOOST_AUTO_TEST_CASE(a_statement_that_outlives_its_time_closes_the_connection) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        const auto kind = co_await failure_of(connection, "SELECT pg_sleep(60)", pq::Effect::reads, 50ms);
        BOOST_CHECK(kind == pq::ErrorKind::timeout);
        BOOST_TEST(!connection.usable());
    });
}

BOOST_AUTO_TEST_CASE(a_cut_idle_connection_is_noticed_before_it_is_used) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto idle = co_await connected(executor);
        auto other = co_await connected(executor);
        const auto pid = co_await value(idle, "SELECT pg_backend_pid()");
        BOOST_TEST(idle.usable());
        co_await other.query("SELECT pg_terminate_backend(" + pid + ", 10000)");
        BOOST_TEST(!idle.usable());
    });
}

BOOST_AUTO_TEST_CASE(notifications_arrive_and_a_cancelled_wait_does_no_harm) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto listener = co_await connected(executor);
        auto sender = co_await connected(executor);
        co_await listener.listen("Chan\"nel");
        asio::steady_timer soon(executor, 20ms);
        const auto first = co_await (listener.notification() || soon.async_wait(asio::use_awaitable));
        BOOST_TEST(first.index() == 1);
        BOOST_TEST(co_await value(listener, "SELECT 1") == "1");
        co_await sender.query("NOTIFY \"Chan\"\"nel\", 'one'");
        co_await sender.query("NOTIFY \"Chan\"\"nel\", 'two'");
        const auto one = co_await listener.notification();
        const auto two = co_await listener.notification();
        BOOST_TEST(one.channel == "Chan\"nel");
        BOOST_TEST(one.payload == "one");
        BOOST_TEST(two.payload == "two");
    });
}

BOOST_AUTO_TEST_CASE(a_notification_is_waited_for_as_long_as_it_is_told) {
    on_a_loop([](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto listener = co_await connected(executor);
        auto sender = co_await connected(executor);
        co_await listener.listen("pdpp_test");
        const auto none = co_await listener.notification_within(1ms);
        BOOST_TEST(!none);
        co_await sender.query("SELECT pg_notify('pdpp_test', 'one')");
        const auto one = co_await listener.notification_within(30s);
        BOOST_TEST_REQUIRE(one.has_value());
        BOOST_TEST(one->payload == "one");
        co_await sender.query("SELECT pg_terminate_backend(" + std::to_string(listener.backend_pid()) + ", 30000)");
        std::optional<pq::ErrorKind> failure;
        try {
            co_await listener.notification_within(30s);
        } catch (const pq::Error& error) {
            failure = error.kind();
        }
        BOOST_TEST((failure == pq::ErrorKind::connection_lost));
    });
}

BOOST_AUTO_TEST_CASE(a_session_is_asked_what_it_is_now) {
    on_a_loop([](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        BOOST_TEST(!connection.is_pooled());
        const auto at_first = co_await connection.standing();
        BOOST_TEST((at_first == pq::Standing::primary));
        co_await connection.query("SET default_transaction_read_only = on");
        const auto fenced = co_await connection.standing();
        BOOST_TEST((fenced == pq::Standing::replaced));
        const auto version = co_await connection.query("SHOW server_version_num");
        BOOST_TEST(connection.is_read_only() == (version.text(0, 0).value() > "14")); // 13 does not report it
        co_await connection.query("SET default_transaction_read_only = off");
        co_await connection.listen("pdpp_test");
        const auto listening = co_await connection.standing();
        BOOST_TEST((listening == pq::Standing::primary));
        // as a pooler does before another client gets the session
        co_await connection.query("DISCARD ALL");
        const auto reset = co_await connection.standing();
        BOOST_TEST((reset == pq::Standing::not_ours));
    });
}

BOOST_AUTO_TEST_CASE(a_call_names_its_arguments_and_finds_the_extension_by_itself) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        co_await connection.query("SET search_path = ''");
        std::vector<pq::Argument> arguments;
        arguments.push_back({"run_id", "text", "no such run"});
        const auto body = co_await connection.call("pdpp_run_status", arguments, 10s, pq::Effect::reads);
        BOOST_REQUIRE(body.has_value());
        BOOST_TEST(body->find("Run not found: no such run") != std::string::npos);
        arguments[0].value.reset();
        const auto nothing = co_await connection.call("pdpp_run_status", arguments, 10s, pq::Effect::reads);
        BOOST_TEST(!nothing.has_value());
    });
}

BOOST_AUTO_TEST_CASE(a_database_without_the_extension_is_refused_with_advice) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        pq::Connection connection(executor);
        std::string message;
        try {
            co_await connection.open("dbname=template1");
        } catch (const pq::Error& error) {
            BOOST_CHECK(error.kind() == pq::ErrorKind::refused);
            message = error.what();
        }
        BOOST_TEST(message == "extension pdpp is not installed in database \"template1\": run CREATE EXTENSION pdpp");
        BOOST_TEST(!connection.usable());
    });
}

BOOST_AUTO_TEST_CASE(what_cannot_be_connected_to_says_so_without_the_password) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        for (const auto* conninfo : {"postgresql://u:sekret@/x?port=1&host=/nowhere", "postgresql://u:sek ret@@[/x",
                                     "password=sekret nonsense", "host=127.0.0.1 port=1 password=sekret"}) {
            pq::Connection connection(executor);
            std::string message;
            try {
                co_await connection.open(conninfo, 5s);
            } catch (const pq::Error& error) {
                const bool is_wrong = pq::mistake_in(conninfo).has_value();
                BOOST_CHECK(error.kind() == (is_wrong ? pq::ErrorKind::not_let_in : pq::ErrorKind::cannot_connect));
                message = error.what();
            }
            BOOST_TEST(!message.empty());
            BOOST_TEST(message.find("sek") == std::string::npos, message);
        }
    });
}

BOOST_AUTO_TEST_CASE(one_statement_at_a_time) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        auto connection = co_await connected(executor);
        const auto kinds = co_await (failure_of(connection, "SELECT pg_sleep(0.1), 1/0", pq::Effect::reads) &&
                                     failure_of(connection, "SELECT 2", pq::Effect::reads));
        BOOST_CHECK(std::get<0>(kinds) == pq::ErrorKind::refused);
        BOOST_CHECK(std::get<1>(kinds) == pq::ErrorKind::misused);
        BOOST_TEST(connection.usable());
        connection.close();
        BOOST_CHECK(co_await failure_of(connection, "SELECT 1", pq::Effect::reads) == pq::ErrorKind::misused);
    });
}

BOOST_AUTO_TEST_CASE(the_pool_lends_no_more_than_its_size_and_replaces_what_is_cut) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        pq::Pool pool(executor, {.conninfo = "", .size = 1, .wait_limit = 200ms, .statement_timeout = 1234ms});
        std::string pid;
        {
            auto lease = co_await pool.acquire();
            pid = co_await value(*lease, "SELECT pg_backend_pid()");
            BOOST_TEST(co_await value(*lease, "SHOW statement_timeout") == "1234ms");
            bool turned_away = false;
            try {
                co_await pool.acquire();
            } catch (const pq::Error& error) {
                turned_away = error.kind() == pq::ErrorKind::cannot_connect;
            }
            BOOST_TEST(turned_away);
        }
        {
            auto lease = co_await pool.acquire();
            BOOST_TEST(co_await value(*lease, "SELECT pg_backend_pid()") == pid);
        }
        auto other = co_await connected(executor);
        co_await other.query("SELECT pg_terminate_backend(" + pid + ", 10000)");
        auto lease = co_await pool.acquire();
        BOOST_TEST(co_await value(*lease, "SELECT pg_backend_pid()") != pid);
    });
}

BOOST_AUTO_TEST_CASE(the_pool_serves_many_with_few) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        pq::Pool pool(executor, {.conninfo = "application_name=many", .size = 2, .wait_limit = 10s});
        int served = 0;
        auto one = [&]() -> asio::awaitable<void> {
            auto lease = co_await pool.acquire();
            BOOST_TEST(co_await value(*lease, "SELECT 1") == "1");
            ++served;
        };
        for (int i = 0; i < 50; ++i) {
            asio::co_spawn(executor, one, asio::detached);
        }
        while (served < 50) {
            co_await asio::post(executor, asio::use_awaitable);
        }
        auto lease = co_await pool.acquire();
        BOOST_TEST(co_await value(*lease, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'many'") ==
                   "2");
    });
}

/// The pool of a launcher that boots anew.
BOOST_AUTO_TEST_CASE(a_pool_may_be_replaced_while_others_wait_for_it) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        const pq::PoolOptions options{.conninfo = "", .size = 1, .wait_limit = 10s};
        pq::Pool pool(executor, options);
        int served = 0;
        int turned_away = 0;
        auto one = [&]() -> asio::awaitable<void> {
            try {
                auto lease = co_await pool.acquire();
                co_await lease->query("SELECT 1");
                ++served;
            } catch (const pq::Error&) {
                ++turned_away;
            }
        };
        {
            auto lease = co_await pool.acquire();
            for (int i = 0; i < 3; ++i) {
                asio::co_spawn(executor, one, asio::detached);
            }
            while (pool.usage().waiting < 3) {
                co_await asio::post(executor, asio::use_awaitable);
            }
            pool = pq::Pool(executor, options);
        } // the last that held the old one but for those who wait: they go on with it
        while (served + turned_away < 3) {
            co_await asio::post(executor, asio::use_awaitable);
        }
        BOOST_TEST(served == 3);
        BOOST_TEST(pool.usage().open == 0U); // nobody has given anything back to the new one
        BOOST_TEST(pool.usage().busy == 0U);
    });
}

BOOST_AUTO_TEST_CASE(a_server_that_crashes_leaves_a_write_in_doubt_and_the_pool_waits_for_its_recovery) {
    on_a_loop([](auto executor) -> asio::awaitable<void> {
        constexpr auto crash = "COPY (SELECT 1) TO PROGRAM 'kill -KILL $PPID'";
        pq::Pool pool(executor, {.conninfo = "", .size = 1, .wait_limit = 60s});
        for (const auto effect : {pq::Effect::writes, pq::Effect::reads}) {
            auto victim = co_await pool.acquire();
            const auto expected =
                effect == pq::Effect::writes ? pq::ErrorKind::in_doubt : pq::ErrorKind::connection_lost;
            BOOST_CHECK(co_await failure_of(*victim, crash, effect) == expected);
        }
        auto lease = co_await pool.acquire();
        BOOST_TEST(co_await value(*lease, "SELECT 1") == "1");
    });
}

BOOST_AUTO_TEST_SUITE_END()
