-- What a person sees in psql: what there is, and how it says no.
create extension pdpp;

-- what there is
\d pdpp_runs

-- a refusal, with its detail and its hint
select pdpp_run_now('gmail', 'gmail-anna', run_id => 'run_1') ->> 'run_id' as run_id;
select pdpp_run_now('gmail', 'gmail-anna');
select pdpp_run_now('gmail', 'gmail-ben', run_id => 'run_1');
select pdpp_connection_run_now('gmail-carl');
select pdpp_run_now('', 'gmail-anna');
select pdpp_run_now('gmail', data => '[]');
select pdpp_run_claim();
select pdpp_run_event('run_1', 'run.completed');
select pdpp_run_settle('run_1', 'done');
select pdpp_run_list(page_size => 0);
select pdpp_run_timeline('run_1', cursor => 'x');

-- an unknown handle is an answer, and no error, for who reads; for who writes it is one
select jsonb_pretty(pdpp_run_status('run_2'));
select pdpp_run_settle('run_2', 'completed');
select pdpp_run_cancel('run_2');

-- how a run ends, and what cannot be done to it then
select pdpp_run_settle('run_1', 'completed') ->> 'status' as status;
select pdpp_run_cancel('run_1');
select pdpp_run_started('run_1');

-- history is nobody's to change
update pdpp.spine_events set event_type = 'x';
delete from pdpp.spine_events;
truncate pdpp.spine_events;
update pdpp.connections set run_generation = 0;

-- who may call
create role regress_pdpp_nobody;
set role regress_pdpp_nobody;
select pdpp_run_status('run_1');
reset role;
select pdpp_grant('regress_pdpp_nobody', 'reader');
select pdpp_grant('regress_pdpp_nobody', 'owner');
set role regress_pdpp_nobody;
select pdpp_run_status('run_1') ->> 'status' as status;
select pdpp_prune(now());
reset role;

select * from pdpp_check();
drop extension pdpp;
drop owned by regress_pdpp_nobody;
drop role regress_pdpp_nobody;
