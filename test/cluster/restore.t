# A restore row by row, slower than the grace, into a server whose worker ends whatever has no living controller: the database is
# not named in pdpp.databases until all is there.
use strict;
use warnings;
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('restore', conf => q{
shared_preload_libraries = 'pdpp'
pdpp.databases = 'served'
pdpp.liveness_grace = 0
pdpp.reconcile_interval = 20ms
client_min_messages = error
});
$node->safe_psql('postgres', "create database $_") for qw(used restored served);
$node->safe_psql('used', q{
    create extension pdpp;
    select pdpp_controller_boot('there');
    select pdpp_controller_offer('[{"connector_instance_id": "r-started", "connector_id": "r"}]');
    select pdpp_run_now('r', 'r-started', 'r-started');
    select pdpp_run_claim();
    select pdpp_run_started('r-started');
    select pdpp_run_event('r-started', 'note', jsonb_build_object('n', n)) from generate_series(1, 5) as n;
    select pdpp_run_now('r', 'r-waiting', 'r-waiting');
    select pdpp_run_now('r', 'r-ended', 'r-ended');
    select pdpp_run_settle('r-ended', 'completed');
    update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'r-waiting';
});
sub history { $node->safe_psql($_[0], 'select e from pdpp.spine_events as e order by run_id, event_seq') }

my $dump = PostgreSQL::Test::Utils::tempdir . '/rows.sql';
$node->command_ok([ 'pg_dump', '--host', $node->host, '--port', $node->port, '--inserts', '--file', $dump, 'used' ], 'a dump of single rows');
my $rows = slurp_file($dump) =~ s/^(INSERT .*;)$/$1 SELECT pg_sleep(0.05);/gmr;
my $before = history('used');
my ($code, undef, $err) = $node->psql('restored', $rows, on_error_stop => 1);
is($code, 0, 'is restored row by row') or diag $err;
is(history('restored'), $before, 'nothing was ended meanwhile');
is($node->safe_psql('restored', 'select count(*) from pdpp.controller_active_runs'), '2', 'two runs are in flight');

$node->append_conf('postgresql.conf', q{pdpp.databases = 'served, restored'});
$node->reload;
ok($node->poll_query_until('restored', 'select count(*) = 0 from pdpp.controller_active_runs'), 'served from now on, its runs end');
is($node->safe_psql('restored', q{select string_agg(run_id || ' ' || status, ', ' order by run_id) from pdpp_runs}),
    'r-ended completed, r-started abandoned, r-waiting failed', 'as what they are');
is($node->safe_psql('restored', 'select count(*) from pdpp_check()'), '0', 'all is well');

# into a database that is served: its worker is told to leave first
sub worker_in { my ($database) = @_; return "exists (select from pg_stat_activity where backend_type = 'pdpp worker' and datname = '$database')" }
$node->safe_psql('postgres', 'create database again');
$node->append_conf('postgresql.conf', q{pdpp.databases = 'served, restored, again'});
$node->reload;
ok($node->poll_query_until('postgres', 'select ' . worker_in('again')), 'a database that is served');
$node->append_conf('postgresql.conf', q{pdpp.databases = 'served, restored'});
$node->reload;
ok($node->poll_query_until('postgres', 'select not ' . worker_in('again')), 'is left by its worker, once it is named no longer');
($code, undef, $err) = $node->psql('again', $rows, on_error_stop => 1);
is($code, 0, 'and is restored row by row') or diag $err;
is(history('again'), $before, 'with nothing ended meanwhile');
$node->append_conf('postgresql.conf', q{pdpp.databases = 'served, restored, again'});
$node->reload;
ok($node->poll_query_until('again', 'select count(*) = 0 from pdpp.controller_active_runs'), 'named again, it is served again');
is($node->safe_psql('again', 'select count(*) from pdpp_check()'), '0', 'and all is well');

# a run whose start has not come: its deadline is gone, and nobody is told that it never started
$node->safe_psql('used', q{
    insert into pdpp.connections values ('r-half', 'r', 1);
    insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation, boot_epoch)
    values ('r-half', 'r', 'r-half', 't', now(), 1, gen_random_uuid());
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at) values ('r-half', 1, 'a', 'run.admitted', now(), now());
    select pdpp_reconcile();
});
is($node->safe_psql('used', q{select pdpp_run_status('r-half')->>'status'}), 'active', 'a run whose start has yet to be restored goes on');
$node->safe_psql('used', q{
    insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at) values ('r-half', 2, 'b', 'run.started', now(), now());
    select pdpp_reconcile();
});
is($node->safe_psql('used', q{select pdpp_run_status('r-half')->>'status'}), 'abandoned', 'until it has');

$node->stop;
done_testing();
