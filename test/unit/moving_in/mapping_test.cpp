// What is recorded of the rows that name a run id: whose, in which order, in which words.

#include <boost/test/unit_test.hpp>

#include "moving_in/mapping.hpp"

#include <boost/json/parse.hpp>

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

SourceRun source(std::vector<Row> events, std::vector<Row> flights = {}) {
    return {
        .run_id = "run_1", .events = std::move(events), .flights = std::move(flights), .history = {}, .receipts = {}};
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
    runs = map_runs(run, {}, "cin_a", findings);
    BOOST_TEST(runs[0].run_id == "run_1");
    BOOST_TEST(runs[0].connector_instance_id == "cin_a");
    BOOST_TEST(findings.count(finding::shared_id) == 2);
    runs = map_runs(run, {}, "cin_of_ours", findings);
    BOOST_TEST(runs[0].run_id == "run_1~cin_b");
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

BOOST_AUTO_TEST_CASE(what_cannot_be_taken_is_named) {
    auto run = source({event("", "run.note", "cin_a"), event("e2", "run.note", "cin_a", "{}", "soon"),
                       event("e3", "run.completed", "cin_a")});
    Findings findings;
    BOOST_TEST(map_runs(run, {}, std::nullopt, findings).at(0).events.size() == 1);
    BOOST_TEST(findings.count(finding::not_taken) == 2);
    run.run_id = std::string("run\0", 4);
    BOOST_TEST(map_runs(run, {}, std::nullopt, findings).empty());
    BOOST_TEST(findings.count(finding::not_taken) == 3);
}

BOOST_AUTO_TEST_SUITE_END()
