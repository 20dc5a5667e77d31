#include "http/admin/readiness.hpp"

#include "log/log.hpp"
#include "pq/grants.hpp"
#include "pq/hosts.hpp"
#include "pq/standbys.hpp"
#include "run/grant.hpp"
#include "run/notify_queue.hpp"
#include "version.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace pdpp::http {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto patience = std::chrono::seconds(2);
constexpr auto least_patience = std::chrono::milliseconds(100);

/// A pass of our own guard is due every second; one that takes longer is still at work.
constexpr auto guard_silence = std::chrono::seconds(20);

/// The server itself begins to warn here.
constexpr double filling_queue = 0.5;

/// Names of sessions are what every role may see of others.
const std::string question =
    "select (select extversion from pg_catalog.pg_extension where extname = 'pdpp'),"
    " exists (select from pg_catalog.pg_stat_activity where datname = current_database()"
    "         and application_name like 'pdpp worker for %'),"
    " exists (select from pg_catalog.pg_stat_activity where datname = current_database()"
    "         and application_name = 'pdpp guard'),"
    " pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only') = 'on',"
    " pg_catalog.pg_notification_queue_usage(), " +
    pq::count_of_lacking(run::owner_functions) +
    ", pg_catalog.current_setting('fsync'), pg_catalog.current_setting('synchronous_standby_names') <> ''," +
    std::string{pq::count_of_standbys} +
    // who sends no WAL to anybody waits for nobody
    ", case when pg_catalog.current_setting('max_wal_senders') <> '0'"
    "       then pg_catalog.current_setting('synchronous_standby_names') end, " +
    std::string{pq::names_of_standbys} +
    // a setting since PostgreSQL 17; in pages
    ", coalesce(pg_catalog.current_setting('max_notify_queue_pages', true), '1048576')";

using Version = std::array<int, 3>;

/// "1.2.3"; what is missing or no number counts as 0.
Version version_of(std::string_view text) {
    Version version{};
    for (auto& part : version) {
        const auto digits = text.substr(0, text.find('.'));
        std::from_chars(digits.data(), digits.data() + digits.size(), part);
        text.remove_prefix(std::min(text.size(), digits.size() + 1));
    }
    return version;
}

json::object failed(std::string_view message) {
    return {{"ok", false}, {"message", message}};
}

json::object writes_check(bool is_standby, bool is_read_only, const pq::AwaitedStandbys& awaited,
                          std::string_view connected_names) {
    if (is_standby) {
        return failed("there is a standby only: no run can be started, and only endings are told");
    }
    if (is_read_only) {
        return failed("the database takes no writes: default_transaction_read_only is on");
    }
    if (const auto there = pq::count_of(awaited, connected_names); there < awaited.number) {
        return failed(fmt::format("every commit waits for {} of the standbys in synchronous_standby_names, and {} "
                                  "connected: bring one back, or take its name out and reload",
                                  awaited.number, there == 1 ? "one is" : fmt::format("{} are", there)));
    }
    return {{"ok", true}};
}

json::object extension_check(std::string_view version, bool is_granted = true) {
    if (version.empty()) {
        return failed("extension pdpp is not installed in this database");
    }
    json::object check{{"ok", fits(version)}, {"version", version}};
    if (!fits(version)) {
        check["message"] = fmt::format("this program is for {}: alter extension pdpp update", program_version);
    }
    if (fits(version) && !is_granted) {
        check["ok"] = false;
        check["message"] = "the gateway's role lacks the grant `owner`: pdpp init, or pdpp_grant()";
    }
    return check;
}

/// What was acknowledged by a server that is less careful than the promise stands all the same while it is there, so
/// this takes no gateway out of service.
json::object durability_check(bool flushes, bool awaits_standby, bool has_standby) {
    json::object check{{"ok", true}};
    if (!flushes) {
        check["message"] = "fsync is off: a crash of the machine may lose every handle";
    } else if (has_standby && !awaits_standby) {
        check["message"] = "the standbys are asynchronous: a failover may lose handles that were given out. "
                           "synchronous_standby_names keeps that from happening";
    }
    return check;
}

/// `by_worker`, `by_others`: sessions that call the guard are there.
json::object reconciler_check(const pq::GuardHealth& guard, bool by_worker, bool by_others) {
    const bool by_us = guard.last_pass && asio::steady_timer::clock_type::now() - *guard.last_pass < guard_silence;
    if (by_worker) {
        return {{"ok", true}, {"by", "worker"}};
    }
    if (by_us) {
        return {{"ok", true}, {"by", "gateway"}};
    }
    if (by_others && guard.permitted) {
        return failed("the gateway's own passes fail");
    }
    if (by_others) {
        return {{"ok", true}, {"by", "controller"}};
    }
    return failed("nobody calls the launch guard: preload the worker, or grant the gateway's role `controller`");
}

} // namespace

bool fits(std::string_view extension_version) {
    const auto theirs = version_of(extension_version);
    const auto ours = version_of(program_version);
    return theirs[0] == ours[0] && theirs >= ours;
}

json::object notifications_check(double queue_usage, double queue_pages) {
    const bool has_room = run::hints_that_fit(queue_usage, queue_pages) > 0;
    json::object check{{"ok", has_room}, {"queue_usage", queue_usage}};
    if (!has_room) {
        check["message"] = "the server's queue of notifications is full, and ours are dropped: end the session that "
                           "listens and idles in a transaction, see pg_stat_activity";
    } else if (queue_usage >= filling_queue) {
        check["message"] = "the server's queue of notifications fills: a session listens and idles in a transaction";
    }
    return check;
}

Readiness::Readiness(const asio::any_io_executor& executor, const std::string& conninfo, const pq::GuardHealth& guard)
    : has_several_hosts_(pq::names_several_hosts(conninfo)),
      connection_(
          executor,
          {.conninfo = pq::to_primary(conninfo), .size = 1, .wait_limit = patience, .statement_timeout = patience}),
      guard_(guard) {}

asio::awaitable<Readiness::Report> Readiness::look() {
    Report report{.ready = false, .checks = {}};
    auto& checks = report.checks;
    try {
        const auto give_up_at = Clock::now() + patience;
        auto connection = co_await connection_.acquire();
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(give_up_at - Clock::now());
        const auto row = co_await connection->query(
            question, {}, std::max<std::chrono::milliseconds>(left, least_patience), pq::Effect::reads);
        const auto is_true = [&](int column) { return row.text(0, column) == "t"; };
        const auto number = [&](int column) {
            const auto text = row.text(0, column).value_or("0");
            double value = 0;
            std::from_chars(text.data(), text.data() + text.size(), value);
            return value;
        };
        checks["database"] = json::object{{"ok", true}};
        checks["writes"] = writes_check(is_true(3), is_true(4), pq::awaited_standbys(row.text(0, 10).value_or("")),
                                        row.text(0, 11).value_or(""));
        checks["extension"] = extension_check(row.text(0, 0).value_or(""), row.text(0, 6) == "0");
        checks["notifications"] = notifications_check(number(5), number(12));
        checks["reconciler"] = reconciler_check(guard_, is_true(1), is_true(2));
        checks["durability"] =
            durability_check(row.text(0, 7) == "on", is_true(8) || is_true(3), row.text(0, 9).value_or("0") != "0");
        if (is_true(3) || is_true(4)) {
            connection->close(); // the next one may be to another server, or after another ALTER DATABASE
        }
    } catch (const pq::Error& error) {
        // the text of the error is for the log: it may name hosts and roles
        log::write(log::Level::debug, "not ready: {:?}", error.what());
        if (error.kind() == pq::ErrorKind::refused && error.sqlstate().empty()) {
            checks["database"] = json::object{{"ok", true}};
            checks["extension"] = extension_check("");
        } else {
            checks["database"] =
                failed(has_several_hosts_                          ? "no server that takes writes answers"
                       : error.kind() == pq::ErrorKind::not_let_in ? "the database does not let the gateway in"
                                                                   : "the database does not answer");
        }
    }
    constexpr std::size_t all_checks = 6;
    report.ready = checks.size() == all_checks &&
                   std::ranges::all_of(checks, [](const auto& check) { return check.value().at("ok").as_bool(); });
    co_return report;
}

} // namespace pdpp::http
