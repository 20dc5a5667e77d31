#include "cli/import.hpp"

#include "cli/superusers_call.hpp"
#include "moving_in/importer.hpp"
#include "pq/first_of.hpp"
#include "text/text.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

void tell_on_stderr(const std::string& line) {
    std::fputs((printable(line) + "\n").c_str(), stderr);
}

/// Says how far it has come, every two seconds.
class Progress {
  public:
    void operator()(const moving_in::Totals& totals) {
        const auto now = Clock::now();
        if (now < said_at_ + std::chrono::seconds(2)) {
            return;
        }
        said_at_ = now;
        const auto seconds = std::chrono::duration<double>(now - began_at_).count();
        const auto rate = static_cast<double>(totals.events) / seconds;
        const auto left =
            rate > 0 ? static_cast<double>(std::max<std::int64_t>(totals.expected - totals.events, 0)) / rate : 0.0;
        tell_on_stderr(
            fmt::format("{} of {} events, {:.0f} a second, {:.0f} s left", totals.events, totals.expected, rate, left));
    }

  private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point began_at_ = Clock::now();
    Clock::time_point said_at_ = Clock::now();
};

std::string report_text(const moving_in::Importer& importer, bool dry_run) {
    const auto& totals = importer.totals();
    std::string text;
    for (const auto& size : importer.sizes()) {
        text += fmt::format("{}  {} rows", printable(size.name), size.rows);
        text += size.bytes ? fmt::format(", {} bytes\n", *size.bytes) : "\n";
    }
    for (const auto& finding : importer.findings().all()) {
        text += moving_in::finding_text(finding) + "\n";
    }
    text +=
        fmt::format("{} runs, {} events, {} findings\n", totals.runs, totals.events, importer.findings().all().size());
    if (!dry_run) {
        text += fmt::format("{} runs imported, {} extended, {} unchanged; {} events written\n", totals.imported,
                            totals.extended, totals.unchanged, totals.written);
    }
    return text;
}

std::string report_json(const moving_in::Importer& importer, bool dry_run) {
    const auto& totals = importer.totals();
    json::array tables;
    for (const auto& size : importer.sizes()) {
        const auto bytes = size.bytes ? json::value(*size.bytes) : json::value(nullptr);
        tables.push_back(json::object{{"name", size.name}, {"rows", size.rows}, {"bytes", bytes}});
    }
    json::array findings;
    for (const auto& finding : importer.findings().all()) {
        findings.push_back(moving_in::finding_json(finding));
    }
    json::object report{{"object", "import"},
                        {"source", importer.source_name()},
                        {"dry_run", dry_run},
                        {"runs", totals.runs},
                        {"events", totals.events}};
    if (!dry_run) {
        report["imported"] = totals.imported;
        report["extended"] = totals.extended;
        report["unchanged"] = totals.unchanged;
        report["events_written"] = totals.written;
    }
    report["tables"] = std::move(tables);
    report["findings"] = std::move(findings);
    return json::serialize(report) + "\n";
}

int code_for(const moving_in::Importer& importer, bool dry_run) {
    const auto& findings = importer.findings();
    const bool is_wrong = dry_run ? !findings.all().empty() : findings.count(moving_in::finding::not_taken) > 0;
    return is_wrong ? exit_code::other_ending : exit_code::success;
}

asio::awaitable<void> until_told_to_stop() {
    asio::signal_set signals(co_await asio::this_coro::executor, SIGINT, SIGTERM);
    co_await signals.async_wait(asio::use_awaitable);
}

Failure failure_of_source(const moving_in::SourceError& error) {
    return {error.is_passing() ? exit_code::cannot_connect : exit_code::refused,
            "source_unavailable",
            error.what(),
            error.hint().empty() ? "It is read and never written: see that this program may reach and read it."
                                 : error.hint(),
            {}};
}

/// Throws Failure.
std::unique_ptr<moving_in::Database> source_of(const MoveInOptions& options) {
    try {
        if (auto database = moving_in::database_for(options.from)) {
            return database;
        }
    } catch (const std::invalid_argument& wrong) {
        throw Failure{exit_code::usage, "usage", fmt::format("--from: {}", wrong.what()), "", {}};
    }
    throw Failure{exit_code::usage, "usage", "--from must be postgres:CONNINFO or sqlite:PATH", "", {}};
}

asio::awaitable<int> work(Session session, MoveInOptions options) {
    moving_in::Importer importer(source_of(options),
                                 {.target = session.database,
                                  .dry_run = options.dry_run,
                                  .follow = options.follow,
                                  .adjudicate = options.adjudicate,
                                  .source_is_stopped = options.source_is_stopped},
                                 Progress{}, tell_on_stderr);
    co_await importer.import_all();
    print(session.json ? report_json(importer, options.dry_run) : report_text(importer, options.dry_run));
    if (options.follow) {
        tell_on_stderr("following; end it with SIGTERM");
        co_await pq::first_of(until_told_to_stop(), importer.follow());
    }
    co_return code_for(importer, options.dry_run);
}

} // namespace

asio::awaitable<int> import_runs(Session session, MoveInOptions options) {
    std::optional<Failure> failure;
    try {
        co_return co_await work(session, options);
    } catch (const moving_in::SourceError& error) {
        failure = failure_of_source(error);
    } catch (const moving_in::UnknownShape& error) {
        failure = Failure{exit_code::refused,
                          "unknown_shape",
                          fmt::format("the source is not laid out as we know it: {}", error.what()),
                          "Nothing was imported: this version knows other tables.",
                          {}};
    } catch (const pq::Error& error) {
        if (error.sqlstate() != pq::sqlstate::insufficient_privilege) {
            throw;
        }
        failure = Failure{exit_code::refused,
                          "permission_denied",
                          error.what(),
                          "Run it as a superuser of the server, or have one run in this database: select "
                          "pdpp_grant('ROLE', 'importer')",
                          {}};
    }
    throw *failure;
}

} // namespace pdpp::cli
