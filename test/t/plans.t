# The access path of every statement that the extension keeps: what auto_explain sees while each function is called, in a
# database with long and short runs. PDPP_PLANS=FILE writes the plans themselves, PDPP_PLANS_RUNS says of how many runs of five
# events (docs/plans.md is what that gives for 1989900).

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $runs = $ENV{PDPP_PLANS_RUNS} // 2000;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
$node->append_conf('postgresql.conf', <<~'CONF');
	shared_preload_libraries = 'auto_explain'
	auto_explain.log_nested_statements = on
	auto_explain.log_analyze = on
	auto_explain.log_buffers = on
	auto_explain.log_timing = off
	autovacuum = off
	pdpp.liveness_grace = 0
	shared_buffers = 1GB
	max_wal_size = 8GB
	fsync = off
	CONF
$node->start;
PostgreSQL::Test::Utils::system_or_bail('psql', '-Xqv', "runs=$runs", '-v', 'long_run=5000', '-f', 'bench/load.sql', $node->connstr('postgres'));
$node->safe_psql('postgres', q{
	insert into pdpp.connections (connector_instance_id, connector_id) select 'c-' || i, 'gmail' from generate_series(1, 10000) as i;
	vacuum (analyze) pdpp.connections;});

# what is called, in sessions of their own: a boot is its session's
my @sessions = (
	[ q{select pdpp_controller_boot('lost')}, q{select pdpp_controller_offer('[{"connector_instance_id": "l", "connector_id": "lost"}]')},
		q{select pdpp_run_now('lost', 'l', 'l')}, q{select pdpp_run_claim()}, q{select pdpp_run_started('l')} ],
	[ q{select pdpp_reconcile()}, q{select pdpp_controller_boot('lost')}, q{select pdpp_controller_boot('kept')},
		q{select pdpp_controller_rejoin((select boot_epoch from pdpp.controller_boots where controller_id = 'kept'))},
		q{select pdpp_controller_offer('[{"connector_instance_id": "o", "connector_id": "offered"}, {"connector_instance_id": "p", "connector_id": "p"}]')},
		q{select pdpp_connector_run_now('offered')}, q{select pdpp_run_claim()}, q{select pdpp_connection_run_now('p', 'p')}, q{select pdpp_run_claim('p')},
		(q{select pdpp_run_now('n', 'n', 'n', 'key')}) x 2, (q{select pdpp_run_started('n', event_id => 's')}) x 2,
		(q{select pdpp_run_event('n', 'note', event_id => 'e')}) x 2, q{select pdpp_run_fence('n')}, q{select pdpp_run_cancel('n')},
		(q{select pdpp_run_settle('n', 'failed', event_id => 'end')}) x 2, q{select pdpp_run_settle('n', 'completed')},
		q{select pdpp_run_now('f', 'f', 'f')}, q{select pdpp_run_launch_failed('f', 'no')} ],
	[   (map { "select pdpp_run_list($_)" } '', map { ("status => $_", "status => $_, connector_id => 'gmail'", "status => $_, connector_instance_id => 'c-7'") } "null", "'active'", "'completed'"),
		q{select pdpp_run_timeline('run of 5000 events', 100)}, q{select pdpp_run_timeline('run of 5000 events', 100, pdpp_run_timeline('run of 5000 events', 4000) ->> 'next_cursor')},
		q{select pdpp_run_status('n')}, q{select count(*) from pdpp_run_statuses('{n,f,unknown}')}, q{select pdpp_prune('2026-01-01 00:10Z')},
		q{select pdpp_run_endings('2026-01-01 00:10Z')} ],
	# a trigger, and rows are written by statements
	[   q{create function pass() returns trigger language plpgsql as 'begin return new; end'},
		map({ "create trigger pass before insert on pdpp.$_ for each row execute function pass()" } 'spine_events', 'controller_active_runs'),
		q{select pdpp_run_now('w', 'w', 'w')}, q{select pdpp_run_settle('w', 'completed')} ],
);
my $from = -s $node->logfile;
for my $calls (@sessions)
{
	my ($status, undef, $stderr) = $node->psql('postgres', join(";\n", 'set jit = off', 'set auto_explain.log_min_duration = 0', @$calls), on_error_stop => 1);
	is($status, 0, "called: $calls->[0]") or diag($stderr);
}

# by statement: its plan, and how it gets to rows of ours
my (%plan, %path);
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $from);
while ($log =~ /LOG:  duration: \S+ ms  plan:\n((?:\t.*\n)+)/g)
{
	my @lines = split /\n/, $1 =~ s/^\t//gmr;
	my ($first) = grep { $lines[$_] =~ /\(cost=/ } 0 .. $#lines;
	my $statement = join(' ', @lines[ 0 .. $first - 1 ]) =~ s/\s+/ /gr =~ s/^Query Text: //r;
	my $plan = join "\n", @lines[ $first .. $#lines ];
	my @scans = map { s/.*: /conflict in /r } $plan =~ /Conflict Arbiter Indexes: \w+/g;
	push @scans, $plan =~ /((?:Index (?:Only )?Scan (?:Backward )?using \w+|Tid Scan|Seq Scan) on (?:spine_events|connections|controller_active_runs|controller_boots|idempotency_keys)\b)/g;
	push @scans, $plan =~ /Bitmap Index Scan on \w+/g;
	next if $statement !~ /\bpdpp\./ or $statement =~ /\bpdpp_\w+\(/;
	$plan{$statement} //= $plan;
	$path{$statement}{ s/ Backward//r =~ s/ using (\w+) on .*/ $1/r } = 1 for @scans;
}

my %seen;
$seen{ join(', ', sort keys %{ $path{$_} }) || 'nothing' }{ substr($_, 0, 78) } = 1 for keys %plan;
my $seen = join '', map { my $path = $_; map { "$path <- $_\n" } sort keys %{ $seen{$path} } } sort keys %seen;
unlike($seen, qr/Seq Scan/, 'no statement walks a table');
is($seen, join('', <DATA>), 'each statement goes by its index');

if (my $file = $ENV{PDPP_PLANS})
{
	PostgreSQL::Test::Utils::append_to_file($file, join '', map { "```\n$_\n\n$plan{$_}\n```\n\n" } sort keys %plan);
}
$node->stop;
done_testing();
__DATA__
Bitmap Index Scan on controller_boots_not_dead <- select boot_epoch, lost_at from pdpp.controller_boots where dead_at is null or
Bitmap Index Scan on controller_boots_pkey, Index Scan controller_active_runs_run_id_key, Index Scan controller_boots_boot_epoch_key <- select f.run_id from pdpp.controller_active_runs as f left join pdpp.controlle
Index Only Scan connections_offered <- select count(*), coalesce(min(id), ''), coalesce(jsonb_agg(id order by id), '[
Index Only Scan controller_active_runs_list <- select run_id, started_at from pdpp.controller_active_runs where (started_at, 
Index Only Scan controller_boots_pkey <- insert into pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at) 
Index Only Scan spine_events_list <- select run_id, admitted_at from pdpp.spine_events where event_type collate "C"
Index Only Scan spine_events_list_by_connection <- select run_id, admitted_at from pdpp.spine_events where event_type collate "C"
Index Only Scan spine_events_list_by_connector <- select run_id, admitted_at from pdpp.spine_events where event_type collate "C"
Index Only Scan spine_events_pkey <- insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurr
Index Only Scan spine_events_pkey <- select max(event_seq) > count(*) from (select event_seq from pdpp.spine_events
Index Scan connections_offered, Index Scan controller_active_runs_run_id_key, Index Scan controller_active_runs_unclaimed <- update pdpp.controller_active_runs as f set boot_epoch = $1 where f.run_id = (
Index Scan connections_pkey <- update pdpp.connections set run_generation = run_generation + 1 where connecto
Index Scan connections_pkey, Index Scan controller_boots_boot_epoch_key, Index Scan controller_boots_pkey <- select from pdpp.connections as c where (c.boot_epoch = $2 or c.boot_epoch in 
Index Scan connections_pkey, Index Scan controller_boots_boot_epoch_key, Index Scan controller_boots_pkey <- update pdpp.connections as c set boot_epoch = null where (c.boot_epoch = $2 or
Index Scan controller_active_runs_list <- select run_id, started_at from pdpp.controller_active_runs where (started_at, 
Index Scan controller_active_runs_pkey <- select run_id, started_at from (select run_id, started_at from pdpp.controller
Index Scan controller_active_runs_run_id_key <- delete from pdpp.controller_active_runs where run_id = $1
Index Scan controller_active_runs_run_id_key <- update pdpp.controller_active_runs as f set boot_epoch = $2 where f.run_id = $
Index Scan controller_active_runs_run_id_key <- update pdpp.controller_active_runs set cancel_requested_at = $2, cancel_reques
Index Scan controller_active_runs_run_id_key <- update pdpp.controller_active_runs set launch_deadline = null, boot_epoch = co
Index Scan controller_boots_boot_epoch_key <- select controller_id, lost_at, dead_at from pdpp.controller_boots where boot_e
Index Scan controller_boots_boot_epoch_key <- select controller_id, seq, booted_at from pdpp.controller_boots where boot_epo
Index Scan controller_boots_boot_epoch_key <- select lost_at from pdpp.controller_boots where boot_epoch = $1 and dead_at is
Index Scan controller_boots_boot_epoch_key <- update pdpp.controller_boots set lost_at = $2, dead_at = $3 where boot_epoch =
Index Scan controller_boots_boot_epoch_key <- update pdpp.controller_boots set lost_at = null where boot_epoch = $1 and lost
Index Scan controller_boots_boot_epoch_key, Index Scan spine_events_endings <- with endings as materialized ( select event_type, recorded_at, data_json from 
Index Scan controller_boots_not_dead <- select boot_epoch, lost_at from pdpp.controller_boots where dead_at is null an
Index Scan idempotency_keys_pkey <- select run_id, digest = $2 from pdpp.idempotency_keys where key = $1
Index Scan spine_events_event_id_key <- select event_type, event_id, event_seq, recorded_at from pdpp.spine_events whe
Index Scan spine_events_lifecycle, Index Scan spine_events_prunable <- select count(*) from (select from pdpp.spine_events as e where e.event_type no
Index Scan spine_events_lifecycle, Index Scan spine_events_prunable, Tid Scan on spine_events <- with removed as (delete from pdpp.spine_events where ctid = any (array(select 
Index Scan spine_events_pkey <- select data_json from pdpp.spine_events where run_id = $1 and event_seq = 1
Index Scan spine_events_pkey <- select event_seq, event_type, occurred_at, recorded_at, admitted_at, version, 
Index Scan spine_events_pkey <- select from pdpp.spine_events where run_id = $1 and event_seq = 1 for no key u
conflict in connections_pkey <- insert into pdpp.connections as c (connector_instance_id, connector_id, run_ge
conflict in connections_pkey <- with offered as ( insert into pdpp.connections as c (connector_instance_id, co
nothing <- insert into pdpp.controller_active_runs (connector_instance_id, connector_id, 
nothing <- insert into pdpp.idempotency_keys (key, run_id, digest, created_at) values ($1
