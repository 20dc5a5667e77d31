// What becomes of a write whose answer is lost, against a database that says what each test wants.

#include <boost/test/unit_test.hpp>

#include "pq/body.hpp"
#include "pq/write.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <functional>
#include <set>

using namespace pdpp::pq;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Call {
    std::string function;
    std::vector<Argument> arguments;
    Effect effect;

    std::string argument(std::string_view name) const {
        for (const auto& argument : arguments) {
            if (argument.name == name) {
                return argument.value.value_or("(null)");
            }
        }
        return "(none)";
    }
};

/// Answers by a function of the call and of how many calls of this function came before it.
class Scripted : public Caller {
  public:
    using Script = std::function<std::string(const Call& call, int before)>;
    explicit Scripted(Script script) : script_(std::move(script)) {}

    asio::awaitable<std::string> call(std::string_view function, std::vector<Argument> arguments,
                                      std::chrono::milliseconds timeout, Effect effect) override {
        BOOST_TEST(timeout.count() > 0);
        int before = 0;
        for (const auto& earlier : calls) {
            before += earlier.function == function ? 1 : 0;
        }
        calls.push_back({std::string{function}, std::move(arguments), effect});
        co_return script_(calls.back(), before);
    }

    int number_of(std::string_view function) const {
        return static_cast<int>(
            std::count_if(calls.begin(), calls.end(), [&](const Call& call) { return call.function == function; }));
    }

    std::vector<Call> calls;

  private:
    Script script_;
};

template <typename T>
T run(asio::awaitable<T> work) {
    asio::io_context loop;
    auto result = asio::co_spawn(loop, std::move(work), asio::use_future);
    loop.run();
    return result.get();
}

constexpr Patience brief{.call = 1s, .doubt = 350ms};

std::string admitted(Scripted& database, std::vector<Argument> arguments = {},
                     std::string_view function = "pdpp_connection_run_now") {
    return run(admit(database, function, std::move(arguments), brief));
}

Error refusal(const std::string& detail) {
    return {ErrorKind::refused, "no", "PT409", detail};
}

Error lost() {
    return {ErrorKind::in_doubt, "lost"};
}

std::string status_of(const Call& call, std::string_view trace_id) {
    return R"({"object": "run_status", "run_id": ")" + call.argument("run_id") + R"(", "trace_id": ")" +
           std::string{trace_id} + R"("})";
}

constexpr auto unknown = R"({"error": {"code": "not_found"}})";

} // namespace

BOOST_AUTO_TEST_SUITE(pq_write)

BOOST_AUTO_TEST_CASE(an_answer_is_an_answer) {
    Scripted database([](const Call&, int) { return std::string("ack"); });
    BOOST_TEST(admitted(database) == "ack");
    BOOST_TEST(database.calls.size() == 1U);
    const auto& call = database.calls.front();
    BOOST_TEST((call.effect == Effect::writes));
    BOOST_TEST(call.argument("run_id").starts_with("run_"));
    BOOST_TEST(call.argument("run_id").size() == 36U);
    BOOST_TEST(call.argument("trace_id").starts_with("trc_"));
    BOOST_TEST(call.argument("idempotency_key") == "(none)");
}

BOOST_AUTO_TEST_CASE(ids_of_the_caller_are_kept) {
    Scripted database([](const Call&, int) { return std::string("ack"); });
    admitted(database, {{"run_id", "text", "mine"}, {"trace_id", "text", "trace"}});
    BOOST_TEST(database.calls[0].argument("run_id") == "mine");
    BOOST_TEST(database.calls[0].argument("trace_id") == "trace");
    admitted(database, {{"idempotency_key", "text", "key"}});
    BOOST_TEST(database.calls[1].argument("run_id") == "(none)");
    BOOST_TEST(database.calls[1].argument("idempotency_key") == "key");
}

BOOST_AUTO_TEST_CASE(an_id_made_here_says_where_its_connection_belongs) {
    Scripted database([](const Call&, int) { return std::string("ack"); });
    const auto placement = [&](std::string_view function, std::vector<Argument> arguments) {
        admitted(database, std::move(arguments), function);
        const auto id = database.calls.back().argument("run_id");
        BOOST_TEST(id[16] == '7');
        return id.substr(17, 3);
    };
    const Argument gmail{"connector_id", "text", "gmail"};
    const Argument anna{"connector_instance_id", "text", "gmail-anna"};
    BOOST_TEST(placement("pdpp_connection_run_now", {anna}) == "bec");
    BOOST_TEST(placement("pdpp_run_now", {gmail, anna}) == "bec");
    BOOST_TEST(placement("pdpp_run_now", {gmail}) == "576");
    BOOST_TEST(placement("pdpp_run_now", {gmail, {"connector_instance_id", "text", std::nullopt}}) == "576");
    // which connection that will be only the server knows
    std::set<std::string> any;
    for (int i = 0; i < 20; ++i) {
        any.insert(placement("pdpp_connector_run_now", {gmail}));
    }
    BOOST_TEST(any.size() > 1U);
}

BOOST_AUTO_TEST_CASE(a_refusal_is_not_repeated) {
    for (const auto kind : {ErrorKind::refused, ErrorKind::cannot_connect, ErrorKind::connection_lost}) {
        Scripted database([&](const Call&, int) -> std::string { throw Error(kind, "no"); });
        BOOST_CHECK_EXCEPTION(admitted(database), Error, [&](const Error& error) { return error.kind() == kind; });
        BOOST_TEST(database.calls.size() == 1U);
    }
}

BOOST_AUTO_TEST_CASE(a_lost_call_is_repeated_as_it_was) {
    for (const auto kind : {ErrorKind::in_doubt, ErrorKind::timeout}) {
        Scripted database([&](const Call&, int before) -> std::string {
            if (before == 0) {
                throw Error(kind, "lost");
            }
            return "ack";
        });
        BOOST_TEST(admitted(database, {{"data", "jsonb", "{}"}}) == "ack");
        BOOST_TEST(database.calls.size() == 2U);
        for (const auto* name : {"run_id", "trace_id", "data"}) {
            BOOST_TEST(database.calls[0].argument(name) == database.calls[1].argument(name));
        }
    }
}

BOOST_AUTO_TEST_CASE(our_own_run_in_the_way_is_the_answer) {
    // whether it is active, has ended (and another runs now), or the repeated call is refused for what changed since
    for (const auto* detail : {R"({"code": "run_already_active", "active_run_id": "x"})", R"({"code": "run_id_taken"})",
                               R"({"code": "ambiguous_connection"})"}) {
        Scripted database([&](const Call& call, int before) -> std::string {
            if (call.function == "pdpp_run_status") {
                return status_of(call, "trace");
            }
            if (before == 0) {
                throw lost();
            }
            throw refusal(detail);
        });
        const auto answer = admitted(database, {{"run_id", "text", "r 1"}, {"trace_id", "text", "trace"}});
        BOOST_TEST(answer == acknowledgement("r 1", "trace"));
        BOOST_TEST((database.calls.back().effect == Effect::reads));
    }
}

BOOST_AUTO_TEST_CASE(another_run_of_our_id_is_a_refusal) {
    for (const auto* detail :
         {R"({"code": "run_already_active", "active_run_id": "mine"})", R"({"code": "run_id_taken"})"}) {
        Scripted database([&](const Call& call, int before) -> std::string {
            if (call.function == "pdpp_run_status") {
                return status_of(call, "trace of another");
            }
            if (before == 0) {
                throw lost();
            }
            throw refusal(detail);
        });
        BOOST_CHECK_EXCEPTION(admitted(database, {{"run_id", "text", "mine"}}), Error,
                              [&](const Error& error) { return error.detail() == detail; });
        BOOST_TEST(database.calls.size() == 3U);
    }
}

BOOST_AUTO_TEST_CASE(a_refusal_that_says_nothing_of_the_first_call_leaves_it_in_doubt) {
    // an ambiguous connector is found before any lock: the first call may still be at work
    Scripted database([&](const Call& call, int before) -> std::string {
        if (call.function == "pdpp_run_status") {
            return before < 1 ? unknown : status_of(call, "trace");
        }
        if (before == 0) {
            throw lost();
        }
        throw refusal(R"({"code": "ambiguous_connection"})");
    });
    BOOST_TEST(admitted(database, {{"trace_id", "text", "trace"}}).starts_with(R"({"links": )"));
    BOOST_TEST(database.number_of("pdpp_run_status") == 2);
}

BOOST_AUTO_TEST_CASE(a_verdict_counts_only_with_the_status) {
    Scripted database([&](const Call& call, int before) -> std::string {
        if (call.function == "pdpp_run_status") {
            if (before == 0) {
                throw Error(ErrorKind::cannot_connect, "away");
            }
            return unknown;
        }
        if (before == 0) {
            throw lost();
        }
        throw refusal(R"({"code": "run_already_active", "active_run_id": "other"})");
    });
    BOOST_CHECK_THROW(admitted(database), Error);
    BOOST_TEST(database.number_of("pdpp_run_status") == 2);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_learned_is_in_doubt) {
    for (const auto kind : {ErrorKind::cannot_connect, ErrorKind::in_doubt, ErrorKind::timeout,
                            ErrorKind::connection_lost, ErrorKind::refused}) {
        Scripted database([&](const Call&, int before) -> std::string {
            if (before == 0) {
                throw lost();
            }
            throw Error(kind, "no", kind == ErrorKind::refused ? "57014" : "");
        });
        BOOST_CHECK_EXCEPTION(admitted(database), InDoubt, [](const InDoubt& doubt) {
            return doubt.kind() == ErrorKind::in_doubt && doubt.ids().run_id && doubt.ids().trace_id;
        });
        BOOST_TEST(database.calls.size() > 3U);
    }
}

BOOST_AUTO_TEST_CASE(with_a_key_the_key_decides) {
    Scripted database([&](const Call&, int before) -> std::string {
        if (before < 2) {
            throw lost();
        }
        return "ack";
    });
    BOOST_TEST(admitted(database, {{"idempotency_key", "text", "key"}}) == "ack");
    BOOST_TEST(database.number_of("pdpp_run_status") == 0);

    Scripted refusing([&](const Call&, int before) -> std::string {
        if (before == 0) {
            throw lost();
        }
        throw refusal(R"({"code": "run_already_active"})");
    });
    BOOST_CHECK_THROW(admitted(refusing, {{"idempotency_key", "text", "key"}}), Error);
    BOOST_TEST(refusing.calls.size() == 2U);
}

BOOST_AUTO_TEST_CASE(other_writes_are_repeated_until_they_are_answered) {
    Scripted database([&](const Call&, int before) -> std::string {
        if (before == 0) {
            throw lost();
        }
        if (before == 1) {
            throw Error(ErrorKind::cannot_connect, "away");
        }
        return "ack";
    });
    const auto cancel = [](Caller& caller) {
        return run(write_again_until_known(caller, "pdpp_run_cancel", {{"run_id", "text", "r"}}, brief));
    };
    BOOST_TEST(cancel(database) == "ack");
    BOOST_TEST(database.calls.size() == 3U);

    Scripted refusing([&](const Call&, int before) -> std::string {
        if (before == 0) {
            throw lost();
        }
        throw refusal(R"({"code": "run_already_terminal"})");
    });
    BOOST_CHECK_EXCEPTION(cancel(refusing), Error,
                          [](const Error& error) { return error.kind() == ErrorKind::refused; });
    BOOST_TEST(refusing.calls.size() == 2U);

    Scripted away([](const Call&, int) -> std::string { throw lost(); });
    BOOST_CHECK_EXCEPTION(cancel(away), InDoubt, [](const InDoubt& doubt) { return doubt.ids().run_id == "r"; });
}

BOOST_AUTO_TEST_CASE(the_acknowledgement_reads_as_the_server_prints_it) {
    BOOST_TEST(
        acknowledgement("run 1/\xc3\xa9", "t\"") ==
        R"({"links": {"self": "/_ref/runs/run%201%2F%C3%A9", "timeline": "/_ref/runs/run%201%2F%C3%A9/timeline"}, )"
        "\"object\": \"run_ack\", \"run_id\": \"run 1/\xc3\xa9\", \"status\": \"started\", \"trace_id\": \"t\\\"\"}");
}

BOOST_AUTO_TEST_CASE(so_does_that_of_a_run_that_repeats_another) {
    BOOST_TEST(
        acknowledgement("b", "t", "a") ==
        R"({"links": {"self": "/_ref/runs/b", "timeline": "/_ref/runs/b/timeline"}, "object": "run_ack", "run_id": "b", )"
        R"("status": "started", "retry_of": "a", "trace_id": "t"})");
    Scripted database([](const Call& call, int) -> std::string {
        if (call.function != "pdpp_run_status") {
            throw lost();
        }
        return status_of(call, "t");
    });
    BOOST_TEST(admitted(database, {{"retry_of", "text", "a"}, {"run_id", "text", "b"}, {"trace_id", "text", "t"}}) ==
               acknowledgement("b", "t", "a"));
}

BOOST_AUTO_TEST_CASE(bodies_may_be_deep) {
    const std::string deep = R"({"a": )" + std::string(5000, '[') + std::string(5000, ']') + R"(, "b": "x"})";
    BOOST_TEST(string_in(deep, "b") == "x");
    BOOST_TEST(string_in(deep, "a") == "");
    BOOST_TEST(string_in(deep, "c") == "");
}

BOOST_AUTO_TEST_SUITE_END()
