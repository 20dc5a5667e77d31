-- Every function of the API, called so that every statement behind it is run: what bench/plans lets auto_explain see. In a database
-- that load.sql has filled, and in sessions one after the other, since a boot is its session's.
set auto_explain.log_min_duration = -1;
insert into pdpp.connections (connector_instance_id, connector_id) select 'c-' || i, 'gmail' from generate_series(1, 10000) as i;
vacuum (analyze) pdpp.connections;

\connect -
select pdpp_controller_boot('lost');
select pdpp_controller_offer('[{"connector_instance_id": "l", "connector_id": "lost"}]');
select pdpp_run_now('lost', 'l', 'l');
select pdpp_run_claim();
select pdpp_run_started('l');
select pg_backend_pid() as lost \gset

\connect -
-- the boot is lost when its session has gone, which takes its time
set auto_explain.log_min_duration = -1;
select set_config('bench.lost', :'lost', false);
do $$
begin
    while exists (select from pg_stat_activity where pid = current_setting('bench.lost')::int) loop
        perform pg_sleep(0.01);
        perform pg_stat_clear_snapshot();
    end loop;
end
$$;
reset auto_explain.log_min_duration;
select pdpp_reconcile();
select pdpp_controller_boot('lost');
select pdpp_controller_boot('kept');
select pdpp_controller_rejoin((select boot_epoch from pdpp.controller_boots where controller_id = 'kept'));
select pdpp_controller_offer('[{"connector_instance_id": "o", "connector_id": "offered"}, {"connector_instance_id": "p", "connector_id": "p"}]');
select pdpp_connector_run_now('offered');
select pdpp_run_claim();
select pdpp_run_claim(10); -- of none
select pdpp_connection_run_now('p', 'p');
select pdpp_run_claim('p');
select pdpp_run_now('n', 'n', 'n', 'key') from generate_series(1, 2);
select pdpp_run_started('n', event_id => 's') from generate_series(1, 2);
select pdpp_run_event('n', 'note', event_id => 'e') from generate_series(1, 2);
select pdpp_run_fence('n');
select pdpp_run_cancel('n');
select pdpp_run_settle('n', 'failed', event_id => 'end') from generate_series(1, 2);
select pdpp_run_settle('n', 'completed');
select pdpp_run_now('f', 'f', 'f');
select pdpp_run_launch_failed('f', 'no');

\connect -
select pdpp_run_list(status => s) from (values (null), ('active'), ('completed')) as filters (s);
select pdpp_run_list(status => s, connector_id => 'gmail') from (values (null), ('active'), ('completed')) as filters (s);
select pdpp_run_list(status => s, connector_instance_id => 'c-7') from (values (null), ('active'), ('completed')) as filters (s);
select pdpp_run_list(retry_of => 'run_7');
select pdpp_connection_list(connector, connection, offered, active)
from (values (null, null, null, null), ('gmail', null, null, null), (null, 'c-7', null, null), (null, null, true, null), (null, null, null, true)) as v(connector, connection, offered, active);
select pdpp_run_timeline(:'long', 100, pdpp_run_timeline(:'long', 4000) ->> 'next_cursor');
select pdpp_run_status('n');
select count(*) from pdpp_run_statuses('{n,f,unknown}');
select pdpp_prune('2026-01-01 00:10Z');
select pdpp_run_endings('2026-01-01 00:10Z');

-- a trigger, and rows are written by statements
\connect -
create function pass() returns trigger language plpgsql as 'begin return coalesce(new, old); end';
create trigger pass before insert on pdpp.spine_events for each row execute function pass();
create trigger pass before insert or update or delete on pdpp.controller_active_runs for each row execute function pass();
create trigger pass before insert or update on pdpp.connections for each row execute function pass();
select pdpp_run_now('w', 'w', 'w');
select pdpp_run_started('w');
select pdpp_run_settle('w', 'completed');
