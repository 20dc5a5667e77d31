#include "cli/doctor.hpp"

#include "cli/command_line.hpp"
#include "cli/doctor/gateway_probe.hpp"
#include "cli/doctor/judge.hpp"
#include "cli/doctor/upstream_probe.hpp"
#include "cli/owner_password.hpp"
#include "cli/setup/destination.hpp"
#include "cli/setup/server_user.hpp"
#include "pq/advice.hpp"
#include "pq/hosts.hpp"
#include "version.hpp"

#include <boost/asio/this_coro.hpp>

#include <fmt/format.h>
#include <libpq-fe.h>

#include <chrono>
#include <optional>
#include <sys/statvfs.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

constexpr auto connect_patience = std::chrono::seconds(10);
constexpr auto call_patience = std::chrono::seconds(10);

/// Says findings as they come, and remembers whether one is wrong.
class Report {
  public:
    explicit Report(bool json) : json_(json) {}

    void add(const Finding& finding) {
        print(json_ ? finding_json(finding) : finding_text(finding));
        is_wrong_ = is_wrong_ || finding.level == Level::wrong;
    }

    void add(const Findings& findings) {
        for (const auto& finding : findings) {
            add(finding);
        }
    }

    [[nodiscard]] bool is_wrong() const noexcept { return is_wrong_; }

  private:
    bool json_;
    bool is_wrong_ = false;
};

Finding wrong(std::string check, const Failure& failure) {
    return {Level::wrong, std::move(check), failure.message, failure.hint};
}

Finding program_finding() {
    const int version = PQlibVersion();
    return {Level::ok, "program",
            fmt::format("pdpp {}, libpq {}.{}", program_version, version / 10'000, version % 10'000), ""};
}

Finding password_finding() {
    try {
        if (!owner_password(UsualFiles::looked_for)) {
            if (const auto file = hidden_password_file()) {
                return {Level::wrong, "password",
                        fmt::format("the owner's is in {}, which this user may not read: pdpp serve would not start",
                                    *file),
                        "Run this as root, or as whoever runs the gateway; or have it go by a file of this user's: "
                        "PDPP_OWNER_PASSWORD_FILE"};
            }
            const auto missing = no_owner_password("pdpp init makes a file with one; pdpp serve needs it.");
            return {Level::warning, "password", missing.message, missing.hint};
        }
    } catch (const Failure& failure) {
        return wrong("password", failure);
    }
    const auto file = owner_password_file(UsualFiles::looked_for);
    return {Level::ok, "password",
            file ? fmt::format("the owner's is in {}, and nobody else can read it", *file)
                 : std::string("the owner's is in PDPP_OWNER_PASSWORD"),
            ""};
}

/// The room for WAL, where the server is on this machine and its data directory can be reached.
std::optional<Finding> room_finding(const ServerFacts& facts) {
    struct statvfs found {};
    if (!facts.is_local || facts.data_directory.empty() ||
        ::statvfs((facts.data_directory + "/pg_wal").c_str(), &found) != 0) {
        return std::nullopt;
    }
    return judge_room(std::uint64_t{found.f_bavail} * found.f_frsize, std::uint64_t{found.f_blocks} * found.f_frsize);
}

asio::awaitable<void> look_at_database(pq::Connection& connection, const Destination& destination, Report& report) {
    const auto facts = co_await look_at_server(connection);
    report.add(judge_server(facts));
    report.add(judge_configuration(facts));
    report.add(judge_extension(facts));
    const auto condition = co_await look_at_condition(connection);
    if (facts.extension_version) {
        const auto role = co_await look_at_role(connection, destination.role);
        report.add(judge_schema(condition));
        report.add(judge_worker(facts, condition));
        report.add(judge_role(facts, role));
    }
    const auto conninfo = pq::to_database(destination.conninfo, destination.database);
    const auto pooling = co_await pq::pooling_of(connection, pq::to_primary(conninfo), connect_patience, call_patience);
    report.add(judge_pooling(pooling));
    report.add(judge_keepalives(pq::resolved(conninfo), facts.is_local));
    report.add(judge_clock(condition));
    report.add(judge_durability(condition));
    report.add(judge_replication(facts, condition));
    const auto room = room_finding(facts);
    if (room) {
        report.add(*room);
    }
    report.add(judge_notifications(condition));
    report.add(judge_transactions(condition));
    report.add(judge_sight(facts, condition, room.has_value()));
}

/// Whatever goes wrong on the way is a finding: that the server is not reached, or lost again.
asio::awaitable<void> look_at_primary(const Destination& destination, Report& report) {
    try {
        pq::Connection connection(co_await asio::this_coro::executor);
        co_await connect(connection, destination, destination.database, "pdpp doctor");
        co_await look_at_database(connection, destination, report);
    } catch (const pq::Error& error) {
        report.add(wrong("server", failure_of(error, destination.conninfo)));
    }
}

asio::awaitable<void> look_at_host(std::string conninfo, Report& report) {
    try {
        pq::Connection connection(co_await asio::this_coro::executor);
        co_await connection.open(std::move(conninfo), connect_patience, "pdpp doctor", pq::Extension::not_needed);
        const auto facts = co_await look_at_server(connection);
        report.add(judge_other_host(facts));
    } catch (const pq::Error& error) {
        report.add({Level::warning, "host", failure_of(error, {}).message, "Bring it back, or take it out of --db."});
    }
}

/// Throws Failure if the file is wrong.
ServeOptions gateways_options(const DoctorOptions& options) {
    ServeCommandLine command_line;
    command_line.options.config = options.config;
    return with_config(command_line);
}

} // namespace

asio::awaitable<int> doctor(Session session, DoctorOptions options) {
    Report report(session.json);
    report.add(program_finding());
    const auto destination = destination_of(session.database, options.role);
    co_await look_at_primary(destination, report);
    if (pq::names_several_hosts(session.database)) {
        for (const auto& host : pq::each_host(pq::to_database(session.database, destination.database))) {
            co_await look_at_host(host, report);
        }
    }
    report.add(password_finding());
    if (!options.config.empty()) {
        std::optional<ServeOptions> gateway;
        try {
            gateway = gateways_options(options);
        } catch (const Failure& failure) {
            report.add(wrong("config", failure));
        }
        if (gateway) {
            const auto findings = co_await probe_gateway(gateway->listen, gateway->admin);
            report.add(findings);
            if (options.upstream.empty()) {
                options.upstream = gateway->upstream;
            }
        }
    }
    if (!options.upstream.empty()) {
        const auto finding = co_await probe_upstream(options.upstream);
        report.add(finding);
    }
    co_return report.is_wrong() ? exit_code::other_ending : exit_code::success;
}

} // namespace pdpp::cli
