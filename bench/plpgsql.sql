-- The same projection as `pdpp_run_status` as a PostgreSQL developer would write it by hand in PL/pgSQL over the same index.
create function bench_plpgsql_status(id text) returns jsonb language plpgsql stable as $$
declare
    admitted pdpp.spine_events;
    started pdpp.spine_events;
    ended pdpp.spine_events;
    event pdpp.spine_events;
    cancel timestamptz;
begin
    for event in
        select * from pdpp.spine_events as e
        where e.run_id = id and e.event_type in ('run.admitted', 'run.started',
                                                 'run.completed', 'run.failed', 'run.cancelled', 'run.abandoned')
    loop
        case event.event_type
            when 'run.admitted' then admitted := event;
            when 'run.started' then started := event;
            else ended := event;
        end case;
    end loop;
    if admitted.run_id is null then
        return jsonb_build_object('error', jsonb_build_object('type', 'not_found_error', 'code', 'not_found',
            'message', 'Run not found: ' || id, 'param', 'run_id'));
    end if;
    if ended.run_id is null then
        select cancel_requested_at into cancel from pdpp.controller_active_runs where run_id = id;
    end if;
    return jsonb_build_object(
        'object', 'run_status', 'run_id', id,
        'status', coalesce(substr(ended.event_type, 5), 'active'),
        'connector_id', coalesce(started.actor_id, ended.actor_id, admitted.actor_id),
        'connector_instance_id', coalesce(started.connector_instance_id, admitted.connector_instance_id),
        'trace_id', coalesce(started.trace_id, ended.trace_id, admitted.trace_id),
        'admitted_at', to_char(admitted.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'started_at', to_char(started.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'completed_at', to_char(ended.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'cancel_requested_at', cancel,
        'terminal_reason', nullif(coalesce(ended.data_json->>'reason', ended.data_json->>'failure_reason'), ''),
        'failure', null,
        'links', jsonb_build_object('timeline', '/_ref/runs/' || id || '/timeline'));
end
$$;
