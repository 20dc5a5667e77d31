#include "moving_in/importer.hpp"

#include "moving_in/mending.hpp"
#include "pq/array_literal.hpp"
#include "pq/backoff.hpp"
#include "pq/body.hpp"
#include "pq/jsonb_text.hpp"
#include "pq/wake.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "text/text.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/value_to.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

namespace pdpp::moving_in {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

/// What goes in one transaction, more or less: a run is never split.
constexpr std::size_t events_in_batch = 4000;
constexpr std::size_t runs_in_batch = 400;
constexpr std::size_t bytes_in_batch = std::size_t{4} << 20;

/// What one call takes of one run: several times as much becomes a jsonb, which holds 256 MB. And what a message takes.
constexpr std::size_t bytes_in_payload = std::size_t{16} << 20;
constexpr std::size_t bytes_in_message = std::size_t{1000} << 20;

constexpr auto longest_call = std::chrono::minutes(30);
constexpr auto between_looks = std::chrono::milliseconds(200);
constexpr auto between_looks_at_boots = std::chrono::seconds(10);
constexpr std::size_t runs_read_at_once = 500;

/// A run with so many events is not read whole for each that comes while it goes on, if no more come at once.
constexpr std::size_t many_events = 500;

/// How long a run must have been without an ending and a flight row, and its controller in another life, before it is
/// taken for one that nobody will end: its server may take the row away first, and repairs after it has begun.
constexpr auto patience_with_repair = std::chrono::seconds(10);

/// An ending is written down in two places, one after the other: the second is waited for.
constexpr auto patience_with_events = std::chrono::seconds(5);

/// How long a follower says nothing of others that write while it reads, and waits for a file to be put in the place of
/// one that it has read.
constexpr auto patience_with_writers = std::chrono::seconds(10);

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

/// Whether a call was refused for what it said of its runs, and not for what holds for others too.
bool is_of_run(const pq::Error& error) {
    return error.kind() == pq::ErrorKind::refused && !pq::is_passing(error) &&
           error.sqlstate() != pq::sqlstate::insufficient_privilege &&
           error.sqlstate() != pq::sqlstate::undefined_function;
}

} // namespace

/// Three read the source in turns, and each sends what it has read by a session of its own: while the server writes
/// what it was given by one, as imports write one at a time, it reads what another gives it, and the third reads on.
struct Importer::Turns {
    explicit Turns(const asio::any_io_executor& executor) : turn(executor, 1), sent(executor) { give(); }

    /// Waits for the turn; whether there is something left to do.
    asio::awaitable<bool> take() {
        co_await turn.async_receive(asio::use_awaitable);
        const bool goes_on = more && !has_failed;
        if (!goes_on) {
            give(); // the others end too
        }
        co_return goes_on;
    }
    void give() { turn.try_send(boost::system::error_code()); }

    asio::experimental::channel<void(boost::system::error_code)> turn; ///< holds it while nobody has it
    bool more = true;                                                  ///< in the source
    bool has_failed = false;
    int sending = 0;
    pq::Wake sent; ///< for the one whose turn it is
};

Importer::Importer(std::unique_ptr<Database> database, ImportOptions options,
                   std::function<void(const Totals&)> progress, std::function<void(const std::string&)> said)
    : source_(std::move(database)), options_(std::move(options)), progress_(std::move(progress)),
      said_(std::move(said)) {}

Rules Importer::rules() const {
    return {.origin = source_.data_origin(),
            .source = std::string(source_.dialect().name),
            .adjudicate =
                options_.adjudicate && (options_.source_is_stopped || !options_.follow), // else when it is due
            .source_is_stopped = options_.source_is_stopped,
            .trust_history = !options_.follow, // else after a while
            .patience_with_history = options_.follow ? 0 : std::chrono::microseconds(patience_with_events).count(),
            .newest_boots = boots_,
            .now = unix_micros_now()};
}

/// Nothing for a doctor.
asio::awaitable<void> Importer::open(std::optional<pq::Connection>& connection) {
    if (!options_.dry_run && !(connection && connection->usable())) {
        connection.emplace(co_await asio::this_coro::executor);
        co_await connection->open_primary(options_.target, pq::Effect::writes, pq::default_timeout, "pdpp import");
    }
}

asio::awaitable<void> Importer::open_target() {
    co_await open(target_);
    co_await open(asked_);
}

asio::awaitable<KnownRuns> Importer::known_among(std::vector<std::string> ids) {
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
    if (!events.empty()) {
        co_return Admission{.is_imported = string_at(events.front(), "source_kind") == run::imported,
                            .shared_run_id = string_at(events.front(), "data", "shared_run_id")};
    }
    co_return Admission{};
}

/// Those that were given an id beside this one, which they share.
asio::awaitable<KnownRuns> Importer::runs_beside(std::string run_id) {
    std::vector<std::string> run_ids;
    if (asked_) {
        std::vector<pq::Argument> arguments;
        arguments.push_back({"run_id", "text", std::move(run_id)});
        const auto found =
            co_await asked_->rows("pdpp_runs_beside", std::move(arguments), longest_call, pq::Effect::reads);
        for (int row = 0; row < found.rows(); ++row) {
            run_ids.emplace_back(found.text(row, 0).value());
        }
    }
    co_return co_await known_among(std::move(run_ids));
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
asio::awaitable<TakenIds> Importer::taken_among(const SourceRun& source, const std::vector<MappedRun>& runs,
                                                const KnownRuns& beside) {
    TakenIds taken;
    for (const MappedRun& run : runs) {
        if (run.run_id == source.run_id || beside.contains(run.run_id)) {
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
    std::optional<KnownRuns> beside;
    for (;;) {
        Findings findings;
        auto runs = map_runs(source, rules, owner, findings, taken, beside.value_or(KnownRuns()));
        if (!beside &&
            (owner || std::ranges::any_of(runs, [&](const MappedRun& run) { return run.run_id != source.run_id; }))) {
            beside = co_await runs_beside(source.run_id);
            if (!beside->empty()) {
                continue;
            }
        }
        auto more = co_await taken_among(source, runs, beside.value_or(KnownRuns()));
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
    auto by = rules;
    by.adjudicate = rules.adjudicate && !was_in_flight_.contains(source.run_id);
    const auto runs = co_await map(source, known, by);
    // of the runs that share an id one may be
    if (std::ranges::any_of(runs, [](const MappedRun& run) { return run.here == "active" && !run.in_flight; })) {
        if (stranded_.insert(source.run_id).second) {
            to_be_judged_[source.run_id] = Clock::now() + patience_with_repair;
        }
    } else {
        stranded_.erase(source.run_id);
        to_be_judged_.erase(source.run_id);
    }
    long_runs_.erase(source.run_id);
    if (options_.follow && source.events.size() >= many_events && runs.size() == 1 &&
        runs.front().run_id == source.run_id && runs.front().here == "active") {
        auto run = runs.front();
        run.events.clear();
        long_runs_.emplace(source.run_id, std::move(run));
    }
    for (const MappedRun& run : runs) {
        if (run.waits_for_history) {
            until_ended_.try_emplace(source.run_id, Clock::now() + patience_with_events);
        }
        append(batch, run);
    }
}

void Importer::append(Batch& batch, const MappedRun& run) {
    ++totals_.runs;
    totals_.events += std::ranges::count_if(run.events, [](const MappedEvent& event) { return event.row != nullptr; });
    batch.events += static_cast<std::int64_t>(run.events.size());
    batch.is_alone = batch.is_alone || run.run_generation;
    if (options_.dry_run) {
        if (run.here != run.today) {
            findings_.add({.kind = finding::ending_differs,
                           .run_id = run.run_id,
                           .more = {{"here", run.here}, {"there", run.today}}});
        }
        return;
    }
    auto payloads = payloads_of(run, bytes_in_payload);
    if (payloads.size() > 1 || payloads.front().text.size() > bytes_in_payload) {
        batch.is_alone = true;
        batch.large.push_back({.run_id = run.run_id, .today = run.today, .payloads = std::move(payloads)});
        return;
    }
    auto& payload = payloads.front().text;
    batch.payload += batch.payload.empty() ? "[" : ",";
    batch.payload += payload;
    batch.payloads.push_back(std::move(payload));
    batch.run_ids.push_back(run.run_id);
    batch.today.push_back(run.today);
}

/// What has come to a long run, if that is all there is to say of it; false if the whole of it is to be read.
asio::awaitable<bool> Importer::add_more(Batch& batch, const std::string& run_id,
                                         const std::vector<std::int64_t>& numbers, const Rules& rules) {
    const auto known = long_runs_.find(run_id);
    if (known == long_runs_.end() || numbers.size() >= many_events) {
        co_return false;
    }
    auto source = co_await source_.events(run_id, numbers);
    source_.check_unchanged();
    Findings findings;
    mend(source, rules, findings);
    const auto run = map_more(source, known->second);
    if (!run) {
        co_return false;
    }
    for (Finding& finding : findings.take()) {
        findings_.add(std::move(finding));
    }
    append(batch, *run);
    co_return true;
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

asio::awaitable<void> Importer::execute(pq::Connection& target, std::string sql) {
    std::vector<pq::Parameter> none;
    co_await target.query(std::move(sql), std::move(none), longest_call);
}

asio::awaitable<std::string> Importer::call(pq::Connection& target, std::string payload) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({"runs", "jsonb", std::move(payload)});
    co_return co_await target.body("pdpp_run_import", std::move(arguments), longest_call);
}

std::vector<Importer::Taken> Importer::taken_in(std::string_view body) {
    std::vector<Taken> runs;
    const auto parsed = pq::parse_body(body);
    for (const auto& run : parsed.at("runs").as_array()) {
        const auto& status = run.at("status"); // null of a run of ours
        runs.push_back({.run_id = boost::json::value_to<std::string>(run.at("run_id")),
                        .result = boost::json::value_to<std::string>(run.at("result")),
                        .status = status.is_string() ? std::string(status.get_string()) : std::string(),
                        .events = boost::json::value_to<std::int64_t>(run.at("events"))});
    }
    return runs;
}

void Importer::count(const Taken& run, const std::string& today) {
    totals_.written += run.events;
    if (run.result == "ours") {
        findings_.add({.kind = finding::ours, .run_id = run.run_id, .more = {}});
        return;
    }
    (run.result == "imported"   ? totals_.imported
     : run.result == "extended" ? totals_.extended
                                : totals_.unchanged) += 1;
    if (run.status != today) {
        findings_.add(
            {.kind = finding::ending_differs, .run_id = run.run_id, .more = {{"here", run.status}, {"there", today}}});
    }
}

void Importer::take_result(std::string_view body, const Batch& batch, std::size_t first) {
    for (const Taken& run : taken_in(body)) {
        count(run, batch.today.at(first++));
    }
}

void Importer::refuse(const std::string& run_id, json::value row, std::string_view reason) {
    findings_.add({.kind = finding::not_taken,
                   .run_id = run_id,
                   .more = {{"table", "spine_events"}, {"row", std::move(row)}, {"reason", reason}}});
}

/// What one run is refused for is no reason to refuse the others.
asio::awaitable<void> Importer::send_one_by_one(pq::Connection& target, Batch batch) {
    for (std::size_t i = 0; i < batch.payloads.size(); ++i) {
        try {
            take_result(co_await call(target, "[" + batch.payloads[i] + "]"), batch, i);
        } catch (const pq::Error& error) {
            if (!is_of_run(error)) {
                throw;
            }
            refuse(batch.run_ids[i], nullptr, error.what());
        }
    }
}

/// A run that is too large for one call comes in several, and in one transaction all the same.
asio::awaitable<void> Importer::send_large(pq::Connection& target, LargeRun run) {
    Taken whole{.run_id = run.run_id, .result = {}, .status = {}, .events = 0};
    std::optional<pq::Error> refusal;
    co_await execute(target, "BEGIN");
    for (auto& [text, event_id] : run.payloads) {
        const bool may_be_too_large = text.size() > bytes_in_payload;
        std::optional<pq::Error> too_large;
        if (may_be_too_large) {
            co_await execute(target, "SAVEPOINT before_event");
        }
        try {
            if (text.size() > bytes_in_message) {
                throw pq::Error(pq::ErrorKind::refused, "it is too large to be sent",
                                std::string(pq::sqlstate::program_limit_exceeded));
            }
            auto body = "[" + std::exchange(text, {}) + "]";
            body = co_await call(target, std::move(body));
            const auto taken = taken_in(body).at(0);
            if (whole.result.empty() || whole.result == "unchanged") {
                whole.result = taken.result;
            }
            whole.events += taken.events;
            whole.status = taken.status;
        } catch (const pq::Error& error) {
            const bool is_of_event = may_be_too_large && event_id && error.kind() == pq::ErrorKind::refused &&
                                     error.sqlstate() == pq::sqlstate::program_limit_exceeded;
            if (!is_of_event && !is_of_run(error)) {
                throw;
            }
            (is_of_event ? too_large : refusal) = error;
        }
        if (refusal) {
            break;
        }
        if (too_large) {
            co_await execute(target, "ROLLBACK TO SAVEPOINT before_event");
            refuse(run.run_id, json::value(*event_id), too_large->what());
        }
    }
    std::string end = refusal ? "ROLLBACK" : "COMMIT";
    co_await execute(target, std::move(end));
    if (refusal) {
        refuse(run.run_id, nullptr, refusal->what());
    } else if (!whole.result.empty()) {
        count(whole, run.today);
    }
}

asio::awaitable<void> Importer::send(pq::Connection& target, Batch batch) {
    auto large = std::exchange(batch.large, {});
    if (!batch.run_ids.empty()) {
        bool is_refused = false;
        try {
            take_result(co_await call(target, batch.payload + "]"), batch, 0);
        } catch (const pq::Error& error) {
            is_refused = is_of_run(error);
            if (!is_refused) {
                throw;
            }
        }
        if (is_refused) {
            co_await send_one_by_one(target, std::move(batch));
        }
    }
    for (LargeRun& run : large) {
        co_await send_large(target, std::move(run));
    }
}

/// So that whatever has no flight row when it is looked at had none for a while, or is known to have had one, and a
/// boot that is gone by has been known for a while.
asio::awaitable<void> Importer::look_before() {
    co_await source_.begin();
    for (const auto& [run_id, started_at] : co_await source_.flights()) {
        was_in_flight_.insert(run_id);
    }
    boots_ = co_await source_.newest_boots();
    co_await source_.end();
    asio::steady_timer pause(co_await asio::this_coro::executor, patience_with_repair);
    co_await pause.async_wait(asio::use_awaitable);
}

/// Reads a batch and sends it, and so on, to the end of the source or until another has failed.
asio::awaitable<void> Importer::import_in_turns(std::optional<pq::Connection>& target, RunStream& stream,
                                                Turns& turns) {
    const auto by = rules();
    std::exception_ptr failure;
    try {
        while (co_await turns.take()) {
            Batch batch;
            co_await fill(stream, batch, by, turns.more);
            const bool is_alone = batch.is_alone;
            while (is_alone && turns.sending > 0) {
                co_await turns.sent.wait();
            }
            ++turns.sending;
            if (!is_alone) {
                turns.give();
            }
            if (target) {
                co_await send(*target, std::move(batch));
            }
            progress_(totals_);
            --turns.sending;
            turns.sent.up();
            if (is_alone) {
                turns.give();
            }
        }
    } catch (...) {
        failure = std::current_exception();
        turns.has_failed = true;
        turns.sending = 0;
        turns.sent.up();
        turns.give();
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

asio::awaitable<void> Importer::import_all() {
    co_await open_target();
    if (options_.adjudicate && !options_.source_is_stopped && !options_.follow) {
        co_await look_before();
    }
    co_await source_.begin();
    if (options_.follow) {
        co_await source_.check_followable();
    }
    sizes_ = co_await source_.sizes();
    totals_.expected = co_await source_.count_events();
    if (options_.adjudicate && options_.follow) {
        boots_ = co_await source_.newest_boots();
        boots_read_at_ = Clock::now();
    }
    Look all;
    if (options_.follow) {
        all = co_await source_.everything();
    }
    {
        auto stream = co_await source_.runs();
        Turns turns(co_await asio::this_coro::executor);
        std::array<std::optional<pq::Connection>, 2> others;
        for (auto& other : others) {
            co_await open(other);
        }
        co_await both(import_in_turns(target_, stream, turns),
                      both(import_in_turns(others[0], stream, turns), import_in_turns(others[1], stream, turns)));
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
                co_await send(*target_, std::move(full));
            }
        }
        co_await send(*target_, std::move(batch));
    }
}

/// What a look found: long runs last, so that nobody waits for them, and no more of them than is needed.
asio::awaitable<void> Importer::import_changed(const Look& look, const Rules& rules) {
    std::set<std::string> whole = look.run_ids;
    Batch more;
    for (const auto& [run_id, numbers] : look.added) {
        if (whole.contains(run_id)) {
            continue;
        }
        const bool is_enough = co_await add_more(more, run_id, numbers, rules);
        if (!is_enough) {
            whole.insert(run_id);
        }
    }
    std::set<std::string> long_ones;
    for (const auto& [run_id, run] : long_runs_) {
        if (auto found = whole.extract(run_id)) {
            long_ones.insert(std::move(found));
        }
    }
    co_await send(*target_, std::move(more));
    co_await import_some(whole, rules);
    co_await import_some(long_ones, rules);
}

/// A controller that began another life ends the hope for what its lives before left.
asio::awaitable<void> Importer::refresh_boots() {
    if (options_.adjudicate && Clock::now() >= boots_read_at_ + between_looks_at_boots) {
        auto boots = co_await source_.newest_boots();
        boots_read_at_ = Clock::now();
        if (boots != boots_) {
            for (const auto& run_id : stranded_) {
                to_be_judged_[run_id] = boots_read_at_ + patience_with_repair;
            }
        }
        boots_ = std::move(boots);
    }
}

std::set<std::string> Importer::due(const Times& times) {
    std::set<std::string> run_ids;
    for (const auto& [run_id, at] : times) {
        if (at <= Clock::now()) {
            run_ids.insert(run_id);
        }
    }
    return run_ids;
}

asio::awaitable<void> Importer::look_again() {
    const auto by_history = due(until_ended_);
    const bool may_have_changed = co_await source_.may_have_changed();
    const bool judges =
        options_.adjudicate && (!due(to_be_judged_).empty() || Clock::now() >= boots_read_at_ + between_looks_at_boots);
    if (!may_have_changed && !has_failed_ && by_history.empty() && !judges) {
        co_return;
    }
    has_failed_ = true; // until all went well
    co_await open_target();
    co_await source_.begin();
    auto look = co_await source_.changes();
    co_await refresh_boots();
    const auto judged = options_.adjudicate ? due(to_be_judged_) : std::set<std::string>(); // by boots known as long
    auto by = rules();
    by.trust_history = true;
    co_await import_some(by_history, by);
    by.trust_history = false;
    co_await import_changed(look, by);
    by.adjudicate = true;
    co_await import_some(judged, by);
    co_await source_.end();
    source_.keep(std::move(look));
    for (const auto& run_id : by_history) {
        until_ended_.erase(run_id);
    }
    for (const auto& run_id : judged) {
        to_be_judged_.erase(run_id);
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
    std::optional<Clock::time_point> busy_since;
    for (;;) {
        std::string failure;
        bool is_busy = false;
        Clock::time_point failed_at{};
        try {
            co_await look_again();
            tell_findings();
            backoff.reset();
            busy_since.reset();
        } catch (const SourceError& error) {
            failed_at = Clock::now();
            busy_since = busy_since.value_or(failed_at);
            const bool is_waited_for = error.may_be_replaced() && failed_at < *busy_since + patience_with_writers;
            if (!error.is_passing() && !is_waited_for) {
                throw;
            }
            is_busy = error.is_busy() || is_waited_for;
            failure = error.what();
        } catch (const pq::Error& error) {
            const bool passes = error.kind() != pq::ErrorKind::misused && error.kind() != pq::ErrorKind::not_let_in &&
                                (error.kind() != pq::ErrorKind::refused || pq::is_passing(error));
            if (!passes) {
                throw;
            }
            failure = error.what();
        }
        if (is_busy) { // which the next moment may not be
            source_.close();
            if (failed_at >= *busy_since + patience_with_writers) {
                said_(fmt::format("{}; trying on", failure));
                busy_since.reset();
            }
        } else if (!failure.empty()) {
            said_(fmt::format("{}; trying again", failure));
            busy_since.reset();
            source_.close();
            target_.reset();
            asked_.reset();
            long_runs_.clear();
            co_await backoff.pause();
            continue;
        }
        pause.expires_after(between_looks);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

} // namespace pdpp::moving_in
