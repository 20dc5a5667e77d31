#include "store/guard.hpp"

#include "boundary.hpp"
#include "run/event.hpp"
#include "settings.hpp"
#include "store/boots.hpp"
#include "store/deadline.hpp"
#include "store/jsonb.hpp"
#include "store/lifecycle.hpp"
#include "store/settle.hpp"
#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::store {

namespace {

std::int64_t given_to_launch() {
    return std::int64_t{settings::launch_deadline} * 1000;
}

/// The launch deadline of a run that is admitted now.
run::Instant anew(const Clock& clock) {
    return run::later(clock.now, given_to_launch());
}

/// Why a run must end.
enum class Cause : std::uint8_t { boot_dead, launch_overdue, deadline_over };

struct Verdict {
    Cause cause;
    std::string_view controller_id; ///< of the boot that owns the run; empty if none does
};

/// What is to be done about a run that has not started.
enum class Launch : std::uint8_t {
    in_time,
    overdue,
    of_time_to_come, ///< admitted at a time that has yet to come, as far as anybody knows: its deadline says nothing
};

/// A run is overdue after as much time as it was given has passed since it was admitted, whatever the clock was set to.
/// For one that was admitted before this server served it counts from then: nobody could start it before.
///
/// Where the admission has yet to come, by a clock that we know nothing about, the deadline is set anew
/// (end_due_run()), unless the admission comes sooner than that. It lies before the admission then, which no other
/// does, and so stands for itself, whatever the clock and the admission are by then: as much before it as a run is
/// given it was set.
Launch launch_of(const Clock& clock, run::Instant admitted_at, run::Instant launch_deadline) {
    const auto since = clock.serving_since();
    if (!since || launch_deadline == to_instant(DT_NOEND)) {
        return Launch::in_time;
    }
    const auto is_past = [&](run::Instant begin, std::int64_t given) {
        return run::later(begin, given) <= clock.now ? Launch::overdue : Launch::in_time;
    };
    if (std::min(admitted_at, launch_deadline) ==
        to_instant(DT_NOBEGIN)) { // by hand: nobody knows how much it was given
        return is_past(std::max(clock.in_present_time(launch_deadline), *since), 0);
    }
    const bool was_set_anew = launch_deadline < admitted_at;
    const std::int64_t given = was_set_anew ? given_to_launch() : run::between(admitted_at, launch_deadline);
    const run::Instant begin = clock.in_present_time(was_set_anew ? run::later(launch_deadline, -given) : admitted_at);
    const run::Instant of_now = run::later(clock.now, run::WallClock::tolerance);
    if (begin > of_now && anew(clock) < std::min(begin, admitted_at)) {
        return Launch::of_time_to_come;
    }
    const run::Instant admitted = clock.in_present_time(admitted_at);
    const bool is_admitted_here = *since <= admitted && admitted <= of_now;
    return is_past(is_admitted_here ? begin : std::max(begin, *since), given);
}

Launch launch_of(const Clock& clock, const Flight& flight) {
    return flight.launch_deadline ? launch_of(clock, flight.run.admitted_at, *flight.launch_deadline) : Launch::in_time;
}

run::Due due_of(const Clock& clock, const Flight& flight) {
    return flight.deadline ? due(clock, *flight.deadline) : run::Due::in_time;
}

/// Judged again under the run's lock: it may have been claimed, started, extended or settled since it was listed. The
/// proof of a death says more than any time that is over.
std::optional<Verdict> judge(const Flight& flight, Launch launch, run::Due deadline) {
    const auto boot = flight.boot_epoch ? find_boot(*flight.boot_epoch) : std::nullopt;
    const std::string_view controller_id = boot ? boot->controller_id : std::string_view{};
    if (flight.boot_epoch && (!boot || boot->dead)) {
        return Verdict{Cause::boot_dead, controller_id};
    }
    if (launch == Launch::overdue) {
        return Verdict{Cause::launch_overdue, controller_id};
    }
    if (deadline == run::Due::over) {
        return Verdict{Cause::deadline_over, controller_id};
    }
    return {};
}

std::string_view launch_failure_message(const Flight& flight, const Verdict& verdict) {
    if (verdict.cause == Cause::boot_dead) {
        return join({"controller ", verdict.controller_id, " terminated before it started the run"});
    }
    if (flight.boot_epoch) {
        return join({"claimed by controller ", verdict.controller_id, ", but not started by its launch deadline"});
    }
    return "not claimed by any controller by its launch deadline";
}

std::string_view start_of(const Flight& flight, const LifecycleRecord& record) {
    return event_id_or_generated(record.started_event_id, flight.run.run_id, record.started_event_seq);
}

/// Interrupted is not failed: whether the connector did its work, nobody knows.
bool settle_abandoned(const Flight& flight, const Verdict& verdict, std::string_view started_event_id,
                      std::string_view reconciled_by) {
    JsonbWriter data;
    data.begin_object();
    data.field("reason", run::reason::controller_terminated);
    data.field("failure_reason", run::reason::controller_terminated);
    data.field("failure_origin", "controller");
    data.field("failure_message", join({"controller ", verdict.controller_id, " terminated while the run was active"}));
    data.field("caused_by_event_id", started_event_id);
    data.field("original_boot_epoch", flight.boot_epoch);
    data.field("original_controller_id", verdict.controller_id);
    data.field("reconciled_by", reconciled_by);
    data.end_object();
    const bool ended = settle(flight, {.outcome = run::Outcome::abandoned, .data = data.finish()});
    if (ended) {
        log_ending("run abandoned", flight.run, join({"controller ", verdict.controller_id, " terminated"}));
    }
    return ended;
}

std::string_view deadline_message(const Flight& flight, const Verdict& verdict, bool has_started) {
    if (!flight.boot_epoch) {
        return has_started ? "not ended by its deadline" : "not claimed by any controller by its deadline";
    }
    return join({"controller ", verdict.controller_id, " did not end the run by its deadline"});
}

/// The controller lives, as far as anybody can prove, and does not act: it stands still, or nobody reaches it. When it
/// comes back it finds the run ended, and what it says of it is kept as a late outcome.
bool settle_over_deadline(const Flight& flight, const Verdict& verdict, const LifecycleRecord& record,
                          std::string_view reconciled_by) {
    const bool is_cancelled = flight.cancel_requested_at.has_value();
    const std::string_view reason = is_cancelled ? run::reason::owner_cancel_unheeded : run::reason::run_timed_out;
    const std::string_view message = deadline_message(flight, verdict, record.events.started.has_value());
    JsonbWriter data;
    data.begin_object();
    data.field("reason", reason);
    if (!is_cancelled) {
        data.field("failure_reason", reason);
        data.field("failure_origin", "controller");
    }
    data.field(is_cancelled ? "message" : "failure_message", message);
    if (record.events.started) {
        data.field("caused_by_event_id", start_of(flight, record));
    }
    data.field("deadline_at", flight.deadline->at);
    if (flight.boot_epoch) {
        data.field("original_boot_epoch", flight.boot_epoch);
        data.field("original_controller_id", verdict.controller_id);
    }
    data.field("reconciled_by", reconciled_by);
    data.end_object();
    const bool ended = settle(
        flight, {.outcome = is_cancelled ? run::Outcome::cancelled : run::Outcome::failed, .data = data.finish()});
    if (ended) {
        log_ending(is_cancelled ? "cancel unheeded" : "run timed out", flight.run, message);
    }
    return ended;
}

void end_run(const Flight& flight, const Verdict& verdict, const LifecycleRecord& record,
             std::string_view reconciled_by, Pass& pass) {
    if (verdict.cause == Cause::deadline_over) {
        const bool ended = settle_over_deadline(flight, verdict, record, reconciled_by);
        (flight.cancel_requested_at ? pass.cancelled : pass.timed_out) += ended ? 1 : 0;
    } else if (!record.events.started) {
        pass.launch_failed += settle_launch_failed(flight, launch_failure_message(flight, verdict)) ? 1 : 0;
    } else {
        pass.abandoned += settle_abandoned(flight, verdict, start_of(flight, record), reconciled_by) ? 1 : 0;
    }
}

/// What to look at, in a database that keeps deadlines and in one that does not.
#define DUE_RUNS(deadline_columns, deadline_over)                                                                      \
    "select f.run_id, coalesce(f.started_at, '-infinity'), f.launch_deadline,"                                         \
    "  f.boot_epoch is not null and (b.boot_epoch is null or b.dead_at is not null)" deadline_columns                  \
    " from pdpp.controller_active_runs as f"                                                                           \
    " left join pdpp.controller_boots as b on b.boot_epoch = f.boot_epoch"                                             \
    " where (f.boot_epoch is not null and (b.boot_epoch is null or b.dead_at is not null)"                             \
    "        and ($3 is null or b.controller_id = $3))"                                                                \
    "    or ($3 is null and (f.launch_deadline <= $1"                                                                  \
    "                        or (f.launch_deadline is not null and f.started_at > $2)" deadline_over "))"              \
    " order by f.run_id"

} // namespace

Rows due_runs(std::optional<std::string_view> controller_id) {
    // those of a clock that was set back, or is, are told from others by is_due()
    static Statement candidates{DUE_RUNS("", "")};
    static Statement candidates_timed{
        DUE_RUNS(", f.deadline_at, coalesce(f.deadline_set_at, f.started_at, '-infinity')",
                 " or f.deadline_at <= $1"
                 " or (f.deadline_at is not null and coalesce(f.deadline_set_at, f.started_at) > $2)")};
    const Clock clock = read_clock();
    const run::Instant latest{clock.now.unix_micros - clock.past.furthest_back()};
    return (keeps_deadlines() ? candidates_timed : candidates).execute({latest, clock.now, controller_id});
}
#undef DUE_RUNS

bool is_due(const Clock& clock, const Rows& rows, std::uint64_t row) {
    const auto launch_deadline = rows.instant(row, 2);
    if (rows.is_true(row, 3) ||
        (launch_deadline && launch_of(clock, required(rows.instant(row, 1)), *launch_deadline) != Launch::in_time)) {
        return true;
    }
    const auto deadline_at = rows.columns() > 4 ? rows.instant(row, 4) : std::nullopt;
    return deadline_at &&
           due(clock, {.set_at = required(rows.instant(row, 5)), .at = *deadline_at}) != run::Due::in_time;
}

void end_due_run(std::string_view run_id, std::string_view reconciled_by, Pass& pass) {
    const auto flight = try_lock_for_settle(run_id);
    if (!flight) {
        return;
    }
    const LifecycleRecord record = read_latest_lifecycle(flight->run.run_id);
    if (!record.events.admitted || (!record.events.started && !flight->launch_deadline)) {
        // A restore that has not come to the spine yet, or to the start, which took the launch deadline away: nothing
        // is known that could be ended.
        return;
    }
    const Clock clock = read_clock();
    const Launch launch = record.events.started ? Launch::in_time : launch_of(clock, *flight);
    const run::Due deadline = due_of(clock, *flight);
    const auto verdict = judge(*flight, launch, deadline);
    if (verdict) {
        end_run(*flight, *verdict, record, reconciled_by, pass);
        return;
    }
    // from here on it has the time of one that is admitted, or given its time, now
    if (launch == Launch::of_time_to_come) {
        set_launch_deadline(flight->run.run_id, anew(clock));
    }
    if (deadline == run::Due::of_time_to_come) {
        set_deadline(flight->run.run_id, run::deadline_in(clock.now, flight->deadline->given()));
    }
}

Pass reconcile(std::optional<std::string_view> controller_id) {
    Pass pass;
    pass.lost_boots = (controller_id ? watch_boots_of(*controller_id) : watch_boots()).lost;
    const Rows rows = due_runs(controller_id);
    const Clock clock = read_clock();
    for (std::uint64_t row = 0; row < rows.count(); ++row) {
        CHECK_FOR_INTERRUPTS();
        if (!is_due(clock, rows, row)) {
            continue;
        }
        end_due_run(required(rows.text(row, 0)), reconciler::function, pass);
    }
    return pass;
}

} // namespace pdpp::store
