#include "store/guard.hpp"

#include "boundary.hpp"
#include "run/event.hpp"
#include "settings.hpp"
#include "store/boots.hpp"
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
struct Verdict {
    bool boot_dead;
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

/// Judged again under the run's lock: it may have been claimed, started or settled since it was listed.
std::optional<Verdict> judge(const Flight& flight, Launch launch) {
    Verdict verdict{.boot_dead = false, .controller_id = {}};
    if (flight.boot_epoch) {
        const auto boot = find_boot(*flight.boot_epoch);
        verdict.boot_dead = !boot || boot->dead;
        verdict.controller_id = boot ? boot->controller_id : std::string_view{};
    }
    if (!verdict.boot_dead && launch != Launch::overdue) {
        return {};
    }
    return verdict;
}

std::string_view launch_failure_message(const Flight& flight, const Verdict& verdict) {
    if (verdict.boot_dead) {
        return join({"controller ", verdict.controller_id, " terminated before it started the run"});
    }
    if (flight.boot_epoch) {
        return join({"claimed by controller ", verdict.controller_id, ", but not started by its launch deadline"});
    }
    return "not claimed by any controller by its launch deadline";
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

} // namespace

Rows due_runs(std::optional<std::string_view> controller_id) {
    // those of a clock that was set back, or is, are told from others by is_due()
    static Statement candidates{"select f.run_id, coalesce(f.started_at, '-infinity'), f.launch_deadline,"
                                "  f.boot_epoch is not null and (b.boot_epoch is null or b.dead_at is not null)"
                                " from pdpp.controller_active_runs as f"
                                " left join pdpp.controller_boots as b on b.boot_epoch = f.boot_epoch"
                                " where (f.boot_epoch is not null and (b.boot_epoch is null or b.dead_at is not null)"
                                "        and ($3 is null or b.controller_id = $3))"
                                "    or ($3 is null and (f.launch_deadline <= $1"
                                "                        or (f.launch_deadline is not null and f.started_at > $2)))"
                                " order by f.run_id"};
    const Clock clock = read_clock();
    const run::Instant latest{clock.now.unix_micros - clock.past.furthest_back()};
    return candidates.execute({latest, clock.now, controller_id});
}

bool is_due(const Clock& clock, const Rows& rows, std::uint64_t row) {
    const auto launch_deadline = rows.instant(row, 2);
    return rows.is_true(row, 3) ||
           (launch_deadline && launch_of(clock, required(rows.instant(row, 1)), *launch_deadline) != Launch::in_time);
}

void end_due_run(std::string_view run_id, std::string_view reconciled_by, Pass& pass) {
    const auto flight = try_lock_for_settle(run_id);
    if (!flight) {
        return;
    }
    const Clock clock = read_clock();
    const Launch launch = launch_of(clock, *flight);
    const auto verdict = judge(*flight, launch);
    if (!verdict && launch != Launch::of_time_to_come) {
        return;
    }
    const LifecycleRecord record = read_latest_lifecycle(flight->run.run_id);
    if (!record.events.admitted) {
        return; // a restore that has not come to the spine yet: nothing is known that could be ended
    }
    if (record.events.started) {
        if (verdict && verdict->boot_dead) {
            pass.abandoned +=
                settle_abandoned(*flight, *verdict,
                                 event_id_or_generated(record.started_event_id, run_id, record.started_event_seq),
                                 reconciled_by)
                    ? 1
                    : 0;
        }
    } else if (!flight->launch_deadline) {
        return; // nor has a restore come to its start, which took the deadline away
    } else if (verdict) {
        pass.launch_failed += settle_launch_failed(*flight, launch_failure_message(*flight, *verdict)) ? 1 : 0;
    } else { // from here on it has the time of one that is admitted now
        set_launch_deadline(flight->run.run_id, anew(clock));
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
