#include "moving_in/importer.hpp"

#include "moving_in/mending.hpp"
#include "pq/array_literal.hpp"
#include "pq/backoff.hpp"
#include "pq/body.hpp"
#include "pq/jsonb_text.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "text/text.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/value_to.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace pdpp::moving_in {

namespace asio = boost::asio;

namespace {

/// What goes in one transaction, more or less: a run is never split.
constexpr std::size_t events_in_batch = 4000;
constexpr std::size_t runs_in_batch = 400;
constexpr std::size_t bytes_in_batch = std::size_t{4} << 20;

constexpr auto longest_call = std::chrono::minutes(30);
constexpr auto between_looks = std::chrono::milliseconds(200);
constexpr auto between_looks_at_boots = std::chrono::seconds(10);
constexpr std::size_t runs_read_at_once = 500;

/// An ending is written down in two places, one after the other: the second is waited for.
constexpr auto patience_with_events = std::chrono::seconds(5);

/// Runs both to their ends, at the same time; throws what the first of them has thrown.
asio::awaitable<void> both(asio::awaitable<void> one, asio::awaitable<void> other) {
    const auto executor = co_await asio::this_coro::executor;
    auto [order, error, other_error] =
        co_await asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(one), asio::deferred),
                                                         asio::co_spawn(executor, std::move(other), asio::deferred))
            .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
    if (error || other_error) {
        std::rethrow_exception(error ? error : other_error);
    }
}

std::vector<std::string> ids_of(const std::vector<SourceRun>& runs) {
    std::vector<std::string> run_ids;
    run_ids.reserve(runs.size());
    for (const SourceRun& run : runs) {
        run_ids.push_back(run.run_id);
    }
    return run_ids;
}

std::int64_t unix_micros_now() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

} // namespace

Importer::Importer(std::unique_ptr<Database> database, ImportOptions options,
                   std::function<void(const Totals&)> progress, std::function<void(const std::string&)> said)
    : source_(std::move(database)), options_(std::move(options)), progress_(std::move(progress)),
      said_(std::move(said)) {}

Rules Importer::rules() const {
    return {.origin = source_.data_origin(),
            .source = std::string(source_.dialect().name),
            .adjudicate = options_.adjudicate,
            .source_is_stopped = options_.source_is_stopped,
            .trust_history = true,
            .newest_boots = boots_,
            .now = unix_micros_now()};
}

asio::awaitable<void> Importer::open_target() {
    const auto executor = co_await asio::this_coro::executor;
    for (auto* const connection : {&target_, &asked_}) {
        if (!options_.dry_run && !(*connection && (*connection)->usable())) {
            connection->emplace(executor);
            co_await (*connection)
                ->open_primary(options_.target, pq::Effect::writes, pq::default_timeout, "pdpp import");
        }
    }
}

asio::awaitable<Importer::KnownRuns> Importer::known_among(std::vector<std::string> ids) {
    KnownRuns known;
    std::vector<pq::Parameter> run_ids;
    for (std::string& run_id : ids) {
        if (run::may_be_known(run_id) && is_storable(run_id)) {
            run_ids.emplace_back(std::move(run_id));
        }
    }
    if (!asked_ || run_ids.empty()) {
        co_return known;
    }
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_ids", "text[]", pq::array_literal(run_ids)});
    const auto statuses =
        co_await asked_->rows("pdpp_run_statuses", std::move(arguments), longest_call, pq::Effect::reads);
    constexpr int run_id = 1;
    constexpr int body = 3;
    for (int row = 0; row < statuses.rows(); ++row) {
        const auto status = statuses.text(row, body).value_or("{}");
        if (auto connection = string_at(status, "connector_instance_id")) {
            known.emplace(statuses.text(row, run_id).value(),
                          Owner{.connection = *std::move(connection),
                                .connector = string_at(status, "connector_id").value_or(std::string()),
                                .trace_id = string_at(status, "trace_id").value_or(std::string())});
        }
    }
    co_return known;
}

asio::awaitable<Importer::Admission> Importer::admission_of(std::string run_id) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_id", "text", std::move(run_id)});
    arguments.push_back({"page_size", "int", "1"});
    const auto timeline =
        co_await asked_->body("pdpp_run_timeline", std::move(arguments), pq::default_timeout, pq::Effect::reads);
    const auto events = pq::elements_of(pq::member_of(timeline, "data").value_or("[]"));
    if (events.empty()) {
        co_return Admission{};
    }
    co_return Admission{.is_imported = string_at(events.front(), "source_kind") == run::imported,
                        .shared_run_id = string_at(events.front(), "data", "shared_run_id")};
}

/// The run that has the id here, if that is not to be taken for granted: of those that share an id in the source, one
/// may be gone from there, and ours or one that was given its id here may have it.
asio::awaitable<std::optional<Owner>> Importer::owner_of(const SourceRun& run, const KnownRuns& known,
                                                         const Rules& rules) {
    const auto found = known.find(run.run_id);
    if (found == known.end()) {
        co_return std::nullopt;
    }
    const Owner& owner = found->second;
    const auto connections = connections_of(run, rules);
    const bool is_the_one = connections.size() == 1 && connections.front() == owner.connection;
    if (is_the_one && run.run_id.find('~') == std::string::npos) {
        co_return std::nullopt;
    }
    const auto admission = co_await admission_of(run.run_id);
    if (!admission.is_imported) {
        if (std::ranges::find(connections, owner.connection) == connections.end()) {
            findings_.add({.kind = finding::ours, .run_id = run.run_id, .more = {}});
        }
        co_return Owner{.connection = owner.connection, .connector = {}, .trace_id = {}};
    }
    if (admission.shared_run_id && *admission.shared_run_id != run.run_id) {
        co_return Owner{}; // none of these
    }
    // one of which the connection was not known goes by its connector, until somebody names it
    const bool is_sure = admission.shared_run_id || owner.connection != owner.connector;
    co_return is_the_one || (connections.size() == 1 && !is_sure) ? std::nullopt : std::optional(owner);
}

/// The ids among those that were made for runs beside another which are somebody else's, here or in the source.
asio::awaitable<TakenIds> Importer::taken_among(const SourceRun& source, const std::vector<MappedRun>& runs) {
    TakenIds taken;
    for (const MappedRun& run : runs) {
        if (run.run_id == source.run_id) {
            continue;
        }
        std::vector<std::string> one{run.run_id};
        const auto known = co_await known_among(std::move(one));
        if (const auto here = known.find(run.run_id); here != known.end()) {
            const bool is_alone =
                std::ranges::count(runs, run.connector_instance_id, &MappedRun::connector_instance_id) == 1;
            const auto admission = co_await admission_of(run.run_id);
            const bool is_its_own = admission.is_imported && admission.shared_run_id == source.run_id &&
                                    here->second.connection == run.connector_instance_id &&
                                    (is_alone || here->second.trace_id == run.trace_id);
            if (!is_its_own) {
                taken.emplace(run.run_id, run.trace_id);
            }
            continue;
        }
        std::set<std::string> there{run.run_id};
        if (!(co_await source_.runs(there)).empty()) {
            taken.emplace(run.run_id, run.trace_id);
        }
    }
    co_return taken;
}

/// The runs that share the id of `source`, each by an id that is nobody else's.
asio::awaitable<std::vector<MappedRun>> Importer::map(const SourceRun& source, const KnownRuns& known,
                                                      const Rules& rules) {
    const auto owner = co_await owner_of(source, known, rules);
    TakenIds taken;
    for (;;) {
        Findings findings;
        auto runs = map_runs(source, rules, owner, findings, taken);
        auto more = co_await taken_among(source, runs);
        if (more.empty()) {
            for (Finding& finding : findings.take()) {
                findings_.add(std::move(finding));
            }
            co_return runs;
        }
        taken.merge(more);
    }
}

asio::awaitable<void> Importer::add(Batch& batch, SourceRun& source, const KnownRuns& known, const Rules& rules) {
    mend(source, rules, findings_);
    const auto runs = co_await map(source, known, rules);
    // of the runs that share an id one may be
    if (std::ranges::any_of(runs, [](const MappedRun& run) { return run.here == "active" && !run.in_flight; })) {
        stranded_.insert(source.run_id);
    } else {
        stranded_.erase(source.run_id);
    }
    for (const MappedRun& run : runs) {
        ++totals_.runs;
        totals_.events += static_cast<std::int64_t>(run.events.size());
        batch.events += static_cast<std::int64_t>(run.events.size());
        if (run.waits_for_history) {
            until_ended_.try_emplace(source.run_id, Clock::now() + patience_with_events);
        }
        if (options_.dry_run) {
            if (run.here != run.today) {
                findings_.add({.kind = finding::ending_differs,
                               .run_id = run.run_id,
                               .more = {{"here", run.here}, {"there", run.today}}});
            }
            continue;
        }
        std::string payload;
        append_payload(payload, run);
        batch.payload += batch.payload.empty() ? "[" : ",";
        batch.payload += payload;
        batch.payloads.push_back(std::move(payload));
        batch.run_ids.push_back(run.run_id);
        batch.today.push_back(run.today);
    }
}

/// Reads on until the batch is full; `more` is false at the end.
asio::awaitable<void> Importer::fill(RunStream& stream, Batch& batch, const Rules& rules, bool& more) {
    std::vector<SourceRun> runs;
    std::size_t events = 0;
    std::size_t bytes = 0;
    while (more && events < events_in_batch && runs.size() < runs_in_batch && bytes < bytes_in_batch) {
        auto run = co_await stream.next();
        more = run.has_value();
        if (run) {
            events += run->events.size();
            for (const Row& row : run->events) {
                for (const auto& field : row) {
                    bytes += field ? field->size() : 0;
                }
            }
            runs.push_back(*std::move(run));
        }
    }
    source_.check_unchanged();
    const auto known = co_await known_among(ids_of(runs));
    for (SourceRun& run : runs) {
        co_await add(batch, run, known, rules);
    }
}

asio::awaitable<std::string> Importer::call(std::string payload) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"runs", "jsonb", std::move(payload)});
    co_return co_await target_->body("pdpp_run_import", std::move(arguments), longest_call);
}

void Importer::take_result(std::string_view body, const Batch& batch, std::size_t first) {
    const auto parsed = pq::parse_body(body);
    std::size_t place = first;
    for (const auto& run : parsed.at("runs").as_array()) {
        const auto run_id = boost::json::value_to<std::string>(run.at("run_id"));
        const auto result = boost::json::value_to<std::string>(run.at("result"));
        const auto& today = batch.today.at(place++);
        totals_.written += boost::json::value_to<std::int64_t>(run.at("events"));
        if (result == "ours") {
            findings_.add({.kind = finding::ours, .run_id = run_id, .more = {}});
            continue;
        }
        (result == "imported" ? totals_.imported : result == "extended" ? totals_.extended : totals_.unchanged) += 1;
        const auto here = boost::json::value_to<std::string>(run.at("status"));
        if (here != today) {
            findings_.add(
                {.kind = finding::ending_differs, .run_id = run_id, .more = {{"here", here}, {"there", today}}});
        }
    }
}

/// What one run is refused for is no reason to refuse the others.
asio::awaitable<void> Importer::send_one_by_one(Batch batch) {
    for (std::size_t i = 0; i < batch.payloads.size(); ++i) {
        std::optional<pq::Error> refusal;
        try {
            take_result(co_await call("[" + batch.payloads[i] + "]"), batch, i);
        } catch (const pq::Error& error) {
            if (error.kind() != pq::ErrorKind::refused || pq::is_passing(error) ||
                error.sqlstate() == pq::sqlstate::insufficient_privilege) {
                throw;
            }
            refusal = error;
        }
        if (refusal) {
            findings_.add({.kind = finding::not_taken,
                           .run_id = batch.run_ids[i],
                           .more = {{"table", "spine_events"}, {"row", nullptr}, {"reason", refusal->what()}}});
        }
    }
}

asio::awaitable<void> Importer::send(Batch batch) {
    if (batch.run_ids.empty()) {
        co_return;
    }
    bool is_refused = false;
    try {
        take_result(co_await call(batch.payload + "]"), batch, 0);
    } catch (const pq::Error& error) {
        is_refused = error.kind() == pq::ErrorKind::refused && !pq::is_passing(error) &&
                     error.sqlstate() != pq::sqlstate::insufficient_privilege &&
                     error.sqlstate() != pq::sqlstate::undefined_function;
        if (!is_refused) {
            throw;
        }
    }
    if (is_refused) {
        co_await send_one_by_one(std::move(batch));
    }
    progress_(totals_);
}

asio::awaitable<void> Importer::import_all() {
    co_await open_target();
    co_await source_.begin();
    if (options_.follow) {
        co_await source_.check_followable();
    }
    sizes_ = co_await source_.sizes();
    totals_.expected = co_await source_.count_events();
    if (options_.adjudicate) {
        boots_ = co_await source_.newest_boots();
        boots_read_at_ = Clock::now();
    }
    auto all = co_await source_.everything();
    {
        auto stream = co_await source_.runs();
        const auto by = rules();
        Batch ready;
        for (bool more = true; more;) {
            Batch next;
            Batch sent = std::exchange(ready, Batch{});
            co_await both(send(std::move(sent)), fill(stream, next, by, more));
            ready = std::move(next);
            progress_(totals_);
        }
        co_await send(std::move(ready));
    }
    co_await source_.end();
    source_.keep(std::move(all));
}

/// These runs once more, in the snapshot of the source that is open.
asio::awaitable<void> Importer::import_some(const std::set<std::string>& run_ids, const Rules& rules) {
    for (auto next = run_ids.begin(); next != run_ids.end();) {
        std::set<std::string> some;
        for (; next != run_ids.end() && some.size() < runs_read_at_once; ++next) {
            some.insert(*next);
        }
        Batch batch;
        auto runs = co_await source_.runs(some);
        source_.check_unchanged();
        const auto known = co_await known_among(ids_of(runs));
        for (auto& run : runs) {
            co_await add(batch, run, known, rules);
            if (std::cmp_greater_equal(batch.events, events_in_batch) || batch.payload.size() >= bytes_in_batch) {
                Batch full = std::exchange(batch, Batch{});
                co_await send(std::move(full));
            }
        }
        co_await send(std::move(batch));
    }
}

/// A controller that began another life ends the hope for what its lives before left.
asio::awaitable<void> Importer::refresh_boots(std::set<std::string>& run_ids) {
    if (options_.adjudicate && Clock::now() >= boots_read_at_ + between_looks_at_boots) {
        auto boots = co_await source_.newest_boots();
        boots_read_at_ = Clock::now();
        has_new_boots_ = has_new_boots_ || boots != boots_;
        boots_ = std::move(boots);
    }
    if (has_new_boots_) {
        run_ids.insert(stranded_.begin(), stranded_.end());
    }
}

asio::awaitable<void> Importer::look_again() {
    std::set<std::string> due;
    for (const auto& [run_id, at] : until_ended_) {
        if (at <= Clock::now()) {
            due.insert(run_id);
        }
    }
    const bool may_have_changed = co_await source_.may_have_changed();
    const bool looks_at_boots = options_.adjudicate && Clock::now() >= boots_read_at_ + between_looks_at_boots;
    if (!may_have_changed && !has_failed_ && due.empty() && !looks_at_boots) {
        co_return;
    }
    has_failed_ = true; // until all went well
    co_await open_target();
    co_await source_.begin();
    auto look = co_await source_.changes();
    co_await refresh_boots(look.run_ids);
    auto by = rules();
    co_await import_some(due, by);
    by.trust_history = false;
    co_await import_some(look.run_ids, by);
    co_await source_.end();
    source_.keep(std::move(look));
    has_new_boots_ = false;
    for (const auto& run_id : due) {
        until_ended_.erase(run_id);
    }
    has_failed_ = false;
}

/// Each once. Those of runs that are on their way pass by themselves.
void Importer::tell_findings() {
    for (const Finding& finding : findings_.take()) {
        const bool passes = finding.kind == finding::stranded || finding.kind == finding::without_events ||
                            finding.kind == finding::without_number;
        auto text = finding_text(finding);
        if (!passes && told_.insert(text).second) {
            said_(text);
        }
    }
}

asio::awaitable<void> Importer::follow() {
    for (const Finding& finding : findings_.take()) { // as the report had them
        told_.insert(finding_text(finding));
    }
    const auto executor = co_await asio::this_coro::executor;
    pq::Backoff backoff(std::chrono::milliseconds(200), std::chrono::seconds(10));
    asio::steady_timer pause(executor);
    for (;;) {
        std::string failure;
        try {
            co_await look_again();
            tell_findings();
            backoff.reset();
        } catch (const SourceError& error) {
            if (!error.is_passing()) {
                throw;
            }
            failure = error.what();
        } catch (const pq::Error& error) {
            const bool passes = error.kind() != pq::ErrorKind::misused && error.kind() != pq::ErrorKind::not_let_in &&
                                (error.kind() != pq::ErrorKind::refused || pq::is_passing(error));
            if (!passes) {
                throw;
            }
            failure = error.what();
        }
        if (!failure.empty()) {
            said_(fmt::format("{}; trying again", failure));
            source_.close();
            target_.reset();
            asked_.reset();
            co_await backoff.pause();
            continue;
        }
        pause.expires_after(between_looks);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

} // namespace pdpp::moving_in
