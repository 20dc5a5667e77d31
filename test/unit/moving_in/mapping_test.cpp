// What is recorded of the rows that name a run id: whose, in which order, in which words.

#include <boost/test/unit_test.hpp>

#include "moving_in/mapping.hpp"
#include "moving_in/mending.hpp"

#include <boost/json/parse.hpp>

#include <array>
#include <set>

using namespace pdpp::moving_in;
namespace json = boost::json;

namespace {

Row event(std::string id, std::string type, std::optional<std::string> connection, std::string data = "{}",
          std::string at = "2026-08-01T10:00:00.500Z") {
    Row row(event_column::count);
    row[event_column::run_id] = "run_1";
    row[event_column::event_seq] = "1";
    row[event_column::event_id] = std::move(id);
    row[event_column::event_type] = std::move(type);
    row[event_column::occurred_at] = at;
    row[event_column::recorded_at] = std::move(at);
    row[event_column::trace_id] = "trc_" + connection.value_or("none");
    row[event_column::actor_type] = "runtime";
    row[event_column::actor_id] = "gmail";
    row[event_column::connector_instance_id] = std::move(connection);
    row[event_column::data_json] = std::move(data);
    return row;
}

Row flight(std::string connection, std::string at) {
    Row row(flight_column::count);
    row[flight_column::run_id] = "run_1";
    row[flight_column::connector_instance_id] = std::move(connection);
    row[flight_column::connector_id] = "gmail";
    row[flight_column::trace_id] = "trc_f";
    row[flight_column::started_at] = std::move(at);
    row[flight_column::run_generation] = "3";
    return row;
}

Row history(std::string status, std::optional<std::string> completed_at) {
    Row row(history_column::count);
    row[history_column::run_id] = "run_1";
    row[history_column::connector_instance_id] = "cin_f";
    row[history_column::connector_id] = "gmail";
    row[history_column::status] = std::move(status);
    row[history_column::started_at] = "2026-08-01T09:00:00Z";
    row[history_column::completed_at] = std::move(completed_at);
    return row;
}

SourceRun source(std::vector<Row> events, std::vector<Row> flights = {}) {
    return {
        .run_id = "run_1", .events = std::move(events), .flights = std::move(flights), .history = {}, .receipts = {}};
}

void append_payload(std::string& payload, const MappedRun& run) {
    payload += payloads_of(run, 1U << 20).at(0).text;
}

std::vector<MappedRun> mapped(const SourceRun& run, const Rules& rules = {}) {
    Findings findings;
    return map_runs(run, rules, std::nullopt, findings);
}

} // namespace

BOOST_AUTO_TEST_SUITE(mapping)

BOOST_AUTO_TEST_CASE(one_run_in_its_order_and_its_words) {
    const auto run =
        source({event("e1", "run.started", "cin_a"), event("e2", "run.failed", "cin_a", R"({"n": 1.50})")});
    const auto runs = mapped(run);
    BOOST_REQUIRE_EQUAL(runs.size(), 1);
    BOOST_TEST(runs[0].run_id == "run_1");
    BOOST_TEST(runs[0].connector_id == "gmail");
    BOOST_TEST(runs[0].connector_instance_id == "cin_a");
    BOOST_TEST(runs[0].here == "failed");
    BOOST_TEST(runs[0].today == "failed");
    std::string payload;
    append_payload(payload, runs[0]);
    const auto read = json::parse(payload);
    BOOST_TEST(read.at("admitted_at").as_string() == "2026-08-01T10:00:00.500000Z");
    BOOST_TEST(read.at("events").as_array().size() == 2);
    BOOST_TEST(read.at("events").at(0).at("actor_type").as_string() == "runtime");
    BOOST_TEST(payload.find(R"("data":{"n": 1.50})") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_event_leaves_out_what_goes_without_saying_and_is_in_the_order_of_jsonb) {
    const auto keys_of = [](const char* type, const char* column_value) {
        auto row = event("e1", type, "cin_a");
        row[event_column::actor_type] = "connector";
        row[event_column::trace_id] = "trc_1";
        row[event_column::object_type] = "run";
        row[event_column::object_id] = column_value;
        std::string payload;
        append_payload(payload, mapped(source({row})).at(0));
        std::string keys;
        const auto read = json::parse(payload);
        for (const auto& [key, value] : read.at("events").at(0).as_object()) {
            keys += (keys.empty() ? "" : " ") + std::string(key);
        }
        return keys;
    };
    BOOST_TEST(keys_of("run.note", "run_1") == "data event_id event_type occurred_at recorded_at");
    BOOST_TEST(keys_of("run.started", "run_1") == "data event_id actor_type event_type occurred_at recorded_at");
    BOOST_TEST(keys_of("run.note", "run_2") ==
               "data event_id object_id event_type object_type occurred_at recorded_at");
}

BOOST_AUTO_TEST_CASE(a_long_run_comes_in_parts) {
    std::vector<Row> events;
    for (int i = 0; i < 7; ++i) {
        const std::size_t length = i == 3 ? 5000 : 100;
        events.push_back(
            event(std::to_string(i), "run.note", "cin_a", "{\"text\": \"" + std::string(length, 'x') + "\"}"));
    }
    const auto run = source(std::move(events));
    const auto whole = mapped(run).at(0);
    const auto parts = payloads_of(whole, 1000);
    std::string order;
    for (const Payload& part : parts) {
        const auto read = json::parse(part.text);
        BOOST_TEST(read.at("connector_instance_id").as_string() == "cin_a");
        for (const auto& event : read.at("events").as_array()) {
            order += event.at("event_id").as_string();
        }
        order += part.event_id.value_or("") == "3" ? "!" : "|";
        BOOST_TEST((part.text.size() <= 1010) != (part.event_id == "3"));
    }
    BOOST_TEST(order == "01|2|3!45|6|");
    BOOST_TEST(payloads_of(whole, 100000).size() == 1);
    BOOST_TEST(payloads_of(mapped(source({}, {flight("cin_f", "2026-08-01T09:00:00Z")})).at(0), 1).size() == 1);
}

BOOST_AUTO_TEST_CASE(the_generation_is_a_number_or_is_not_told) {
    const auto told = [](const char* generation) {
        auto row = flight("cin_f", "2026-08-01T09:00:00Z");
        row[flight_column::run_generation] = generation;
        std::string payload;
        append_payload(payload, mapped(source({}, {row})).at(0));
        const auto read = json::parse(payload);
        const auto* const found = read.as_object().if_contains("run_generation");
        return found != nullptr ? found->as_int64() : -1;
    };
    BOOST_TEST(told("0") == 0);
    BOOST_TEST(told("9") == 9);
    BOOST_TEST(told("9007199254740992") == 9007199254740992);
    for (const auto* const other : {"9007199254740993", "99999999999999999999", "-1", "1.5", "1e3", "nine", " 1"}) {
        BOOST_TEST(told(other) == -1, other);
    }
}

BOOST_AUTO_TEST_CASE(a_shared_id_stays_with_whom_began_first_or_has_it) {
    const auto run = source({event("e1", "run.started", "cin_a", "{}", "2026-08-01T10:00:02Z"),
                             event("e2", "run.started", "cin_b", "{}", "2026-08-01T10:00:01Z"),
                             event("e3", "run.abandoned", std::nullopt, R"({"caused_by_event_id": "e1"})")});
    auto runs = mapped(run);
    BOOST_REQUIRE_EQUAL(runs.size(), 2);
    BOOST_TEST(runs[0].run_id == "run_1");
    BOOST_TEST(runs[0].connector_instance_id == "cin_b");
    BOOST_TEST(runs[0].here == "active");
    BOOST_TEST(runs[1].run_id == "run_1~cin_a");
    BOOST_TEST(runs[1].here == "abandoned");
    Findings findings;
    runs = map_runs(run, {}, Owner{.connection = "cin_a", .connector = "gmail", .trace_id = {}}, findings);
    BOOST_TEST(runs[0].run_id == "run_1");
    BOOST_TEST(runs[0].connector_instance_id == "cin_a");
    BOOST_TEST(findings.count(finding::shared_id) == 2);
    runs = map_runs(run, {}, Owner{.connection = "cin_of_ours", .connector = "mine", .trace_id = "trc"}, findings);
    BOOST_TEST(runs[0].run_id == "run_1~cin_b");
}

// Each event is `connection connector trace type`, `-` for what it does not say; each run `id=types`.
BOOST_AUTO_TEST_CASE(whose_an_event_is_that_names_no_connection) {
    const auto flown = [] {
        auto row = flight("cin_d", "2026-08-01T09:00:00Z");
        row[flight_column::connector_id] = "drive";
        return row;
    }();
    const auto told = [](const std::vector<std::array<std::string, 4>>& events, std::vector<Row> flights = {}) {
        std::vector<Row> rows;
        for (const auto& [connection, connector, trace, type] : events) {
            const auto n = std::to_string(rows.size() + 1);
            auto row = event("e" + n, "run." + type, connection == "-" ? std::nullopt : std::optional(connection), "{}",
                             "2026-08-01T10:00:0" + n + "Z");
            row[event_column::actor_id] = connector == "-" ? "owner_local" : connector;
            row[event_column::actor_type] = connector == "-" ? "owner" : "runtime";
            row[event_column::trace_id] = trace;
            rows.push_back(std::move(row));
        }
        const auto run = source(std::move(rows), std::move(flights));
        std::string text;
        for (const auto& one : mapped(run)) {
            text += (text.empty() ? "" : ", ") + one.run_id.substr(4) + "=";
            for (const auto& each : one.events) {
                text += each.event_type.substr(4, 1);
            }
            text += one.in_flight ? "+" : "";
        }
        return text;
    };
    // of other connectors and traces
    BOOST_TEST(told({{"-", "gmail", "g", "started"},
                     {"-", "drive", "d", "started"},
                     {"-", "drive", "d", "failed"},
                     {"-", "gmail", "g", "completed"}}) == "1=sc, 1~drive=sf");
    BOOST_TEST(told({{"cin_a", "gmail", "g", "started"},
                     {"-", "drive", "d", "started"},
                     {"-", "drive", "d", "failed"},
                     {"cin_a", "gmail", "g", "completed"}}) == "1=sc, 1~drive=sf");
    BOOST_TEST(told({{"-", "gmail", "g", "started"}}, {flown}) == "1=+, 1~gmail=s");
    BOOST_TEST(told({{"-", "gmail", "trc_f", "started"}}, {flown}) == "1=+, 1~gmail=s"); // begun by two, in one trace
    BOOST_TEST(told({{"-", "drive", "d", "started"}}, {flown}) == "1=+, 1~drive=s"); // the row's began in another trace
    BOOST_TEST(told({{"-", "drive", "trc_f", "started"}}, {flown}) == "1=s+");
    // of one connector: two that began
    BOOST_TEST(told({{"-", "gmail", "g", "started"},
                     {"-", "gmail", "h", "started"},
                     {"-", "gmail", "h", "failed"},
                     {"-", "gmail", "g", "completed"}}) == "1=sc, 1~gmail=sf");
    BOOST_TEST(told({{"-", "gmail", "g", "started"}, {"-", "gmail", "g", "started"}, {"-", "gmail", "h", "failed"}}) ==
               "1=ssf");
    BOOST_TEST(told({{"-", "drive", "d", "note"},
                     {"-", "drive", "d", "started"},
                     {"-", "drive", "d", "completed"},
                     {"-", "drive", "trc_f", "started"},
                     {"-", "drive", "x", "note"}},
                    {flown}) == "1=sn+, 1~drive=nsc");
    BOOST_TEST(told({{"-", "gmail", "g", "note"}, {"-", "gmail", "h", "started"}, {"-", "gmail", "g", "started"}}) ==
               "1=ns, 1~gmail=s");
    // who else is heard of a run is of it, in whatever trace
    BOOST_TEST(told({{"-", "-", "o", "note"}, {"-", "gmail", "g", "started"}, {"-", "-", "o", "note"}}) == "1=nsn");
    BOOST_TEST(told({{"-", "-", "d", "note"},
                     {"-", "gmail", "g", "started"},
                     {"-", "drive", "d", "started"},
                     {"-", "gmail", "x", "completed"}}) == "1=ns, 1~gmail=sc");
    BOOST_TEST(told({{"cin_a", "gmail", "g", "started"}, {"-", "gmail", "x", "completed"}}) == "1=sc");
}

BOOST_AUTO_TEST_CASE(a_row_of_another_trace_is_of_another_run) {
    const auto told = [](const char* trace, bool is_named, bool is_receipt) {
        auto run = source({event("e1", "run.started", std::nullopt), event("e2", "run.completed", std::nullopt)});
        auto row = history("failed", "2026-08-01T09:00:05Z");
        row[history_column::trace_id] = trace;
        if (!is_named) {
            row[history_column::connector_instance_id].reset();
        }
        if (is_receipt) {
            row = {row[history_column::run_id], row[history_column::connector_instance_id],
                   row[history_column::connector_id], row[history_column::trace_id], std::nullopt};
        }
        (is_receipt ? run.receipts : run.history) = {row};
        return mapped(run).size();
    };
    for (const bool is_named : {true, false}) {
        for (const bool is_receipt : {true, false}) {
            BOOST_TEST(told("trc_none", is_named, is_receipt) == 1);
            BOOST_TEST(told("", is_named, is_receipt) == 1);
            BOOST_TEST(told("trc_other", is_named, is_receipt) == 2);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_run_that_is_here_is_the_same_when_its_connection_is_told_no_more) {
    const auto ids = [](const SourceRun& run, const Owner& owner) {
        Findings findings;
        std::string text;
        for (const auto& one : map_runs(run, {}, owner, findings)) {
            text += (text.empty() ? "" : " ") + one.run_id;
        }
        return text;
    };
    const auto unnamed = source({event("e1", "run.started", std::nullopt)});
    BOOST_TEST(ids(unnamed, {.connection = "cin_a", .connector = "gmail", .trace_id = "trc_x"}) == "run_1");
    BOOST_TEST(ids(unnamed, {.connection = "cin_a", .connector = "drive", .trace_id = "trc_none"}) == "run_1");
    BOOST_TEST(ids(unnamed, {.connection = "cin_a", .connector = "drive", .trace_id = "trc_x"}) == "run_1~gmail");
    const auto two = source({event("e1", "run.started", "cin_b"), event("e2", "run.started", std::nullopt)});
    BOOST_TEST(ids(two, {.connection = "cin_a", .connector = "gmail", .trace_id = "trc_x"}) == "run_1 run_1~cin_b");
    const auto named = source({event("e1", "run.started", "cin_b"), event("e2", "run.started", "cin_a")});
    BOOST_TEST(ids(named, {.connection = "gmail", .connector = "gmail", .trace_id = "trc_cin_a"}) ==
               "run_1 run_1~cin_b");
}

BOOST_AUTO_TEST_CASE(a_run_that_is_here_beside_another_keeps_its_id) {
    const auto told = [](const SourceRun& run, const KnownRuns& beside) {
        Findings findings;
        std::string text;
        for (const auto& one : map_runs(run, {}, Owner{.connection = "drive", .connector = "drive", .trace_id = "d"},
                                        findings, {}, beside)) {
            text += (text.empty() ? "" : " ") + one.run_id + "=" + one.connector_instance_id;
        }
        return text;
    };
    const auto begun = [](std::string id, std::optional<std::string> connection, const char* connector,
                          const char* trace) {
        auto row = event(std::move(id), "run.started", std::move(connection));
        row[event_column::actor_id] = connector;
        row[event_column::trace_id] = trace;
        return row;
    };
    const Owner named{.connection = "cin_b", .connector = "gmail", .trace_id = "g"};
    const auto drive = begun("e1", std::nullopt, "drive", "d");
    const auto gmail = begun("e2", std::nullopt, "gmail", "g");
    // its connection is told no more: by its trace, else by its connector
    BOOST_TEST(told(source({drive, gmail}), {{"run_1~cin_b", named}}) == "run_1=drive run_1~cin_b=cin_b");
    BOOST_TEST(told(source({gmail}), {{"run_1~cin_b", named}}) == "run_1~cin_b=cin_b");
    BOOST_TEST(told(source({drive, begun("e2", std::nullopt, "gmail", "h")}), {{"run_1~cin_b", named}}) ==
               "run_1=drive run_1~cin_b=cin_b");
    // another one of that connector is another
    BOOST_TEST(told(source({drive, begun("e2", std::nullopt, "gmail", "h"), gmail}), {{"run_1~cin_b", named}}) ==
               "run_1=drive run_1~gmail=gmail run_1~cin_b=cin_b");
    BOOST_TEST(told(source({drive, begun("e2", "cin_c", "gmail", "c")}), {{"run_1~cin_b", named}}) ==
               "run_1=drive run_1~cin_c=cin_c");
    // and where it is told only now
    const Owner unnamed{.connection = "gmail", .connector = "gmail", .trace_id = "g"};
    BOOST_TEST(told(source({drive, begun("e2", "cin_b", "gmail", "g")}), {{"run_1~gmail", unnamed}}) ==
               "run_1=drive run_1~gmail=cin_b");
    // what is somebody's is not given again
    BOOST_TEST(told(source({drive, gmail, begun("e3", std::nullopt, "gmail", "h")}), {{"run_1~gmail", unnamed}}) ==
               "run_1=drive run_1~gmail=gmail run_1~gmail~2=gmail");
}

BOOST_AUTO_TEST_CASE(what_comes_to_a_run_that_goes_on_is_mapped_alone_where_it_changes_nothing) {
    const auto run = source({event("e1", "run.started", "cin_a")}, {flight("cin_a", "2026-08-01T09:00:00Z")});
    const auto whole = mapped(run).at(0);
    const auto more = [&](const std::string& type, std::optional<std::string> connection, const char* trace,
                          const char* connector = "gmail") {
        auto row = event("e2", type, std::move(connection));
        row[event_column::trace_id] = trace;
        row[event_column::actor_id] = connector;
        const auto added = source({row});
        const auto with = map_more(added, whole);
        return with ? std::to_string(with->events.size()) + (with->in_flight ? " in flight" : "") : "all";
    };
    BOOST_TEST(more("run.note", "cin_a", "trc_cin_a") == "1 in flight");
    BOOST_TEST(more("run.note", "cin_a", "other") == "1 in flight");
    BOOST_TEST(more("run.note", std::nullopt, "trc_cin_a") == "1 in flight");
    BOOST_TEST(more("run.note", std::nullopt, "trc_cin_a", "drive") == "all");
    BOOST_TEST(more("run.note", std::nullopt, "other") == "all");
    BOOST_TEST(more("run.note", "cin_b", "trc_cin_a") == "all");
    for (const char* const type : {"run.started", "run.completed", "run.browser_surface_failed"}) {
        BOOST_TEST(more(type, "cin_a", "trc_cin_a") == "all");
    }
}

BOOST_AUTO_TEST_CASE(where_the_connection_is_said) {
    const auto connection = [](const std::string& data) {
        const auto run = source({event("e1", "run.note", std::nullopt, data)});
        return mapped(run).at(0).connector_instance_id;
    };
    BOOST_TEST(connection(R"({"connector_instance_id": "cin_1", "connection_id": "cin_2"})") == "cin_1");
    BOOST_TEST(connection(R"({"connection_id": "cin_2"})") == "cin_2");
    BOOST_TEST(connection(R"({"browser_surface": {"browser_surface_profile_key": "p:gmail:cin_3"}})") == "cin_3");
    BOOST_TEST(connection(R"({"browser_surface": {"browser_surface_profile_key": "p:gmail"}})") == "gmail");
    BOOST_TEST(connection("{}") == "gmail");
    const auto flying = source({event("e1", "run.note", std::nullopt)}, {flight("cin_f", "2026-08-01T09:00:00Z")});
    const auto run = mapped(flying).at(0);
    BOOST_TEST(run.connector_instance_id == "cin_f");
    BOOST_TEST(run.in_flight);
    BOOST_TEST(*run.run_generation == 3);
    BOOST_TEST(run.admitted_at == 1785574800000000);
}

BOOST_AUTO_TEST_CASE(browsers_that_were_not_to_be_had) {
    const auto type = [](const std::string& type, const std::string& status) {
        const auto run = source(
            {event("e1", type, "cin_a", R"({"browser_surface": {"browser_surface_status": ")" + status + "\"}}")});
        return mapped(run).at(0).events.at(0).event_type;
    };
    BOOST_TEST(type("run.browser_surface_failed", "failed") == "run.failed");
    for (const char* const status : {"deferred", "expired", "cancelled"}) {
        BOOST_TEST(type("run.browser_surface_wait", status) == "run.failed");
        BOOST_TEST(type("run.browser_surface_released", status) == "run.browser_surface_released");
        BOOST_TEST(type("run.note", status) == "run.note");
    }
    for (const char* const status : {"waiting_for_browser_surface", "starting_surface", "leased"}) {
        BOOST_TEST(type("run.browser_surface_wait", status) == "run.browser_surface_wait");
    }
}

BOOST_AUTO_TEST_CASE(what_a_browser_said_of_its_own_is_kept) {
    const auto data = [](const std::string& own) {
        const auto run = source({event("e1", "run.browser_surface_failed", "cin_a",
                                       "{" + own + R"("browser_surface_wait_reason": "no_room"})")});
        return json::parse(mapped(run).at(0).events.at(0).data).as_object();
    };
    const auto both = data(R"("reason": "theirs", "failure_origin": {"pool": 1}, )");
    BOOST_TEST(both.at("reason").as_string() == "no_room");
    BOOST_TEST(both.at("imported_reason").as_string() == "theirs");
    BOOST_TEST(both.at("failure_origin").as_string() == "browser_surface");
    BOOST_TEST(both.at("imported_failure_origin").at("pool").as_int64() == 1);
    const auto same = data(R"("reason": "no_room", )");
    BOOST_TEST(!same.contains("imported_reason"));
    BOOST_TEST(!same.contains("imported_failure_origin"));
}

BOOST_AUTO_TEST_CASE(nobody_is_ended_who_may_go_on) {
    const auto run = source({event("e1", "run.started", "cin_a", R"({"controller_id": "c", "seq": 4})")});
    Rules rules{.adjudicate = true, .newest_boots = {{"c", 4}}, .now = 1785574800000000};
    BOOST_TEST(mapped(run, rules).at(0).here == "active");
    rules.newest_boots["c"] = 5;
    BOOST_TEST(mapped(run, rules).at(0).here == "abandoned");
    const auto again = source({event("e1", "run.started", "cin_a", R"({"controller_id": "c", "seq": 4})"),
                               event("e2", "run.started", "cin_a", R"({"controller_id": "c", "seq": 5})")});
    BOOST_TEST(mapped(again, rules).at(0).here == "active");
    auto flying = run;
    flying.flights.push_back(flight("cin_a", "2026-08-01T09:00:00Z"));
    BOOST_TEST(mapped(flying, rules).at(0).here == "active");
    rules.source_is_stopped = true;
    BOOST_TEST(mapped(flying, rules).at(0).here == "abandoned");
    rules.adjudicate = false;
    BOOST_TEST(mapped(run, rules).at(0).here == "active");
}

BOOST_AUTO_TEST_CASE(what_the_history_knows_counts_more_than_a_row_in_flight) {
    const std::optional<std::string> at = "2026-08-01T09:00:05Z";
    auto run = source({}, {flight("cin_f", "2026-08-01T09:00:00Z")});
    const auto here = [&](const Rules& rules, const std::string& status,
                          const std::optional<std::string>& completed_at) {
        run.history = {history(status, completed_at)};
        const auto told = mapped(run, rules).at(0);
        return told.here + (told.in_flight ? " in flight" : "") + (told.waits_for_history ? " waits" : "");
    };
    const Rules gone{.adjudicate = true, .source_is_stopped = true, .now = 1785574800000000};
    for (const auto& rules : {Rules{}, gone}) {
        BOOST_TEST(here(rules, "completed", at) == "completed");
        BOOST_TEST(here(rules, "timed_out", at) == "failed");
    }
    BOOST_TEST(here({}, "running", at) == "active in flight");
    for (const char* const word : {"In_Progress", "waiting", "PENDING"}) {
        BOOST_TEST(here({}, word, at) == "active in flight");
    }
    for (const char* const word : {"Completed", "COMPLETED", "succeeded_with_gaps", "completed_with_gaps"}) {
        BOOST_TEST(here({}, word, at) == "completed");
    }
    for (const char* const word : {"Cancelled", "canceled", "skipped"}) {
        BOOST_TEST(here({}, word, at) == "cancelled");
    }
    // an event that says the same may be on its way
    const auto now = 1785574805000000;
    for (const std::int64_t seconds : {-4, 0, 4}) {
        const Rules recent{.patience_with_history = 5000000, .now = now + seconds * 1000000};
        BOOST_TEST(here(recent, "completed", at) == "active in flight waits");
    }
    BOOST_TEST(here({.patience_with_history = 5000000, .now = now + 5000000}, "completed", at) == "completed");
    BOOST_TEST(here({.adjudicate = true, .source_is_stopped = true, .patience_with_history = 5000000, .now = now},
                    "completed", at) == "completed");
    BOOST_TEST(here(gone, "running", at) == "abandoned");
    BOOST_TEST(here({}, "failed", std::nullopt) == "active in flight"); // an attempt: another may follow
    BOOST_TEST(here(gone, "failed", std::nullopt) == "failed");
    run.events = {event("e1", "run.started", "cin_f", "{}", "2026-08-01T09:00:01Z")};
    BOOST_TEST(here({}, "completed", at) == "completed");
    BOOST_TEST(here({.trust_history = false}, "completed", at) == "active in flight waits");
    run.flights.clear();
    for (const char* const never : {"", "yesterday"}) {
        const auto completed_at = *never == '\0' ? std::nullopt : std::optional<std::string>(never);
        BOOST_TEST(here({}, "failed", completed_at) == "failed");
        BOOST_TEST(here({}, "succeeded", completed_at) == "completed");
        BOOST_TEST(here({}, "queued", completed_at) == "active");
        BOOST_TEST(here({}, "whatever", completed_at) == "active");
    }
    run.history = {history("failed", std::nullopt)};
    BOOST_TEST(mapped(run).at(0).events.back().occurred_at == 1785574801000000); // last heard of
    run.history = {history("completed", "2026-08-01T09:00:09Z"), history("failed", "2026-08-01T09:00:05Z")};
    BOOST_TEST(mapped(run).at(0).here == "failed");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_taken_as_it_is_is_mended_kept_and_named) {
    const std::string long_id(300, 'x');
    auto run =
        source({event("", "run.started", "cin_a", "{}", "2026-08-01T10:00:01Z"),
                event("e2", "run.note", "cin_a", "{}", "soon"), event(std::string("e\0", 2), "run.note", "cin_a"),
                event("e4", "", "cin_a", R"({"a": 1})"), event("evt_run_1_7", "run.note", "cin_a"),
                event("e6", "run.note", "cin_a"), event("e6", "run.note", "cin_a"), event(long_id, "run.note", "cin_a"),
                event("e9", "run.completed", "cin_a")});
    run.events[5][event_column::actor_id] = long_id;
    run.events[7][event_column::source_kind] = "import";
    run.events[8][event_column::occurred_at] = "2026-08-01 10 o'clock";
    auto again = run;
    Findings findings;
    mend(run, {.origin = DataOrigin::text}, findings);
    BOOST_TEST(findings.count(finding::not_taken) == 9);
    BOOST_TEST(findings.all().back().more.at("kept_as").as_string() == "run.completed");
    BOOST_TEST(findings.all().at(2).more.at("reason").as_string() == "NUL in a text");
    const auto mapped_run = map_runs(run, {}, std::nullopt, findings).at(0);
    BOOST_TEST(mapped_run.here == "completed");
    BOOST_REQUIRE_EQUAL(mapped_run.events.size(), 9);
    std::set<std::string> ids;
    for (const auto& each : mapped_run.events) {
        ids.insert(*each.event_id);
        BOOST_TEST(each.event_id->size() <= 256);
    }
    BOOST_TEST(ids.size() == 9);
    BOOST_TEST(mapped_run.events[1].occurred_at == 1785578401000000); // that of the event before
    BOOST_TEST(mapped_run.events[8].occurred_at == mapped_run.events[8].recorded_at);
    BOOST_TEST(mapped_run.events[3].event_type == untyped_event);
    BOOST_TEST(mapped_run.events[3].data == R"({"a": 1, "imported_columns": {"event_type": ""}})");
    BOOST_TEST(mapped_run.events[5].data.find(long_id) != std::string::npos);
    BOOST_TEST(mapped_run.events[5].row->at(event_column::actor_id)->size() == 256);
    BOOST_TEST(!mapped_run.events[7].row->at(event_column::source_kind));
    BOOST_TEST(mapped_run.events[2].data == R"({"imported_columns": {"event_id": "e\\x00"}})");
    again.events[0][event_column::event_seq].reset(); // what its server numbers later is known by the same id
    mend(again, {.origin = DataOrigin::text}, findings);
    BOOST_TEST(*again.events[0][event_column::event_id] == *run.events[0][event_column::event_id]);

    run.run_id = std::string("run\0", 4);
    Findings refused;
    mend(run, {}, refused);
    BOOST_TEST(map_runs(run, {}, std::nullopt, refused).empty());
    BOOST_TEST(refused.count(finding::not_taken) == 1);
}

BOOST_AUTO_TEST_CASE(names_that_are_too_long_are_cut_and_stay_different) {
    const std::string much(300, 'y');
    auto run = source({event("e1", "run.started", much + "a"), event("e2", "run.started", much + "b"),
                       event("e3", "run.completed", std::nullopt, R"({"connection_id": ")" + much + "a\"}")});
    Findings findings;
    mend(run, {}, findings);
    const auto runs = map_runs(run, {}, std::nullopt, findings);
    BOOST_REQUIRE_EQUAL(runs.size(), 2);
    BOOST_TEST(runs[0].events.size() == 2);
    BOOST_TEST(runs[0].connector_instance_id.size() == 256);
    BOOST_TEST(runs[0].connector_instance_id != runs[1].connector_instance_id);
    BOOST_TEST(runs[1].run_id.size() == 256);
    BOOST_TEST(fit_id(std::string(223, 'x') + "\u00e9" + std::string(100, 'x')).starts_with(std::string(222, 'x')));
    BOOST_TEST(fit_id(std::string(222, 'x') + "\u00e9" + std::string(100, 'x')).find('\xc3') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(gaps_that_are_no_json_stay_within_their_value) {
    auto run = source({});
    run.history = {history("failed", "2026-08-01T09:00:05Z")};
    const auto data = [&](const std::string& gaps) {
        run.history[0][history_column::known_gaps_json] = gaps;
        return json::parse(mapped(run).at(0).events.at(0).data).as_object();
    };
    BOOST_TEST(data("[1, 2]").at("known_gaps").as_array().size() == 2);
    BOOST_TEST(data("7").at("known_gaps").as_int64() == 7);
    BOOST_TEST(!data("1, \"reason\": \"else\"").contains("reason"));
    BOOST_TEST(data("1}, {\"a\": 2").at("known_gaps").as_string() == "1}, {\"a\": 2");
    BOOST_TEST(data("[\"\\u0000\"]").at("imported_known_gaps_json").as_string() == "[\"\\u0000\"]");
}

BOOST_AUTO_TEST_SUITE_END()
