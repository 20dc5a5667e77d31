#include "cli/doctor/condition.hpp"

#include "pq/standbys.hpp"

#include <charconv>
#include <string>
#include <string_view>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

const std::string question =
    "SELECT pg_catalog.current_setting('fsync'), pg_catalog.current_setting('full_page_writes'),"
    " coalesce(pg_catalog.current_setting('pdpp.notify', true), 'on'), pg_catalog.pg_notification_queue_usage(),"
    " coalesce(pg_catalog.current_setting('pdpp.dropped_hints', true), '0'),"
    " pg_catalog.current_setting('synchronous_standby_names'), " +
    std::string{pq::count_of_standbys} +
    ","
    " (SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) FROM pg_catalog.pg_stat_replication),"
    // a member of pg_monitor is one of pg_read_all_stats
    " pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),"
    " (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    "         AND state_change < now() - interval '1 min')"
    " + (SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE prepared < now() - interval '1 min'),"
    " (SELECT query FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"
    "         AND application_name LIKE 'pdpp worker for %' LIMIT 1),"
    " pg_catalog.current_setting('max_worker_processes'),"
    " (SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON "
    "n.oid = e.extnamespace"
    "         WHERE e.extname = 'pdpp' AND EXISTS (SELECT FROM pg_catalog.aclexplode("
    "         coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS granted"
    "         WHERE granted.grantee = 0 AND granted.privilege_type = 'CREATE'))";

constexpr auto idle_slots =
    "SELECT slot_name, coalesce(pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()"
    " THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn), 0)::bigint"
    " FROM pg_catalog.pg_replication_slots WHERE NOT active ORDER BY slot_name";

template <typename Number>
Number number_at(const pq::Result& result, int row, int column) {
    const auto text = result.text(row, column).value_or("0");
    Number number{};
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// Between the two instants at which we ask and hear, so it may be off by half of what lies between.
asio::awaitable<void> compare_clocks(pq::Connection& connection, Condition& condition) {
    using Clock = std::chrono::system_clock;
    const auto asked = Clock::now();
    const auto answer = co_await connection.query("SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8", {},
                                                  pq::default_timeout, pq::Effect::reads);
    const auto heard = Clock::now();
    const std::chrono::duration<double> theirs{number_at<double>(answer, 0, 0)};
    condition.clock_doubt = (heard - asked) / 2.0;
    condition.clock_ahead = theirs - (std::chrono::duration<double>(asked.time_since_epoch()) + condition.clock_doubt);
}

} // namespace

asio::awaitable<Condition> look_at_condition(pq::Connection& connection) {
    Condition condition;
    const auto row = co_await connection.query(question, {}, pq::default_timeout, pq::Effect::reads);
    condition.fsync = row.text(0, 0) == "on";
    condition.full_page_writes = row.text(0, 1) == "on";
    condition.notifies = row.text(0, 2) == "on";
    condition.queue_usage = number_at<double>(row, 0, 3);
    condition.dropped_hints = number_at<std::int64_t>(row, 0, 4);
    condition.wanted_standbys = row.text(0, 5).value_or("");
    condition.standbys = number_at<int>(row, 0, 6);
    const bool sees_others = row.text(0, 8) == "t";
    if (sees_others) {
        condition.synchronous = number_at<int>(row, 0, 7);
        condition.open_for_long = number_at<int>(row, 0, 9);
        condition.worker_does = row.text(0, 10).value_or("");
    }
    condition.worker_processes = number_at<int>(row, 0, 11);
    condition.open_schema = row.text(0, 12).value_or("");
    const auto slots = co_await connection.query(idle_slots, {}, pq::default_timeout, pq::Effect::reads);
    for (int i = 0; i < slots.rows(); ++i) {
        condition.idle_slots.push_back(
            {std::string{slots.text(i, 0).value_or("")}, number_at<std::int64_t>(slots, i, 1)});
    }
    co_await compare_clocks(connection, condition);
    co_return condition;
}

} // namespace pdpp::cli
