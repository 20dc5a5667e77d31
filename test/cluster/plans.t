# The access path of every statement that the extension keeps, in a database with long and short runs: bench/plans.

use strict;
use warnings;
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('main', conf => "pdpp.liveness_grace = 0\nautovacuum = off");
@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
PostgreSQL::Test::Utils::system_or_bail('psql', '-Xqv', 'runs=2000', '-v', 'long_run=5000', '-f', 'bench/load.sql');
my $plans = qx(bench/plans);
is($?, 0, 'every function was called');

# how each statement gets to rows of ours
my %seen;
for my $block (split /\n\n/, $plans)
{
	my ($statement, $plan) = split /\n/, $block, 2;
	my @scans = map { s/.*: /conflict in /r } $plan =~ /Conflict Arbiter Indexes: \w+/g;
	push @scans, $plan =~ /Bitmap Index Scan on \w+/g;
	push @scans, map { s/ Backward//r =~ s/ using (\w+) on .*/ $1/r }
	  $plan =~ /((?:Index (?:Only )?Scan (?:Backward )?using \w+|Tid Scan|Seq Scan) on (?:spine_events|connections|controller_active_runs|controller_boots|idempotency_keys)\b)/g;
	my %distinct = map { $_ => 1 } @scans;
	$seen{ join(', ', sort keys %distinct) || 'nothing' }{ substr($statement, 0, 78) =~ s{ \z}{}r } = 1;
}
my $seen = join '', map { my $path = $_; map { "$path <- $_\n" } sort keys %{ $seen{$path} } } sort keys %seen;
unlike($seen, qr/Seq Scan/, 'no statement walks a table');

# two lists, of what is new and of what is gone: of the whole, what differs would not be found
my %expected = map { $_ => 1 } <DATA>;
my %found = map { ("$_\n" => 1) } split /\n/, $seen;
is(join('', grep { !$expected{$_} } sort keys %found), '', 'no statement goes by another index than it should');
is(join('', grep { !$found{$_} } sort keys %expected), '', 'each statement goes by its index');
$node->stop;
done_testing();
__DATA__
Bitmap Index Scan on controller_active_runs_run_id_key, Index Scan connections_pkey, Index Scan controller_active_runs_list <- update pdpp.controller_active_runs as f set boot_epoch = $1 where f.run_id = a
Bitmap Index Scan on controller_boots_not_dead <- select boot_epoch, lost_at from pdpp.controller_boots where dead_at is null or
Bitmap Index Scan on controller_boots_pkey, Index Scan controller_active_runs_run_id_key <- select f.run_id, coalesce(f.started_at, '-infinity'), f.launch_deadline, f.boo
Index Only Scan connections_by_boot, Index Only Scan controller_active_runs_pkey, Index Scan connections_by_boot, Index Scan controller_active_runs_pkey, Index Scan controller_boots_boot_epoch_key <- with recursive named(boot_epoch) as ( (select c.boot_epoch from pdpp.connectio
Index Only Scan connections_offered <- select count(*), coalesce(min(id), ''), coalesce(jsonb_agg(id order by id), '[
Index Only Scan controller_active_runs_pkey, Index Scan connections_pkey, Index Scan controller_active_runs_pkey, Index Scan controller_boots_boot_epoch_key <- select c.connector_instance_id, c.connector_id, c.run_generation, case when c.
Index Only Scan controller_boots_pkey <- select seq from pdpp.controller_boots where controller_id = $1 order by seq de
Index Only Scan spine_events_pkey <- select event_seq from pdpp.spine_events where run_id = $1 order by event_seq d
Index Only Scan spine_events_pkey <- select max(event_seq) > count(*) from (select event_seq from pdpp.spine_events
Index Only Scan spine_events_retries <- select run_id, admitted_at from pdpp.spine_events where source_kind = 'retried
Index Scan connections_by_connector, Index Scan controller_active_runs_pkey, Index Scan controller_boots_boot_epoch_key <- select c.connector_instance_id, c.connector_id, c.run_generation, case when c.
Tid Scan on connections <- update pdpp.connections as c set run_generation = run_generation + 1, connecto
Index Scan connections_pkey, Index Scan controller_active_runs_pkey, Index Scan controller_boots_boot_epoch_key <- select c.connector_instance_id, c.connector_id, c.run_generation, case when c.
Index Scan connections_pkey, Index Scan controller_boots_boot_epoch_key, Index Scan controller_boots_pkey <- select from pdpp.connections as c where (c.boot_epoch = $2 or c.boot_epoch in
Index Scan connections_pkey, Index Scan controller_boots_boot_epoch_key, Index Scan controller_boots_pkey <- update pdpp.connections as c set boot_epoch = null where (c.boot_epoch = $2 or
Index Scan controller_active_runs_list <- select run_id, started_at from pdpp.controller_active_runs where (started_at,
Index Scan controller_active_runs_offered, Tid Scan on controller_active_runs <- update pdpp.controller_active_runs as f set offered_by = null where f.ctid = a
Index Scan controller_active_runs_pkey <- select run_id, started_at from (select run_id, started_at from pdpp.controller
Index Scan controller_active_runs_pkey, Tid Scan on controller_active_runs <- update pdpp.controller_active_runs as f set offered_by = $2 where f.ctid = any
Index Scan controller_active_runs_run_id_key <- delete from pdpp.controller_active_runs where run_id = $1
Index Scan controller_active_runs_run_id_key <- update pdpp.controller_active_runs as f set boot_epoch = $2 where f.run_id = $
Index Scan controller_active_runs_run_id_key <- update pdpp.controller_active_runs as f set launch_deadline = null, boot_epoch
Index Scan controller_active_runs_run_id_key <- update pdpp.controller_active_runs set cancel_requested_at = $2, cancel_reques
Index Scan controller_active_runs_run_id_key <- update pdpp.controller_active_runs set deadline_at = $2, deadline_set_at = $3
Index Scan controller_boots_boot_epoch_key <- select controller_id, lost_at, dead_at from pdpp.controller_boots where boot_e
Index Scan controller_boots_boot_epoch_key <- select controller_id, seq, booted_at, lost_at from pdpp.controller_boots where
Index Scan controller_boots_boot_epoch_key <- select lost_at from pdpp.controller_boots where boot_epoch = $1 and dead_at is
Index Scan controller_boots_boot_epoch_key <- update pdpp.controller_boots set lost_at = $2, dead_at = $3 where boot_epoch =
Index Scan controller_boots_boot_epoch_key <- update pdpp.controller_boots set lost_at = null where boot_epoch = $1 and lost
Index Scan controller_boots_boot_epoch_key, Index Scan spine_events_endings <- with endings as materialized ( select event_type, recorded_at, data_json from
Index Scan controller_boots_not_dead <- select boot_epoch, lost_at from pdpp.controller_boots where dead_at is null an
Index Scan idempotency_keys_pkey <- select run_id, digest = $2 from pdpp.idempotency_keys where key = $1
Index Scan spine_events_event_id_key <- select event_type, event_id, event_seq, recorded_at from pdpp.spine_events whe
Index Scan spine_events_lifecycle, Index Scan spine_events_prunable <- select count(*) from (select from pdpp.spine_events as e where e.event_type no
Index Scan spine_events_lifecycle, Index Scan spine_events_prunable, Tid Scan on spine_events <- with removed as (delete from pdpp.spine_events where ctid = any (array(select
Index Scan spine_events_list <- select run_id, admitted_at from pdpp.spine_events where event_type in ('run.ad
Index Scan spine_events_list_by_connection <- select run_id, admitted_at from pdpp.spine_events where event_type in ('run.ad
Index Scan spine_events_list_by_connector <- select run_id, admitted_at from pdpp.spine_events where event_type in ('run.ad
Index Scan spine_events_pkey <- insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurr
Index Scan spine_events_pkey <- select data_json from pdpp.spine_events where run_id = $1 and event_seq = 1
Index Scan spine_events_pkey <- select event_seq, event_type, occurred_at, recorded_at, admitted_at, version::
Index Scan spine_events_pkey <- select from pdpp.spine_events where run_id = $1 and event_seq = 1 for no key u
conflict in connections_pkey <- insert into pdpp.connections as c (connector_instance_id, connector_id, run_ge
conflict in connections_pkey <- with offered as ( insert into pdpp.connections as c (connector_instance_id, co
nothing <- insert into pdpp.controller_active_runs (connector_instance_id, connector_id,
nothing <- insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at)
nothing <- insert into pdpp.idempotency_keys (key, run_id, digest, created_at) values ($1
