# pdpp import --follow: what commits there is here, and soon, whatever commits late or out of its order; either server
# may restart; and SIGKILL at any instant, followed by another import, comes to the same as one that was left in peace.

use strict;
use warnings;

use IPC::Run ();
use JSON::PP qw(decode_json);
use PdppCluster;
use PdppServer;
use PostgreSQL::Test::Utils;
use Programs qw(within);
use Test::More;
use TheirServer;
use Time::HiRes qw(sleep time);

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $node = PdppCluster->running('main', conf => "max_prepared_transactions = 5\nshared_preload_libraries = 'pdpp'\npdpp.databases = 'postgres'");
my $there = PdppCluster->bare('there', conf => 'max_prepared_transactions = 5');
my $folder = PostgreSQL::Test::Utils::tempdir();
my @cin = (connector_instance_id => 'cin_a');

sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement); }
sub status_of { my ($run_id) = @_; return sql("SELECT pdpp_run_status('$run_id')->>'status'"); }
sub events_of { my ($run_id) = @_; return sql("SELECT count(*) FROM pdpp.spine_events WHERE run_id = '$run_id'"); }

sub follow
{
	my ($theirs, @options) = @_;
	return PdppServer->launch(
		name => 'import',
		arguments => [ '--db', $node->connstr('postgres'), 'import', '--from', $theirs->source, '--follow', @options ],
		ready => qr/^following/m);
}

sub comes { my ($what, $statement, $expected) = @_; return is(within(sub { sql($statement) eq $expected }) ? $expected : sql($statement), $expected, $what); }

subtest 'PostgreSQL' => sub {
	my $theirs = TheirServer->in_postgres($there, 'theirs');
	$theirs->event('run_before', 'run.started', @cin);
	$theirs->do('ALTER TABLE spine_events ALTER event_seq SET CACHE 20');

	# begun before everything, with the lowest numbers
	my $late = $there->background_psql('theirs');
	$late->query_safe('BEGIN');
	$late->query_safe($theirs->event_sql('run_late', 'run.started', @cin));
	# a session that keeps numbers for later
	my $sleepy = $there->background_psql('theirs');
	$sleepy->query_safe($theirs->event_sql('run_sleepy', 'run.started', @cin));

	my $import = follow($theirs);
	is(status_of('run_before'), 'active', 'what was there');
	is(status_of('run_sleepy'), 'active', 'whatever its number');

	# an ending there is one here, and who waits is told
	my $listener = $node->background_psql('postgres');
	$listener->query_safe('LISTEN pdpp_run');
	my $waiting = $node->background_psql('postgres');
	$waiting->query_until(qr/ready/, "\\echo ready\nCALL pdpp_run_wait('run_before', '60s');\n");
	$theirs->event('run_before', 'run.completed', @cin);
	comes('an ending there is one here', q{SELECT pdpp_run_status('run_before')->>'status'}, 'completed');
	like($waiting->query_safe('SELECT 1'), qr/"status": "completed"/, 'who waits is told');
	my $key = sql(q{SELECT pdpp_run_key('run_before')});
	ok(within(sub { $listener->query_safe('SELECT 1') =~ /pdpp_run.*$key/ }), 'and who listens');

	# what came before commits after
	$theirs->event('run_after', 'run.started', @cin) for 1 .. 3;
	comes('what is later', q{SELECT count(*) FROM pdpp.spine_events WHERE run_id = 'run_after'}, 4);
	is(events_of('run_late'), 0, 'what has not committed is not here');
	$late->query_safe('COMMIT');
	comes('what commits late', q{SELECT pdpp_run_status('run_late')->>'status'}, 'active');
	$sleepy->query_safe($theirs->event_sql('run_sleepy', 'run.failed', @cin));
	comes('a number from a cache', q{SELECT pdpp_run_status('run_sleepy')->>'status'}, 'failed');
	$theirs->event('run_chosen', 'run.failed', @cin, seq => -5);
	comes('a number below all others', q{SELECT pdpp_run_status('run_chosen')->>'status'}, 'failed');
	$there->safe_psql('theirs', 'BEGIN; ' . $theirs->event_sql('run_rolled', 'run.failed', @cin) . ' ROLLBACK');
	$there->safe_psql('theirs', 'BEGIN; ' . $theirs->event_sql('run_prepared', 'run.failed', @cin) . q{ PREPARE TRANSACTION 'p'});
	$theirs->event('run_after', 'run.note', @cin);
	comes('what follows a prepared one', q{SELECT count(*) FROM pdpp.spine_events WHERE run_id = 'run_after'}, 5);
	$there->safe_psql('theirs', q{COMMIT PREPARED 'p'});
	comes('is followed by it', q{SELECT pdpp_run_status('run_prepared')->>'status'}, 'failed');
	is(events_of('run_rolled'), 0, 'what was rolled back never comes');

	# handles
	$theirs->insert('controller_active_runs', connector_instance_id => 'cin_f', connector_id => 'gmail', run_id => 'run_flying', trace_id => 't', started_at => TheirServer::at(1));
	comes('a handle', q{SELECT pdpp_run_status('run_flying')->>'status'}, 'active');
	comes('in flight', q{SELECT count(*) FROM pdpp.controller_active_runs WHERE run_id = 'run_flying'}, 1);
	$theirs->do(q{DELETE FROM controller_active_runs; } . $theirs->insert_sql('run_history', run_id => 'run_flying', connector_instance_id => 'cin_f', connector_id => 'gmail', status => 'failed',
		terminal_reason => 'lost', started_at => TheirServer::at(1), completed_at => TheirServer::at(2)));
	comes('ends as the history of runs says', q{SELECT pdpp_run_status('run_flying')->>'terminal_reason'}, 'lost');
	comes('and is not in flight', q{SELECT count(*) FROM pdpp.controller_active_runs WHERE run_id = 'run_flying'}, 0);
	$theirs->insert('source_webhook_run_receipts', connector_instance_id => 'cin_w', connector_id => 'gmail', run_id => 'run_hooked', trace_id => 't', started_at => TheirServer::at(1));
	comes('a receipt', q{SELECT pdpp_run_status('run_hooked')->>'status'}, 'active');

	# how soon: from a commit there to its notification here
	$theirs->event("run_timed_$_", 'run.started', @cin) for 1 .. 20;
	comes('runs to be timed', q{SELECT count(*) FROM pdpp.spine_events WHERE run_id LIKE 'run_timed_%'}, 40);
	my %run_of = map { sql("SELECT pdpp_run_key('run_timed_$_')") => $_ } 1 .. 20;
	$listener->query_safe('SELECT 1');
	my @took;
	for my $key (keys %run_of)
	{
		sleep(rand() * 0.2);
		$sleepy->query_safe($theirs->event_sql("run_timed_$run_of{$key}", 'run.completed', @cin));
		my $committed = time;
		my $is_told;
		until ($is_told || time > $committed + $PostgreSQL::Test::Utils::timeout_default) { $is_told = $listener->query_safe('SELECT 1') =~ /pdpp_run.*$key/ }
		push @took, time - $committed if $is_told;
	}
	is(scalar @took, 20, 'every ending is told');
	@took = sort { $a <=> $b } @took;
	diag(sprintf 'from a commit there to its notification here: half of 20 within %.0f ms, the longest %.0f ms', 1000 * $took[9], 1000 * $took[19]);

	# restarts
	$there->restart;
	$theirs->event('run_restart', 'run.started', @cin);
	comes('after a restart there', q{SELECT pdpp_run_status('run_restart')->>'status'}, 'active');
	$node->restart;
	$theirs->event('run_restart', 'run.failed', @cin);
	comes('and here', q{SELECT pdpp_run_status('run_restart')->>'status'}, 'failed');
	$there->stop('immediate');
	sleep(1);
	$there->start;
	$theirs->event('run_crash', 'run.failed', @cin);
	comes('and after a crash', q{SELECT pdpp_run_status('run_crash')->>'status'}, 'failed');
	is(sql('SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	is($import->stop, 0, 'it ends when it is told to');
	$_->quit for $listener, $waiting;
};

subtest 'SQLite' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/theirs.db");
	$theirs->event('sq_before', 'run.started', @cin);
	# somebody has it open, so that there is a log
	my $open = IPC::Run::start([ 'sqlite3', "$folder/theirs.db" ], '<', \my $input, '>', \my $output);
	$input = "SELECT count(*) FROM spine_events;\n";
	$open->pump until $output =~ /1/;
	my $import = follow($theirs);
	comes('what was there', q{SELECT pdpp_run_status('sq_before')->>'status'}, 'active');
	$theirs->event('sq_before', 'run.abandoned', seq => undef, data => { caused_by_event_id => 'evt_1' });
	comes('a row without a number', q{SELECT pdpp_run_status('sq_before')->>'status'}, 'abandoned');
	$theirs->do('UPDATE spine_events SET event_seq = 100 WHERE event_seq IS NULL');
	$theirs->event('sq_next', 'run.failed', @cin);
	comes('what comes next', q{SELECT pdpp_run_status('sq_next')->>'status'}, 'failed');
	is(events_of('sq_before'), 3, 'and a number that is given later makes no other event');
	$theirs->insert('run_history', run_id => 'sq_told', connector_instance_id => 'cin_t', connector_id => 'gmail', status => 'running', started_at => TheirServer::at(1));
	comes('a run of which only the history knows', q{SELECT pdpp_run_status('sq_told')->>'status'}, 'active');
	$theirs->do(q{UPDATE run_history SET status = 'failed', terminal_reason = 'told_later', completed_at = '2026-08-01T12:00:00.000Z' WHERE run_id = 'sq_told'});
	comes('a row that is changed', q{SELECT pdpp_run_status('sq_told')->>'terminal_reason'}, 'told_later');
	$theirs->do(q{DELETE FROM run_history WHERE run_id = 'sq_told'; } .
		$theirs->insert_sql('run_history', run_id => 'sq_replaced', connector_instance_id => 'cin_r', connector_id => 'gmail', status => 'running', started_at => TheirServer::at(1)));
	comes('a row in the place of another', q{SELECT pdpp_run_status('sq_replaced')->>'status'}, 'active');
	$theirs->event('sq_low', 'run.failed', @cin, seq => 50);
	comes('out of its order', q{SELECT pdpp_run_status('sq_low')->>'status'}, 'failed');
	$open->signal('KILL');
	$open->finish;
	$theirs->event('sq_again', 'run.failed', @cin);
	comes('after its server went', q{SELECT pdpp_run_status('sq_again')->>'status'}, 'failed');
	is($import->stop, 0, 'it ends when it is told to');
	is(sql('SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
};

subtest 'SIGKILL' => sub {
	my $theirs = TheirServer->in_postgres($there, 'many');
	$theirs->do(q{INSERT INTO spine_events (event_id, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status, version,
			run_id, connector_instance_id, data_json)
		SELECT 'e' || n, (ARRAY['run.started', 'run.note', 'run.note', 'run.failed', 'run.note', 'run.completed'])[n % 6 + 1], t, t, 's', 't' || n / 6, 'runtime', 'gmail', 'run', 'r', 's', '1',
			'many_' || n / 6, 'cin_' || n / 6 % 50, '{"text": "0123456789"}'
		FROM generate_series(0, 5999) AS n, LATERAL (SELECT to_char(timestamp '2026-08-01' + n * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS t) AS at});
	$theirs->do(q{INSERT INTO controller_active_runs SELECT 'fl_' || n, 'gmail', 'flying_' || n, 't', 's', '2026-08-01T00:00:00.000Z' FROM generate_series(1, 50) AS n});
	$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(peace killed);
	$node->safe_psql($_, 'CREATE EXTENSION pdpp') for qw(peace killed);
	my $import = sub { return ($pdpp, '--db', $node->connstr($_[0]), 'import', '--from', $theirs->source, '--json') };
	my ($out, $err) = ('', '');
	my $began = time;
	IPC::Run::run([ $import->('peace') ], '<', \undef, '>', \$out, '2>', \$err) or diag($err);
	my $took = time - $began;
	my $kills = 0;
	srand(7);
	for my $try (1 .. 8)
	{
		my $job = IPC::Run::start([ $import->('killed') ], '<', \undef, '>', \my $ignored, '2>', \my $errors);
		sleep(rand() * $took);
		$job->signal('KILL');
		$job->finish;
		++$kills if ($job->full_results)[0] & 127;
	}
	cmp_ok($kills, '>', 0, "killed $kills times");
	# following, while it is written to
	my $followed = PdppServer->launch(name => 'import', arguments => [ '--db', $node->connstr('killed'), 'import', '--from', $theirs->source . ' password=geheim', '--follow' ], ready => qr/^following/m);
	unlike(slurp_file('/proc/' . $followed->pid . '/cmdline'), qr/geheim/, 'a password is not in the list of processes');
	$theirs->do(q{INSERT INTO spine_events (event_id, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status, version,
			run_id, connector_instance_id, data_json)
		SELECT 'later' || n, 'run.failed', '2026-09-01T00:00:00.000Z', '2026-09-01T00:00:00.000Z', 's', 't', 'runtime', 'gmail', 'run', 'r', 's', '1', 'flying_' || n, 'fl_' || n, '{}'
		FROM generate_series(1, 50) AS n; DELETE FROM controller_active_runs});
	sleep(rand() * 0.5);
	is($followed->stop('KILL'), 'signal 9', 'and while it follows');
	for my $database (qw(peace killed))
	{
		IPC::Run::run([ $import->($database) ], '<', \undef, '>', \$out, '2>', \$err) or diag($err);
		is($node->safe_psql($database, 'SELECT * FROM pdpp_check()'), '', "$database: the check finds nothing");
	}
	my $all = q{SELECT count(*), md5(string_agg(e::text, ',' ORDER BY run_id, event_seq)) FROM pdpp.spine_events AS e};
	is($node->safe_psql('killed', $all), $node->safe_psql('peace', $all), 'all is as if it had been left in peace');
	is($node->safe_psql('killed', 'SELECT count(*) FROM pdpp.controller_active_runs'), 0, 'nothing is in flight');
	my $connections = 'SELECT * FROM pdpp.connections ORDER BY 1';
	is($node->safe_psql('killed', $connections), $node->safe_psql('peace', $connections), 'generations as well');
};

$node->stop;
$there->stop;
done_testing();
