#include "store/check.hpp"

#include "boundary.hpp"
#include "settings.hpp"
#include "store/clock.hpp"

namespace pdpp::store {

Portal open_violations() {
    // One statement, so one snapshot. What is wrong is said only of the suspects: the runs that are not all well. The
    // spine is read twice: once in order, for what each run's events say of each other and of flight state, and once
    // for the admissions of each connection.
    static Statement check{R"(
with events as (
    select e.run_id, e.event_seq, e.event_type, e.recorded_at, e.source_kind,
           lag(e.recorded_at) over (partition by e.run_id order by e.event_seq) as recorded_before,
           case when e.event_type = 'run.admitted' then 1 when e.event_type = 'run.started' then 2
                when e.event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned') then 3 end as phase
    from pdpp.spine_events as e
), runs as (
    select e.run_id, count(*) as events, min(e.event_seq) as first_seq, max(e.event_seq) as last_seq,
           count(*) filter (where e.phase = 1) as admissions,
           bool_or(e.event_seq = 1 and e.source_kind = 'import') as is_imported,
           count(*) filter (where e.phase = 2) as starts,
           count(*) filter (where e.phase = 3) as endings,
           min(e.event_seq) filter (where e.phase = 3) as ended_seq,
           max(e.event_seq) filter (where e.event_type <> 'run.late_outcome') as last_ordinary_seq,
           min(e.event_seq) filter (where e.recorded_at < e.recorded_before) as unordered_seq
    from events as e group by e.run_id
), suspects as materialized (
    select coalesce(r.run_id, f.run_id) as run_id, f.run_id is not null as in_flight,
           coalesce(r.events, 0) as events, r.first_seq, r.last_seq, coalesce(r.admissions, 0) as admissions,
           coalesce(r.starts, 0) as starts, coalesce(r.endings, 0) as endings, r.ended_seq, r.last_ordinary_seq,
           r.unordered_seq, coalesce(r.is_imported, false) as is_imported,
           f.launch_deadline is not null or r.starts > 0 as launches_in_time
    from runs as r full join pdpp.controller_active_runs as f on f.run_id = r.run_id
    where (r.admissions = 1 and r.starts <= 1 and r.endings <= 1 and (r.endings = 0) = (f.run_id is not null)
               and r.first_seq = 1 and (r.endings = 1 or r.last_seq = r.events)
               and (r.endings = 0 or r.last_ordinary_seq = r.ended_seq) and r.unordered_seq is null
               and (r.endings = 1 or r.starts = 1 or f.launch_deadline is not null)) is not true
), admissions as (
    select e.connector_instance_id, count(*) as admissions
    from pdpp.spine_events as e where e.event_type = 'run.admitted' group by e.connector_instance_id
)
select v.invariant, r.run_id, v.detail, null::uuid
from suspects as r cross join lateral (values
    ('in_flight_or_ended', r.admissions > 0 and r.endings = 0 and not r.in_flight and not r.is_imported,
     'admitted, but neither in flight nor ended'),
    ('in_flight_or_ended', r.endings > 0 and r.in_flight, 'ended, and still in flight'),
    ('in_flight_or_ended', r.admissions = 0 and r.in_flight, 'in flight, but never admitted'),
    ('launch_has_deadline', r.in_flight and r.admissions > 0 and r.endings = 0 and not r.launches_in_time and not r.is_imported,
     'not started, and without a deadline for that'),
    ('one_event_a_phase', greatest(r.admissions, r.starts, r.endings) > 1,
     format('%s admissions, %s starts, %s endings', r.admissions, r.starts, r.endings)),
    ('gapless_sequence', r.first_seq <> 1, format('begins with event %s', r.first_seq)),
    ('gapless_sequence', r.endings = 0 and r.last_seq <> r.first_seq + r.events - 1,
     format('%s events, the last of them number %s', r.events, r.last_seq)),
    ('nothing_after_the_end', r.last_ordinary_seq > r.ended_seq and not r.is_imported,
     format('ended with event %s, and event %s is no late outcome', r.ended_seq, r.last_ordinary_seq)),
    ('commit_order', r.unordered_seq is not null,
     format('event %s was recorded before the one it follows', r.unordered_seq))
) as v(invariant, violated, detail)
where v.violated
union all
select 'generations_rise', f.run_id,
       format('connection %s is at generation %s, after %s admissions; its run in flight has generation %s',
              coalesce(c.connector_instance_id, a.connector_instance_id, f.connector_instance_id),
              coalesce(c.run_generation::text, 'none'), coalesce(a.admissions, 0),
              coalesce(f.run_generation::text, 'none')),
       null
from pdpp.connections as c
full join admissions as a on a.connector_instance_id = c.connector_instance_id
full join pdpp.controller_active_runs as f
       on f.connector_instance_id = coalesce(c.connector_instance_id, a.connector_instance_id)
where coalesce(c.run_generation, 0) < greatest(a.admissions, f.run_generation)
union all
select 'dead_boots_are_settled', f.run_id,
       case when b.boot_epoch is null then format('owned by boot %s, which nobody knows', f.boot_epoch)
            else format('owned by boot %s of controller %s, lost since %s', b.seq, b.controller_id, b.lost_at) end,
       case when b.dead_at is null then b.boot_epoch end
from pdpp.controller_active_runs as f left join pdpp.controller_boots as b on b.boot_epoch = f.boot_epoch
where f.boot_epoch is not null and (b.boot_epoch is null or b.lost_at < $1)
union all
select 'keys_have_runs', k.run_id, format('idempotency key %s names it, but it was never admitted', k.key), null
from pdpp.idempotency_keys as k
where not exists (select from pdpp.spine_events as e where e.run_id = k.run_id and e.event_type = 'run.admitted')
union all
select 'retries_repeat_ended_runs', r.run_id,
       case when a.run_id is null then format('said to repeat run %s, which was never admitted', r.source_id)
            when a.connector_instance_id is distinct from r.connector_instance_id
            then format('repeats run %s of connection %s, and is of connection %s', r.source_id,
                        coalesce(a.connector_instance_id, 'none'), coalesce(r.connector_instance_id, 'none'))
            else format('repeats run %s, which has not ended', r.source_id) end,
       null
from pdpp.spine_events as r
left join pdpp.spine_events as a on a.run_id = r.source_id and a.event_type = 'run.admitted'
where r.source_kind = 'retried_run'
      and (r.event_type <> 'run.admitted' or a.run_id is null
           or a.connector_instance_id is distinct from r.connector_instance_id
           or not exists (select from pdpp.spine_events as e where e.run_id = a.run_id and e.event_type in ('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')))
)"};
    // A boot that was lost before this is dead, and a pass of the guard has been since: nothing while the server has
    // not been up for as long.
    const std::int64_t due = (std::int64_t{settings::liveness_grace} + settings::reconcile_interval) * 1000;
    const Clock clock = read_clock();
    const auto serving_since = clock.serving_since();
    const bool is_settled = !serving_since || serving_since->unix_micros < clock.now.unix_micros - due;
    // stamps of a clock that was set ahead since look older than they are
    const run::Instant cutoff{clock.now.unix_micros - due - clock.past.furthest_forward()};
    return check.open({is_settled ? cutoff : run::Instant{}});
}

} // namespace pdpp::store
