// Every row of the table of endings.

#include <boost/test/unit_test.hpp>

#include "controller/ending.hpp"

#include <boost/json/serialize.hpp>

#include <csignal>

using namespace pdpp::controller;
using namespace std::chrono_literals;

namespace {

std::string ending(const Observed& observed) {
    const auto result = ending_of(observed);
    return result.outcome + " " + boost::json::serialize(result.data);
}

Observed exited(int code) {
    Observed observed;
    observed.exit.code = code;
    return observed;
}

Observed killed(int signal) {
    Observed observed;
    observed.exit.signal = signal;
    return observed;
}

Observed with(Observed observed, Done done) {
    observed.done = std::move(done);
    return observed;
}

Observed stopped(Observed observed, StopReason reason) {
    observed.stopped = reason;
    observed.time_limit = 1500ms;
    return observed;
}

const Done succeeded{DoneStatus::succeeded, 12, {}};
const Done failed{DoneStatus::failed, 3, "the password was refused"};
const Done cancelled{DoneStatus::cancelled, {}, {}};

} // namespace

BOOST_AUTO_TEST_SUITE(endings)

BOOST_AUTO_TEST_CASE(exit_codes) {
    BOOST_TEST(ending(exited(0)) == "completed {}");
    BOOST_TEST(ending(exited(3)) ==
               R"(failed {"reason":"connector_exit_nonzero","failure_message":"the connector exited with code 3",)"
               R"("failure_origin":"connector","exit_code":3})");
}

BOOST_AUTO_TEST_CASE(signals) {
    BOOST_TEST(ending(killed(SIGKILL)) ==
               R"(failed {"reason":"connector_killed_by_signal",)"
               R"("failure_message":"the connector was killed by SIGKILL","failure_origin":"connector",)"
               R"("signal":"SIGKILL","signal_number":9})");
    BOOST_TEST(signal_name(SIGSEGV) == "SIGSEGV");
    BOOST_TEST(signal_name(42) == "signal 42");
}

BOOST_AUTO_TEST_CASE(done_decides_over_the_exit_code) {
    BOOST_TEST(ending(with(exited(0), succeeded)) == R"(completed {"records_emitted":12})");
    BOOST_TEST(ending(with(exited(7), succeeded)) == R"(completed {"exit_code":7,"records_emitted":12})");
    BOOST_TEST(ending(with(killed(SIGSEGV), succeeded)) ==
               R"(completed {"signal":"SIGSEGV","signal_number":11,"records_emitted":12})");
    BOOST_TEST(ending(with(exited(0), failed)) ==
               R"(failed {"reason":"connector_reported_failed","failure_message":)"
               R"("the connector reported that it failed: the password was refused","failure_origin":"connector",)"
               R"("connector_error_message":"the password was refused","records_emitted":3})");
    BOOST_TEST(ending(with(exited(0), Done{DoneStatus::failed, {}, ""})) ==
               R"(failed {"reason":"connector_reported_failed","failure_message":)"
               R"("the connector reported that it failed","failure_origin":"connector"})");
    BOOST_TEST(ending(with(exited(1), cancelled)) ==
               R"(cancelled {"reason":"connector_reported_cancelled","exit_code":1})");
}

BOOST_AUTO_TEST_CASE(a_report_that_cannot_be_read_is_no_success) {
    auto observed = exited(0);
    observed.unreadable = "it has no status";
    BOOST_TEST(ending(observed) ==
               R"(failed {"reason":"connector_report_unreadable","failure_message":)"
               R"("the connector reported how it ended (DONE), and the report cannot be read: it has no status",)"
               R"("failure_origin":"connector"})");
    BOOST_TEST(ending_of(with(observed, succeeded)).outcome == "failed");
    BOOST_TEST(ending_of(with(observed, cancelled)).outcome == "failed");
    const auto both = ending_of(with(observed, failed)).data;
    BOOST_TEST(both.at("reason").as_string() == "connector_report_unreadable");
    BOOST_TEST(both.at("connector_error_message").as_string() == "the password was refused");
    BOOST_TEST(ending(stopped(observed, StopReason::drained)) ==
               R"(cancelled {"reason":"controller_drained","forced":false})");
}

BOOST_AUTO_TEST_CASE(progress_that_cannot_be_read_is_counted) {
    auto observed = exited(0);
    observed.unreadable_progress = 3;
    BOOST_TEST(ending(observed) == R"(completed {"unreadable_progress":3})");
}

BOOST_AUTO_TEST_CASE(being_stopped_decides_over_everything) {
    BOOST_TEST(ending(stopped(killed(SIGTERM), StopReason::timed_out)) ==
               R"(failed {"reason":"run_timed_out","failure_message":)"
               R"("the connector was still running after its time limit of 1.5 seconds",)"
               R"("failure_origin":"controller","signal":"SIGTERM","signal_number":15,"forced":false})");
    BOOST_TEST(ending(stopped(exited(0), StopReason::owner_cancelled)) ==
               R"(cancelled {"reason":"owner_cancelled","forced":false})");
    BOOST_TEST(ending(stopped(with(exited(1), failed), StopReason::owner_cancelled)) ==
               R"(cancelled {"reason":"owner_cancelled","exit_code":1,"forced":false,"records_emitted":3})");
    auto observed = stopped(killed(SIGKILL), StopReason::owner_cancelled);
    observed.killed = true;
    BOOST_TEST(ending(observed) ==
               R"(cancelled {"reason":"owner_cancel_forced","signal":"SIGKILL","signal_number":9,"forced":true})");
}

BOOST_AUTO_TEST_CASE(versions_hold_ever_less) {
    const auto versions = [](const boost::json::object& data) {
        std::string all;
        for (const auto& version : versions_of(data)) {
            all += boost::json::serialize(version) + "\n";
        }
        return all;
    };
    const std::string text(101, 'x');
    const std::string cut = std::string(100, 'x') + "…";
    BOOST_TEST(versions({{"reason", "r"}, {"failure_message", text}, {"exit_code", 3}}) ==
               R"({"reason":"r","failure_message":")" + text + R"(","exit_code":3})" + "\n" +
                   R"({"reason":"r","failure_message":")" + cut + R"(","exit_code":3})" + "\n" + R"({"reason":"r"})" +
                   "\n{}\n");
    BOOST_TEST(versions({{"records_emitted", 3}}) == "{\"records_emitted\":3}\n{}\n");
    BOOST_TEST(versions({}) == "{}\n");
}

BOOST_AUTO_TEST_CASE(a_controllers_own_failure_names_it) {
    const auto result = controller_error("no memory");
    BOOST_TEST(result.outcome == "failed");
    BOOST_TEST(boost::json::serialize(result.data) ==
               R"({"reason":"controller_error","failure_message":)"
               R"("the controller could not follow the run: no memory","failure_origin":"controller"})");
}

BOOST_AUTO_TEST_CASE(stopped_by_others_than_time) {
    BOOST_TEST(ending(stopped(exited(0), StopReason::drained)) ==
               R"(cancelled {"reason":"controller_drained","forced":false})");
    BOOST_TEST(ending(stopped(exited(0), StopReason::run_ended)) ==
               R"(cancelled {"reason":"run_already_ended","forced":false})");
}

BOOST_AUTO_TEST_SUITE_END()
