# pdpp import from a file of SQLite: what else than its types say its columns may hold, other encodings, writers that come
# and go, and copies of which something is missing.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Copy qw(copy);
use IPC::Run ();
use PdppCluster;
use PdppServer;
use POSIX ();
use PostgreSQL::Test::Utils;
use Programs qw(within);
use Test::More;
use TheirServer;
use Time::HiRes qw(sleep);

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $node = PdppCluster->bare('main');
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my @cin = (connector_instance_id => 'cin_a');

sub fresh
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION pdpp');
	return $name;
}

sub import_from { my ($theirs, $name, @options) = @_; return TheirServer::import_from($theirs->source, $node->connstr($name), @options); }
sub status { my ($name, $run_id) = @_; return $node->safe_psql($name, "SELECT coalesce((SELECT pdpp_run_status('$run_id')->>'status' WHERE EXISTS (SELECT FROM pdpp.spine_events WHERE run_id = '$run_id')), 'none')"); }
sub comes { my ($what, $name, $run_id, $expected) = @_; within(sub { status($name, $run_id) eq $expected }); return is(status($name, $run_id), $expected, $what); }
sub found { my ($report, $kind, $run_id) = @_; return scalar grep { $_->{kind} eq $kind && $_->{run_id} eq $run_id } @{ $report->{findings} }; }

sub follow
{
	my ($theirs, $name, @options) = @_;
	return PdppServer->launch(
		name => 'import',
		arguments => [ '--db', $node->connstr($name), 'import', '--from', $theirs->source, '--follow', @options ],
		ready => qr/^following/m);
}

# A program that does this, and then keeps the file open.
sub open_by
{
	my ($path, $sql) = @_;
	my ($input, $output) = ("$sql; SELECT 'done';\n", '');
	my $server = IPC::Run::start([ 'sqlite3', $path ], '<', \$input, '>', \$output);
	$server->pump until $output =~ /done\n/;
	return $server;
}

sub crash { my ($server) = @_; $server->signal('KILL'); $server->finish; return }

subtest 'a number that is none' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/numbers.db");
	my $server = open_by("$folder/numbers.db", 'SELECT count(*) FROM spine_events');
	$theirs->event('run_1', 'run.started', @cin, seq => 7);
	$theirs->event('run_1', 'run.note', @cin, seq => q{'abc'}, event_id => 'evt_c');
	$theirs->event('run_1', 'run.note', @cin, seq => '1.5', event_id => 'evt_b');
	$theirs->event('run_1', 'run.note', @cin, seq => q{x'31'}, event_id => 'evt_a');
	$theirs->event('run_1', 'run.note', @cin, seq => 9);
	my $name = fresh('from_numbers');
	my ($code, $report, $error) = import_from($theirs, $name);
	is($code, 0, 'is read') or diag $error;
	is(found($report, 'event_without_seq', 'run_1'), 3, 'as none');
	is($node->safe_psql($name, q{SELECT string_agg(e->>'event_id', ' ') FROM jsonb_array_elements(pdpp_run_timeline('run_1')->'data') AS e WHERE e->>'event_seq' <> '1'}),
		'evt_1 evt_5 evt_a evt_b evt_c', 'and comes last');
	my $import = follow($theirs, $name);
	$theirs->event('run_2', 'run.started', connector_instance_id => 'cin_2', seq => q{'def'});
	comes('one more while it is followed', $name, 'run_2', 'active');
	$theirs->event('run_2', 'run.failed', connector_instance_id => 'cin_2', seq => '2.5');
	comes('and another', $name, 'run_2', 'failed');
	$theirs->event('run_1', 'run.completed', @cin, seq => 10);
	comes('and numbers go on', $name, 'run_1', 'completed');
	is($import->stop, 0, 'it ends when it is told to');
	crash($server);
};

subtest 'an id that is a BLOB' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/blobs.db");
	my $server = open_by("$folder/blobs.db", 'SELECT count(*) FROM spine_events');
	my $as_blob = q{UPDATE spine_events SET run_id = CAST(run_id AS BLOB) WHERE run_id LIKE 'run_b%'};
	$theirs->event("run_$_", 'run.started', connector_instance_id => "cin_$_") for qw(a b_1 c z);
	my @row = (connector_id => 'gmail', started_at => TheirServer::at(1));
	$theirs->insert('source_webhook_run_receipts', run_id => "run_$_", connector_instance_id => "cin_$_", @row) for qw(a b_1 d);
	$theirs->do($as_blob);
	my $name = fresh('from_blobs');
	my ($code, $report, $error) = import_from($theirs, $name);
	is($code, 0, 'is read') or diag $error;
	is($report->{runs}, 5, 'as the text that it is, and each run once');
	is(status($name, 'run_b_1'), 'active', 'it is here');
	my $import = follow($theirs, $name);
	$theirs->do($theirs->event_sql('run_b_1', 'run.completed', connector_instance_id => 'cin_b_1') . $theirs->event_sql('run_b_2', 'run.failed', connector_instance_id => 'cin_b_2') . $as_blob);
	comes('while it is followed', $name, 'run_b_1', 'completed');
	comes('too', $name, 'run_b_2', 'failed');
	is($import->stop, 0, 'it ends when it is told to');
	crash($server);
};

# In UTF-16 an id with a letter of two bytes comes first by its bytes, in UTF-8 last.
subtest 'another encoding' => sub {
	for my $encoding ('UTF-16le', 'UTF-16be')
	{
		my $name = 'from_' . lc($encoding) =~ s/\W/_/gr;
		my $theirs = TheirServer->at_path("$folder/$name.db");
		$theirs->do("PRAGMA encoding = '$encoding'; PRAGMA journal_mode = wal; " . TheirServer::tables('integer', 'text'));
		my @names = map { "run_$_" } 'z', "\xc4\x80", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xef\xbd\x81", 'a';
		for my $n (0 .. $#names)
		{
			my @row = (connector_instance_id => "cin_$n", connector_id => 'gmail', run_id => $names[$n], started_at => TheirServer::at(1));
			$theirs->event($names[$n], 'run.started', connector_instance_id => "cin_$n") if $n % 3;
			$theirs->insert('controller_active_runs', @row, trace_id => "trc_run_$names[$n]") if $n % 2;
			$theirs->insert('source_webhook_run_receipts', @row);
		}
		fresh($name);
		my ($code, $report, $error) = import_from($theirs, $name);
		is($code, 0, "$encoding is read") or diag $error;
		is($report->{runs}, scalar @names, 'each run once');
		is($node->safe_psql($name, q{SELECT string_agg(run_id, ' ' ORDER BY run_id COLLATE "C") FROM (SELECT DISTINCT run_id FROM pdpp.spine_events) AS r}), join(' ', sort @names), 'by its id');
		is($node->safe_psql($name, 'SELECT count(*) FROM pdpp.controller_active_runs'), 3, 'those in flight are in flight');
		my $import = follow($theirs, $name);
		$theirs->event($names[1], 'run.completed', connector_instance_id => 'cin_1');
		comes('and is followed', $name, $names[1], 'completed');
		$import->stop;
	}
};

# A process for each write, as scripts do it: most of the time nobody has the file open.
subtest 'writers that come and go' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/visited.db");
	$theirs->do(q{INSERT INTO spine_events (event_id, event_seq, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status, version,
			run_id, connector_instance_id, data_json)
		SELECT 'c' || value, value, 'run.progress_reported', '2026-08-01T10:00:00Z', '2026-08-01T10:00:00Z', 's', 't', 'runtime', 'c', 'run', 'run_chatty', 's', '1', 'run_chatty', 'cin_chat', '{}'
		FROM generate_series(1, 10000)});
	my $name = fresh('from_visited');
	my $import = follow($theirs, $name);
	my $visitor = fork // die "fork: $!";
	if (!$visitor)
	{
		for (my $n = 1;; ++$n)
		{
			eval { $theirs->do($theirs->event_sql('run_chatty', 'run.progress_reported', connector_instance_id => 'cin_chat', event_id => "more$n")) };
			sleep(0.01);
		}
		POSIX::_exit(0);
	}
	for my $n (1 .. 8)
	{
		sleep(1);
		$theirs->event("run_visited_$n", 'run.completed', connector_instance_id => "cin_$n");
		comes("ending $n", $name, "run_visited_$n", 'completed');
	}
	kill 'KILL', $visitor;
	waitpid $visitor, 0;
	unlike($import->log, qr/somebody/, 'nothing is said of those who write meanwhile');
	is($import->stop, 0, 'it ends when it is told to');
};

subtest 'sizes' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/sizes.db");
	$theirs->do(q{INSERT INTO connector_instances SELECT value, 'x', hex(randomblob(2000)) FROM generate_series(1, 100)});
	$theirs->event('run_1', 'run.completed', @cin, data => { text => 'x' x 20_000 });
	my (undef, $report) = import_from($theirs, 'postgres', '--dry-run');
	my %bytes = map { $_->{name} => $_->{bytes} } @{ $report->{tables} };
	is($bytes{source_webhook_run_receipts}, 4096, 'an empty table has one page');
	is($bytes{run_history}, 8192, 'another and its index');
	cmp_ok($bytes{spine_events}, '>=', 20_000, 'what is in one');
	cmp_ok($bytes{spine_events}, '<', 60_000, 'and nothing of others');
};

subtest 'copies of which something is missing' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/whole.db");
	my $server = open_by("$folder/whole.db", 'PRAGMA wal_autocheckpoint = 0; SELECT count(*) FROM spine_events');
	$theirs->event('run_1', 'run.completed', @cin);
	my $name = fresh('from_copies');
	copy("$folder/whole.db$_", "$folder/copy.db$_") or die $! for '', '-wal';
	my $copied = TheirServer->at_path("$folder/copy.db");
	my $before = $copied->digest;
	my ($code, undef, $error) = import_from($copied, $name);
	is($code, 5, 'a log without its index');
	like($error, qr/copy\.db-wal is beside .*copy\.db, and no .*copy\.db-shm/, 'is named');
	like($error, qr/Copy that too; or let a program that may write to the copy open it once/, 'with what to do');
	is($copied->digest, $before, 'and left as it is');
	my $import = follow($theirs, $name);
	rename "$folder/copy.db$_", "$folder/whole.db$_" or die $! for '', '-wal';
	unlink "$folder/whole.db-shm";
	is($import->finish, 5, 'one that is followed is not tried for ever');
	crash($server);
	is(TheirServer->at_path("$folder/whole.db")->do('SELECT count(*) FROM spine_events'), 1, 'sqlite3 puts the log into the file');
	is((import_from($theirs, $name))[0], 0, 'and then it is read');
	is(status($name, 'run_1'), 'completed', 'with what was in the log');

	my $crashed = TheirServer->at_path("$folder/crashed.db");
	$crashed->do(TheirServer::tables('integer', 'text'));
	$crashed->event('run_2', 'run.completed', connector_instance_id => 'cin_2');
	crash(open_by("$folder/crashed.db", q{PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; UPDATE spine_events SET event_type = 'run.failed';
		INSERT INTO connector_instances SELECT value, 'x', hex(randomblob(2000)) FROM generate_series(1, 500)}));
	$before = $crashed->digest;
	($code, undef, $error) = import_from($crashed, $name);
	is($code, 5, 'a file whose server died while it wrote');
	like($error, qr/what it wrote has to be taken back, which takes who may write: start that server, or open the file once with sqlite3/, 'is said to be one');
	is($crashed->digest, $before, 'and left as it is');
	$crashed->do('SELECT count(*) FROM spine_events');
	is((import_from($crashed, $name))[0], 0, 'sqlite3 takes it back');
	is(status($name, 'run_2'), 'completed', 'and then it is read');
};

# What stays a text is not looked into when it is served.
subtest 'credentials' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/secret.db");
	my $n = 0;
	$theirs->event('run_1', 'run.started', @cin);
	$theirs->event('run_1', 'run.note', @cin, event_id => 'evt_secret_' . ++$n, data => $_)
	  for '{"device_code": "SECRET", "note": "a\u0000b"}', '{"device_code": "SECRET", "n": 1e99999}', '{"inner": [{"user_code": "SECRET"}], "half": "\ud800"}', '[{"request_uri": "SECRET"}]',
		'{"device\u005Fcode": "SECRET", "n": 1e99999}', "{'user_code': 'SECRET'}", '{"device_code": "SECRET"';
	$theirs->event('run_1', 'run.note', @cin, event_id => 'evt_kept', data => '{"note": "a\u0000b"}');
	for my $type ('token', 'pending_consent', 'owner_device_auth', 'grant')
	{
		my $sql = $theirs->event_sql('run_1', 'run.note', @cin, event_id => "evt_$type", object_type => $type, object_id => '#', token_id => '#');
		$theirs->do($sql =~ s/'#'/'SECRET' || char(0)/gr);
	}
	$theirs->insert('run_history', run_id => 'run_2', connector_instance_id => 'cin_2', connector_id => 'gmail', status => 'failed', started_at => TheirServer::at(1), completed_at => TheirServer::at(2),
		known_gaps_json => '[{"user_code": "SECRET"');
	my $name = fresh('from_secret');
	import_from($theirs, $name);
	my $event = sub { return $node->safe_psql($name, "SELECT e FROM jsonb_array_elements(pdpp_run_timeline('run_1')->'data') AS e WHERE e->>'event_id' = '$_[0]'") };
	for my $m (1 .. $n)
	{
		unlike($event->("evt_secret_$m"), qr/SECRET/, "data $m");
		like($event->("evt_secret_$m"), qr/"imported_data_json": "<redacted-bearer>"/, 'which is said');
	}
	like($event->('evt_kept'), qr/"imported_data_json": "\{\\"note\\"/, 'what has none is kept');
	like($event->("evt_$_"), qr/^(?!.*SECRET).*evt_$_/, "the id of an object that is one: $_") for 'token', 'pending_consent', 'owner_device_auth';
	like($event->('evt_grant'), qr/"imported_columns": \{"object_id": "SECRET[^{}]*"\}/, 'that of another is kept, and of a token none');
	unlike($node->safe_psql($name, q{SELECT pdpp_run_timeline('run_2'), pdpp_run_status('run_2')}), qr/SECRET/, 'gaps that are no JSON');
};

$node->stop;
done_testing();
