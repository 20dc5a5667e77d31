#include "cli/setup/server_facts.hpp"

#include "text/shell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

/// Names of sessions are what every role may see of others; settings that a role may not see are not in pg_settings.
constexpr auto setup_question =
    "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'),"
    " pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only'),"
    " CURRENT_USER, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER),"
    " pg_catalog.current_setting('server_encoding'),"
    " (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pdpp'),"
    " (SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'pdpp'),"
    " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'shared_preload_libraries'),"
    " (SELECT source FROM pg_catalog.pg_settings WHERE name = 'shared_preload_libraries') = 'command line',"
    " coalesce(pg_catalog.current_setting('pdpp.databases', true), ''),"
    " coalesce(pg_catalog.current_setting('allow_alter_system', true), 'on'),"
    " EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE application_name = 'pdpp launcher'),"
    " EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"
    "         AND application_name LIKE 'pdpp worker for %'),"
    " EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"
    "         AND application_name = 'pdpp guard'),"
    " pg_catalog.current_setting('cluster_name'),"
    " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'),"
    " (SELECT datctype FROM pg_catalog.pg_database WHERE datname = 'template0'"
    "         AND pg_catalog.pg_encoding_to_char(encoding) <> 'UTF8'"
    "         AND NOT (datcollate IN ('C', 'POSIX') AND datctype IN ('C', 'POSIX')))";

bool is_true(std::optional<std::string_view> value) {
    return value == "t" || value == "on";
}

pq::Parameter copy_of(std::optional<std::string_view> value) {
    return value ? pq::Parameter(*value) : std::nullopt;
}

/// What a question answers; nothing where the role may not ask it.
asio::awaitable<std::optional<pq::Result>> answer_if_allowed(pq::Connection& connection, const char* question) {
    try {
        co_return co_await connection.query(question, {}, pq::default_timeout, pq::Effect::reads);
    } catch (const pq::Error& error) {
        if (error.kind() != pq::ErrorKind::refused) {
            throw;
        }
    }
    co_return std::nullopt;
}

void add_errors(const std::optional<pq::Result>& found, ServerFacts& facts) {
    for (int row = 0; found && row < found->rows(); ++row) {
        const auto text = [&](int column) { return std::string{found->text(row, column).value_or("")}; };
        facts.configuration_errors.push_back({text(0), text(1), text(2), text(3)});
    }
}

/// Of several lines the last counts; that of ALTER SYSTEM is read last.
asio::awaitable<void> read_files(pq::Connection& connection, ServerFacts& facts) {
    constexpr auto lines = "SELECT name, setting FROM pg_catalog.pg_file_settings"
                           " WHERE name IN ('shared_preload_libraries', 'pdpp.databases') ORDER BY seqno";
    // A value that only waits for the restart is an error there too; that it waits is known once the view was read.
    // Of a library's settings a start warns alone.
    constexpr auto errors =
        "SELECT f.sourcefile, f.sourceline, f.name, f.error FROM pg_catalog.pg_file_settings f"
        " LEFT JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(f.name)"
        " WHERE f.error IS NOT NULL AND NOT (coalesce(s.context, '') = 'postmaster' AND s.pending_restart)"
        " AND coalesce(f.name, '') NOT LIKE '%.%'"
        " ORDER BY f.seqno";
    constexpr auto access_errors =
        // from version 16 on it may be a file that this one includes
        "SELECT coalesce(pg_catalog.to_jsonb(r) ->> 'file_name', pg_catalog.current_setting('hba_file')), line_number, "
        "NULL, error"
        " FROM pg_catalog.pg_hba_file_rules r WHERE error IS NOT NULL";
    const auto found = co_await answer_if_allowed(connection, lines);
    if (!found) {
        co_return;
    }
    add_errors(co_await answer_if_allowed(connection, errors), facts);
    // behind a line that cannot be read, the server reads no more files: what they hold is not known
    const bool is_whole = std::ranges::none_of(facts.configuration_errors,
                                               [](const ConfigurationError& error) { return error.name.empty(); });
    add_errors(co_await answer_if_allowed(connection, access_errors), facts);
    if (!is_whole) {
        co_return;
    }
    facts.preload.in_files = "";
    facts.databases.in_files = "";
    for (int row = 0; row < found->rows(); ++row) {
        auto& setting = found->text(row, 0) == "pdpp.databases" ? facts.databases : facts.preload;
        setting.in_files = found->text(row, 1).value_or("");
    }
}

/// The library that this session has loaded, or would load: nothing where it may not be asked.
asio::awaitable<std::optional<std::string>> library_version(pq::Connection& connection) {
    constexpr auto asking = "SELECT pdpp.library_version() WHERE"
                            " pg_catalog.to_regprocedure('pdpp.library_version()') IS NOT NULL";
    const auto found = co_await answer_if_allowed(connection, asking);
    co_return !found || found->rows() == 0 ? std::nullopt : copy_of(found->text(0, 0));
}

} // namespace

std::string text_of(const ConfigurationError& error) {
    return fmt::format("{}{}: {}{}", error.file, error.line.empty() ? "" : ", line " + error.line,
                       error.name.empty() ? "" : error.name + ": ", error.message);
}

asio::awaitable<ServerFacts> look_at_server(pq::Connection& connection) {
    ServerFacts facts;
    const auto row = co_await connection.query(setup_question, {}, pq::default_timeout, pq::Effect::reads);
    facts.place = connection.place();
    facts.database = connection.database();
    facts.is_local = !connection.socket_directory().empty();
    facts.schema = connection.schema();
    facts.version_number = std::stoi(std::string{row.text(0, 0).value()});
    const auto version = row.text(0, 1).value();
    facts.version = version.substr(0, version.find(' ')); // `15.14 (Debian …)`
    facts.is_standby = is_true(row.text(0, 2));
    facts.is_read_only = is_true(row.text(0, 3));
    facts.role = row.text(0, 4).value();
    facts.is_superuser = is_true(row.text(0, 5));
    facts.encoding = row.text(0, 6).value();
    facts.extension_version = copy_of(row.text(0, 7));
    facts.available_version = copy_of(row.text(0, 8));
    facts.preload.running = copy_of(row.text(0, 9));
    facts.preload.is_on_command_line = is_true(row.text(0, 10));
    facts.databases.running = copy_of(row.text(0, 11));
    facts.may_alter_system = is_true(row.text(0, 12));
    facts.has_launcher = is_true(row.text(0, 13));
    facts.has_worker = is_true(row.text(0, 14));
    facts.has_guard = is_true(row.text(0, 15));
    facts.cluster = row.text(0, 16).value_or("");
    facts.data_directory = row.text(0, 17).value_or("");
    facts.foreign_locale = row.text(0, 18).value_or("");
    co_await read_files(connection, facts);
    if (facts.preload.is_on_command_line) {
        facts.preload.in_files = facts.preload.running;
    }
    if (facts.extension_version) {
        facts.library_version = co_await library_version(connection);
    }
    co_return facts;
}

asio::awaitable<RoleFacts> look_at_role(pq::Connection& connection, std::string role) {
    RoleFacts facts{.name = role, .identifier = connection.identifier(role), .grants = {}};
    std::vector<pq::Parameter> parameters{role};
    const auto found =
        co_await connection.query("SELECT rolsuper, rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = $1",
                                  std::move(parameters), pq::default_timeout, pq::Effect::reads);
    if (found.rows() == 0) {
        co_return facts;
    }
    facts.exists = true;
    facts.is_superuser = is_true(found.text(0, 0));
    facts.may_log_in = is_true(found.text(0, 1));
    facts.grants = co_await pq::grants_of(connection, role);
    co_return facts;
}

bool has_systemd() {
    return ::access("/run/systemd/system", F_OK) == 0;
}

std::string restart_command(const ServerFacts& facts, bool has_systemd) {
    const auto slash = facts.cluster.find('/');
    const bool is_debians =
        slash != std::string::npos && slash > 0 &&
        std::ranges::all_of(facts.cluster.substr(0, slash), [](char c) { return c >= '0' && c <= '9'; });
    if (is_debians) {
        const auto version = facts.cluster.substr(0, slash);
        const auto name = facts.cluster.substr(slash + 1);
        return has_systemd ? fmt::format("systemctl restart postgresql@{}-{}", version, name)
                           : fmt::format("pg_ctlcluster {} {} restart", version, name);
    }
    return facts.data_directory.empty() ? "" : fmt::format("pg_ctl restart -D {}", in_shell(facts.data_directory));
}

} // namespace pdpp::cli
