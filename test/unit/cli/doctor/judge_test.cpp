// What `pdpp doctor` makes of what it saw: what test/cluster/doctor.t cannot provoke.

#include <boost/test/unit_test.hpp>

#include "cli/doctor/judge.hpp"

using namespace pdpp::cli;

namespace {

/// The level of the only finding, or of the worst.
Level worst(const Findings& findings) {
    auto level = Level::ok;
    for (const auto& finding : findings) {
        level = std::max(level, finding.level);
    }
    return level;
}

ServerFacts server_of_version(int number) {
    ServerFacts facts;
    facts.version_number = number;
    facts.encoding = "UTF8";
    return facts;
}

} // namespace

BOOST_AUTO_TEST_SUITE(doctor_judge)

BOOST_AUTO_TEST_CASE(versions_of_the_server) {
    BOOST_CHECK(worst(judge_server(server_of_version(120'022))) == Level::wrong);
    BOOST_CHECK(worst(judge_server(server_of_version(130'000))) == Level::ok);
    BOOST_CHECK(worst(judge_server(server_of_version(180'006))) == Level::ok);
    BOOST_CHECK(worst(judge_server(server_of_version(190'000))) == Level::warning);
}

BOOST_AUTO_TEST_CASE(a_role_that_may_not_log_in) {
    auto facts = server_of_version(150'000);
    facts.database = "app";
    RoleFacts role;
    role.name = role.identifier = "nol";
    role.exists = true;
    role.grants = {};
    const auto findings = judge_role(facts, role);
    BOOST_CHECK(worst(findings) == Level::wrong);
    BOOST_TEST(findings.back().hint.find("alter role nol login") != std::string::npos);
    role.may_log_in = true;
    BOOST_CHECK(worst(judge_role(facts, role)) != Level::wrong);
}

BOOST_AUTO_TEST_CASE(what_is_not_looked_at_is_said) {
    auto facts = server_of_version(150'000);
    facts.is_local = true;
    facts.preload = {"pdpp", "pdpp", false};
    facts.data_directory = "/data";
    Condition condition;
    condition.open_for_long = 0;
    BOOST_TEST(judge_sight(facts, condition, true).empty());
    BOOST_TEST(judge_sight(facts, condition, false).size() == 1);
    facts.is_local = false;
    BOOST_TEST(judge_sight(facts, condition, false).size() == 1);
}

BOOST_AUTO_TEST_CASE(libraries_that_are_older_or_gone) {
    auto facts = server_of_version(150'000);
    facts.database = "app";
    facts.extension_version = facts.available_version = facts.library_version = "0.3.0";
    BOOST_CHECK(worst(judge_extension(facts)) == Level::ok);
    facts.library_version = "0.2.0";
    facts.cluster = "15/main";
    const auto older = judge_extension(facts);
    BOOST_CHECK(worst(older) == Level::warning);
    BOOST_TEST(older.back().hint.starts_with("Restart the server: "));
    facts.available_version.reset();
    BOOST_CHECK(worst(judge_extension(facts)) == Level::wrong);
    facts.extension_version.reset();
    BOOST_TEST(judge_extension(facts).back().hint.find("postgresql-15-pdpp") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_worker_that_should_be_there_or_fails) {
    auto facts = server_of_version(150'000);
    facts.database = "app";
    facts.preload = {"pdpp", "pdpp", false};
    facts.databases = {"app", "app", false};
    Condition condition;
    condition.worker_processes = 8;
    BOOST_TEST(judge_worker(facts, condition).back().hint.find("max_worker_processes (8)") != std::string::npos);
    facts.has_worker = true;
    BOOST_CHECK(worst(judge_worker(facts, condition)) == Level::ok);
    condition.worker_does = "backing off after a pass that failed";
    BOOST_CHECK(worst(judge_worker(facts, condition)) == Level::wrong);
}

BOOST_AUTO_TEST_CASE(a_queue_that_fills) {
    Condition condition;
    condition.queue_usage = 0.49;
    BOOST_CHECK(worst(judge_notifications(condition)) == Level::ok);
    condition.queue_usage = 0.5;
    BOOST_CHECK(worst(judge_notifications(condition)) == Level::warning);
    condition.queue_usage = 0.995;
    const auto full = judge_notifications(condition);
    BOOST_CHECK(worst(full) == Level::wrong);
    BOOST_TEST(full[0].message.find("99 %") != std::string::npos);
    condition.queue_usage = 0;
    condition.dropped_hints = 1;
    BOOST_CHECK(worst(judge_notifications(condition)) == Level::warning);
}

BOOST_AUTO_TEST_CASE(clocks_differ_by_more_than_the_doubt) {
    Condition condition;
    condition.clock_ahead = std::chrono::seconds(-3);
    condition.clock_doubt = std::chrono::seconds(2);
    BOOST_CHECK(worst(judge_clock(condition)) == Level::warning);
    condition.clock_doubt = std::chrono::seconds(3);
    BOOST_CHECK(worst(judge_clock(condition)) == Level::ok);
}

BOOST_AUTO_TEST_CASE(a_line_of_it) {
    const Finding finding{Level::warning, "clock", "two\x1b[0m", "mend it"};
    BOOST_TEST(finding_text(finding) == "warning  clock          two\\x1b[0m\n                        mend it\n");
    BOOST_TEST(finding_json({Level::ok, "clock", "x", ""}) ==
               "{\"check\":\"clock\",\"level\":\"ok\",\"message\":\"x\"}\n");
}

BOOST_AUTO_TEST_SUITE_END()
