#include "cli/doctor/judge.hpp"

#include "cli/setup/name_list.hpp"
#include "cli/setup/plan.hpp"
#include "http/admin/readiness.hpp"
#include "pq/advice.hpp"
#include "version.hpp"

#include <boost/algorithm/string/join.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace pdpp::cli {

namespace {

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20U;

std::string restart_hint(const ServerFacts& facts) {
    const auto command = restart_command(facts, has_systemd() || !facts.is_local);
    return command.empty() ? "Restart the server." : "Restart the server: " + command;
}

bool is_served(const ServerFacts& facts) {
    const auto names = names_in(facts.databases.running.value_or(""));
    return std::ranges::find(names, facts.database) != names.end();
}

/// Why no worker serves the database, and what to do.
Finding missing_worker(const ServerFacts& facts, const Condition& condition) {
    // where another program calls the guard, the worker is missed only when that ends
    const auto level = facts.has_guard ? Level::warning : Level::wrong;
    const auto who = facts.has_guard ? "only other programs call the launch guard" : "nobody calls the launch guard";
    if (!facts.configuration_errors.empty() &&
        !facts.has_launcher) { // what its files say is not known, or not in force
        return {level, "worker", fmt::format("{}, and the server's configuration has errors", who),
                "Correct these first; then: " + pq::init_command(facts.database)};
    }
    const bool is_preloaded = facts.has_launcher || preloads_pdpp(facts.preload.running.value_or(""));
    if (!is_preloaded && preloads_pdpp(facts.preload.in_files.value_or(""))) {
        return {level, "worker", fmt::format("{}: shared_preload_libraries has pdpp from the next restart on", who),
                restart_hint(facts)};
    }
    if (!is_preloaded) {
        return {level, "worker", fmt::format("{}: pdpp is not in shared_preload_libraries", who),
                pq::init_command(facts.database) + ", as a superuser, and a restart; or in postgresql.conf: " +
                    boost::algorithm::join(lines_of_configuration(facts, facts.database), "; ")};
    }
    if (!is_served(facts)) {
        return {level, "worker", fmt::format("{}: pdpp.databases does not name the database {}", who, facts.database),
                pq::init_command(facts.database) + ", as a superuser; or in postgresql.conf, followed by a reload: " +
                    lines_of_configuration(facts, facts.database).back()};
    }
    return {level, "worker",
            fmt::format("{}: no worker runs in the database {}, though it should", who, facts.database),
            fmt::format("Look into the server's log; raise max_worker_processes ({}) where it says that none is free.",
                        condition.worker_processes)};
}

} // namespace

Findings judge_server(const ServerFacts& facts) {
    Findings findings;
    findings.push_back({Level::ok, "server",
                        fmt::format("PostgreSQL {}, {}, {}, as {}", facts.version,
                                    facts.is_standby ? "a standby" : "a primary", facts.place, facts.role),
                        ""});
    constexpr int oldest = 130'000;
    constexpr int newest = 190'000;
    if (facts.version_number < oldest || facts.version_number >= newest) {
        findings.push_back({facts.version_number < oldest ? Level::wrong : Level::warning, "version",
                            fmt::format("pdpp is made for PostgreSQL 13 to 18, and this is {}", facts.version),
                            "Use a server of one of these versions."});
    }
    if (facts.encoding != "UTF8") {
        findings.push_back({Level::wrong, "encoding",
                            fmt::format("the database {} is encoded in {}", facts.database, facts.encoding),
                            "pdpp needs UTF8: pdpp init --db NAME --create-db makes such a database."});
    }
    if (facts.is_standby) {
        findings.push_back({Level::warning, "writes", "this is a standby: it tells endings, and no run can be started",
                            "Name all hosts: host=a,b in --db finds the primary."});
    } else if (facts.is_read_only) {
        findings.push_back({Level::wrong, "writes", "no run can be started: default_transaction_read_only is on",
                            "Turn it off for the server, the database and the role, unless another server is the "
                            "primary."});
    } else {
        findings.push_back({Level::ok, "writes", "the server takes writes", ""});
    }
    return findings;
}

Findings judge_configuration(const ServerFacts& facts) {
    Findings findings;
    for (const auto& error : facts.configuration_errors) {
        findings.push_back({Level::wrong, "configuration", "the server would not start again: " + text_of(error),
                            "Correct that line, and reload."});
    }
    if (findings.empty() && facts.preload.in_files) {
        findings.push_back({Level::ok, "configuration", "the server's files hold no errors", ""});
    }
    return findings;
}

Findings judge_extension(const ServerFacts& facts) {
    const auto& installed = facts.extension_version;
    if (!installed) {
        const auto hint = facts.available_version
                              ? pq::init_command(facts.database) + ", or create extension pdpp, as a superuser"
                              : fmt::format("Install it on the server's machine first, by its package "
                                            "postgresql-{}-pdpp; then {}",
                                            facts.version_number / 10'000, pq::init_command(facts.database));
        return {{Level::wrong, "extension",
                 fmt::format("extension pdpp is not installed in the database {}", facts.database), hint}};
    }
    Findings findings;
    if (!http::fits(*installed)) {
        findings.push_back(
            {Level::wrong, "extension",
             fmt::format("the extension is of version {}, the program of {}", *installed, program_version),
             fmt::format("Bring the older one up to date; the extension, as a superuser: {}",
                         pq::init_command(facts.database))});
    } else {
        findings.push_back(
            {Level::ok, "extension",
             fmt::format("version {} in the database {}, the program {}", *installed, facts.database, program_version),
             ""});
    }
    if (!facts.available_version) {
        findings.push_back({Level::wrong, "library", "the server has no files of the extension any more",
                            fmt::format("Install them again, by the package postgresql-{}-pdpp: new sessions cannot "
                                        "load the library.",
                                        facts.version_number / 10'000)});
        return findings;
    }
    const auto& available = *facts.available_version;
    if (facts.library_version && *facts.library_version != available) {
        findings.push_back({Level::warning, "library",
                            fmt::format("the server runs the library of version {}, and {} is installed",
                                        *facts.library_version, available),
                            restart_hint(facts)});
    } else if (*installed != available) {
        findings.push_back(
            {Level::warning, "library",
             fmt::format("the extension in the database is of version {}, and {} is installed on the "
                         "server",
                         *installed, available),
             "alter extension pdpp update, as a superuser; " + pq::init_command(facts.database) + " does it too."});
    } else if (facts.library_version) {
        findings.push_back({Level::ok, "library", fmt::format("version {}", *facts.library_version), ""});
    }
    return findings;
}

Findings judge_schema(const Condition& condition) {
    const auto& schema = condition.open_schema;
    if (schema.empty()) {
        return {{Level::ok, "schema", "not everybody may create functions beside those of pdpp", ""}};
    }
    return {
        {Level::warning, "schema",
         fmt::format("everybody may create functions in the schema {}, beside those of pdpp: another of the same name "
                     "there is called in place of ours, or makes calls fail",
                     schema),
         fmt::format("As a superuser: revoke create on schema {} from public", schema)}};
}

Findings judge_worker(const ServerFacts& facts, const Condition& condition) {
    if (facts.is_standby) {
        return {}; // it sleeps until the promotion
    }
    if (!facts.has_worker) {
        return {missing_worker(facts, condition)};
    }
    if (condition.worker_does.starts_with("backing off")) {
        return {{Level::wrong, "worker", "the worker runs, and its passes fail: " + condition.worker_does,
                 "The server's log says why."}};
    }
    return {{Level::ok, "worker", fmt::format("a worker serves the database {}", facts.database), ""}};
}

Findings judge_role(const ServerFacts& facts, const RoleFacts& role) {
    const auto hint = "As a superuser: " + pq::init_command(facts.database, role.name);
    if (!role.exists && role.name == "root") { // nobody has said which it is
        return {{Level::wrong, "grants", "there is no role root",
                 "Name the gateway's role: pdpp doctor --role NAME. To have one made: " +
                     pq::init_command(facts.database, "NAME")}};
    }
    if (!role.exists) {
        return {{Level::wrong, "grants", fmt::format("there is no role {}", role.name), hint}};
    }
    if (!role.may_log_in) {
        return {
            {Level::wrong, "grants", fmt::format("{} may not log in", role.name),
             fmt::format("As a superuser: alter role {} login. If the gateway logs in as a member of it, name that: "
                         "pdpp doctor --role NAME",
                         role.identifier)}};
    }
    if (role.is_superuser) {
        return {{Level::ok, "grants", fmt::format("{} is a superuser, and may do more than a gateway needs", role.name),
                 ""}};
    }
    const auto& grants = role.grants;
    Findings findings;
    if (!grants.may_connect) {
        findings.push_back({Level::wrong, "grants",
                            fmt::format("{} may not connect to the database {}", role.name, facts.database), hint});
    }
    if (!grants.sees_schema) {
        findings.push_back({Level::wrong, "grants",
                            fmt::format("{} may not use the extension's schema {}", role.name, facts.schema), hint});
    }
    if (grants.owner_lacks > 0) {
        findings.push_back({Level::wrong, "grants",
                            fmt::format("{} lacks what `owner` grants ({} functions): a gateway's requests are refused",
                                        role.name, grants.owner_lacks),
                            hint});
    }
    if (grants.controller_lacks > 0) {
        findings.push_back({Level::warning, "grants",
                            fmt::format("{} lacks what `controller` grants ({} functions): it can launch nothing, nor "
                                        "call the launch guard",
                                        role.name, grants.controller_lacks),
                            hint + ", unless a gateway is all that it is for and a worker serves the database"});
    }
    if (findings.empty()) {
        findings.push_back(
            {Level::ok, "grants", fmt::format("{} has what `owner` and `controller` grant", role.name), ""});
    }
    return findings;
}

Findings judge_durability(const Condition& condition) {
    Findings findings;
    if (!condition.fsync) {
        findings.push_back({Level::wrong, "durability", "fsync is off: a crash of the machine may lose every handle",
                            "fsync = on in postgresql.conf, and a reload"});
    }
    if (!condition.full_page_writes) {
        findings.push_back({Level::wrong, "durability",
                            "full_page_writes is off: a crash of the machine may spoil the tables",
                            "full_page_writes = on in postgresql.conf, and a reload"});
    }
    if (findings.empty()) {
        findings.push_back({Level::ok, "durability", "fsync and full_page_writes are on", ""});
    }
    return findings;
}

Findings judge_replication(const ServerFacts& facts, const Condition& condition) {
    Findings findings;
    const bool wants_sync = !condition.wanted_standbys.empty();
    if (wants_sync && condition.synchronous == 0 && !facts.is_standby) {
        findings.push_back({Level::wrong, "replication",
                            fmt::format("synchronous_standby_names is {}, and no such standby is connected: every "
                                        "commit waits",
                                        condition.wanted_standbys),
                            "Bring the standby back, or take its name out and reload."});
    } else if (!wants_sync && condition.standbys > 0) {
        findings.push_back(
            {Level::warning, "replication",
             fmt::format("the {} connected are asynchronous: a failover may lose handles that were given "
                         "out",
                         condition.standbys == 1 ? "standby" : "standbys"),
             "If that must not be, set synchronous_standby_names."});
    } else if (condition.standbys > 0) {
        findings.push_back({Level::ok, "replication",
                            fmt::format("{} connected, synchronous_standby_names is {}", condition.standbys,
                                        condition.wanted_standbys),
                            ""});
    }
    for (const auto& slot : condition.idle_slots) {
        findings.push_back({Level::warning, "replication",
                            fmt::format("nobody uses the replication slot {}, for which {} MiB of WAL are kept",
                                        slot.name, slot.bytes / static_cast<std::int64_t>(mebibyte)),
                            fmt::format("Bring its standby back, or: select pg_drop_replication_slot('{}'); "
                                        "max_slot_wal_keep_size bounds what is kept.",
                                        slot.name)});
    }
    return findings;
}

Findings judge_notifications(const Condition& condition) {
    constexpr double full = 0.99;
    constexpr double filling = 0.5;
    Findings findings;
    if (condition.queue_usage >= filling) {
        findings.push_back({condition.queue_usage >= full ? Level::wrong : Level::warning, "notifications",
                            fmt::format("the server's queue of notifications is filled to {:.0f} %",
                                        std::floor(condition.queue_usage * 100)),
                            "End the session that listens and idles in a transaction: pg_stat_activity shows it."});
    }
    if (condition.dropped_hints > 0) {
        findings.push_back(
            {Level::warning, "notifications",
             fmt::format("{} notifications were dropped, and those who wait heard later", condition.dropped_hints),
             "If the figure rises (show pdpp.dropped_hints), end sessions that listen and idle in a "
             "transaction."});
    }
    if (!condition.notifies) {
        findings.push_back({Level::warning, "notifications", "pdpp.notify is off: waits and streams are slow to hear",
                            "pdpp.notify = on, for the server, the database and the role"});
    }
    if (findings.empty()) {
        findings.push_back({Level::ok, "notifications", "the queue has room", ""});
    }
    return findings;
}

Findings judge_transactions(const Condition& condition) {
    if (!condition.open_for_long) {
        return {};
    }
    if (*condition.open_for_long > 0) {
        return {
            {Level::warning, "transactions",
             fmt::format("{} that are idle or prepared have been open for a minute: locks, vacuum and the counts of "
                         "endings wait for them",
                         *condition.open_for_long),
             "Look for them in pg_stat_activity (idle in transaction) and pg_prepared_xacts, and end them; "
             "idle_in_transaction_session_timeout does it by itself."}};
    }
    return {{Level::ok, "transactions", "none has been idle for a minute", ""}};
}

Findings judge_clock(const Condition& condition) {
    const auto difference = std::abs(condition.clock_ahead.count()) - condition.clock_doubt.count();
    if (difference < 1) {
        return {{Level::ok, "clock", "the server's and this machine's agree to a second", ""}};
    }
    constexpr double an_hour = 3600;
    return {{difference < an_hour ? Level::warning : Level::wrong, "clock",
             fmt::format("the server's is {:.0f} seconds {} this machine's", std::abs(condition.clock_ahead.count()),
                         condition.clock_ahead.count() > 0 ? "ahead of" : "behind"),
             "Keep both by NTP: a token of pdpp token counts by the gateway's clock, ids sort by the clock of whoever "
             "makes them."}};
}

Findings judge_sight(const ServerFacts& facts, const Condition& condition, bool sees_room) {
    std::vector<std::string> unseen;
    if (!facts.preload.running) {
        unseen.emplace_back("shared_preload_libraries");
    }
    if (!facts.preload.in_files && facts.configuration_errors.empty()) {
        unseen.emplace_back("what the configuration files say");
    }
    if (!condition.open_for_long) {
        unseen.emplace_back("what other sessions do");
    }
    if (facts.data_directory.empty()) {
        unseen.emplace_back("the data directory");
    }
    Findings findings;
    if (!unseen.empty()) {
        findings.push_back({Level::warning, "sight",
                            fmt::format("{} may not see {}", facts.role, boost::algorithm::join(unseen, ", ")),
                            "Run this as a superuser of the server (as root, on its machine), or as a member of "
                            "pg_monitor, to have it looked at too."});
    }
    if (!facts.is_local) {
        findings.push_back({Level::warning, "sight",
                            "the room for WAL was not looked at: the server is reached over the network",
                            "Run this on the server's machine, over its socket, to have it looked at too."});
    } else if (!sees_room && !facts.data_directory.empty()) {
        findings.push_back(
            {Level::warning, "sight",
             fmt::format("the room for WAL was not looked at: this user cannot enter {}/pg_wal", facts.data_directory),
             "Run this as root, or as the unix user that the server runs as, to have it looked at too."});
    }
    return findings;
}

Finding judge_pooling(pq::Pooling pooling) {
    switch (pooling) {
    case pq::Pooling::none:
        return {Level::ok, "pooler", "there is none in between", ""};
    case pq::Pooling::session:
        return {Level::warning, "pooler", "there is one in between, in session mode",
                "It must reset a session (DISCARD ALL) as soon as its client is gone; better connect directly."};
    case pq::Pooling::shared:
        break;
    }
    return {Level::wrong, "pooler", "there is one in between, and it gives a session to several clients in turn",
            "Connect the gateway and controllers directly to the server, or through a pool in session mode."};
}

Finding judge_keepalives(const std::map<std::string, std::string>& said, bool is_local) {
    const auto value = [&](const char* keyword, int otherwise) {
        const auto found = said.find(keyword);
        int number = otherwise;
        if (found != said.end()) {
            std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
        }
        return number;
    };
    if (is_local) {
        return {Level::ok, "keepalives", "none are needed over a local socket", ""};
    }
    if (value("keepalives", 1) == 0) {
        return {Level::warning, "keepalives", "keepalives=0: a server that goes without a word is not missed",
                "Take it out of the connection string, or the service file."};
    }
    const int seconds = value("keepalives_idle", 15) + value("keepalives_interval", 5) * value("keepalives_count", 3);
    constexpr int long_time = 120;
    return {seconds > long_time ? Level::warning : Level::ok, "keepalives",
            fmt::format("a server that goes without a word is missed after {} seconds", seconds),
            seconds > long_time
                ? "Take keepalives_idle, keepalives_interval and keepalives_count out of the connection "
                  "string, or the service file: 30 seconds are the program's own."
                : ""};
}

Finding judge_room(std::uint64_t free, std::uint64_t all) {
    constexpr std::uint64_t too_little = 256 * mebibyte;
    constexpr std::uint64_t little = 1024 * mebibyte;
    constexpr std::uint64_t a_twentieth = 20;
    const auto level = free < too_little                           ? Level::wrong
                       : free < little || free < all / a_twentieth ? Level::warning
                                                                   : Level::ok;
    return {level, "disk", fmt::format("{} MiB are free for WAL", free / mebibyte),
            level == Level::ok ? ""
                               : "Make room: a server whose WAL finds none stops, and takes no run until it has it."};
}

Finding judge_other_host(const ServerFacts& facts) {
    const auto what = fmt::format("{}, {}", facts.place, facts.is_standby ? "a standby" : "a primary");
    if (!facts.configuration_errors.empty()) {
        return {Level::warning, "host",
                what + ", which would not start again: " + text_of(facts.configuration_errors.front()),
                "Correct that line, and reload."};
    }
    if (facts.preload.running && !preloads_pdpp(*facts.preload.running)) {
        return {Level::warning, "host", what + ", which does not preload pdpp: no worker when it is promoted",
                boost::algorithm::join(lines_of_configuration(facts, facts.database), "; ") +
                    " in its postgresql.conf, and a restart; settings are not replicated"};
    }
    return {Level::ok, "host", what, ""};
}

} // namespace pdpp::cli
