# What pdpp import reads from: a file of SQLite by each of its names, tables that only some of it can be read of, and what
# is written there so that the numbers of its events do not tell.

use strict;
use warnings;

use Cwd qw(abs_path);
use IPC::Run ();
use PdppCluster;
use PdppServer;
use PostgreSQL::Test::Utils;
use Programs qw(within);
use Test::More;
use TheirServer;

$ENV{LC_MESSAGES} = 'C';
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

sub import_from
{
	my ($source, $name, @options) = @_;
	return TheirServer::import_from($source, $node->connstr($name), @options);
}

sub status { my ($name, $run_id) = @_; return $node->safe_psql($name, "SELECT coalesce((SELECT pdpp_run_status('$run_id')->>'status' WHERE EXISTS (SELECT FROM pdpp.spine_events WHERE run_id = '$run_id')), 'none')"); }
sub known { my ($name) = @_; return $node->safe_psql($name, q{SELECT coalesce(string_agg(DISTINCT run_id, ' ' ORDER BY run_id), '') FROM pdpp.spine_events}); }

# Its server has it open, with a log.
sub open_by
{
	my ($path) = @_;
	my ($input, $output) = ("PRAGMA wal_autocheckpoint = 0; SELECT 'open';\nSELECT count(*) FROM spine_events;\n", '');
	my $server = IPC::Run::start([ 'sqlite3', $path ], '<', \$input, '>', \$output);
	$server->pump until $output =~ /open\n\d/;
	return $server;
}

sub follow
{
	my ($theirs, $name, @options) = @_;
	return PdppServer->launch(
		name => 'import',
		arguments => [ '--db', $node->connstr($name), 'import', '--from', $theirs->source, '--follow', @options ],
		ready => qr/^following/m);
}

sub comes { my ($what, $name, $run_id, $expected) = @_; within(sub { status($name, $run_id) eq $expected }); return is(status($name, $run_id), $expected, $what); }

subtest 'a file by another name' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/named.db");
	$theirs->event('run_in_file', 'run.completed', @cin);
	my $server = open_by("$folder/named.db");
	$theirs->event('run_in_log', 'run.completed', @cin);
	mkdir "$folder/elsewhere" or die $!;
	symlink '../named.db', "$folder/elsewhere/link.db" or die $!;
	symlink 'link.db', "$folder/elsewhere/link_of_link.db" or die $!;
	symlink $folder, "$folder/elsewhere/folder" or die $!;
	for my $name ('link.db', 'link_of_link.db', 'folder/named.db')
	{
		my $database = fresh('by_' . $name =~ s/\W/_/gr);
		is((import_from("sqlite:$folder/elsewhere/$name", $database))[0], 0, "as $name it is read");
		is(known($database), 'run_in_file run_in_log', 'with what is in the log');
	}
	my $database = fresh('by_hard_link');
	link "$folder/named.db", "$folder/elsewhere/hard.db" or die $!;
	my ($code, undef, $error) = import_from("sqlite:$folder/elsewhere/hard.db", $database);
	is($code, 4, 'as a hard link, whose log is not to be found');
	like($error, qr/somebody has \S+ open, and no log is beside it: .* it has to be named as he did/, 'it is not read while somebody has it open');
	$server->signal('KILL');
	$server->finish;
	($code, undef, $error) = import_from("sqlite:$folder/elsewhere/hard.db", $database);
	is($code, 5, 'nor after a crash');
	like($error, qr/has several names, and a log may lie beside another/, 'which is said');
	is(known($database), '', 'and nothing is taken from it');
	is((import_from("sqlite:$folder/elsewhere/link.db", $database))[0], 0, 'the symbolic link leads to what the crash left');
	is(known($database), 'run_in_file run_in_log', 'all of it');
	is(join(' ', glob "$folder/elsewhere/*"), join(' ', map { "$folder/elsewhere/$_" } qw(folder hard.db link.db link_of_link.db)), 'nothing is made beside a link');
};

# What commits there while it is followed, with a number that another event had before.
sub reuses_numbers
{
	my ($name, $theirs, $forget, $restore) = @_;
	my $at_most = sub { return $theirs->do('SELECT max(event_seq) FROM spine_events') };
	$theirs->event('run_a', 'run.started', @cin, seq => 1);
	$theirs->event('run_b', 'run.started', connector_instance_id => 'cin_b', seq => 2);
	$theirs->event("run_old_$_", 'run.started', connector_instance_id => "cin_$_", seq => 1000 * $_) for 1 .. 3;
	$theirs->event('run_c', 'run.started', connector_instance_id => 'cin_c', seq => 3001);
	fresh($name);
	my $import = follow($theirs, $name);
	is(status($name, 'run_a'), 'active', 'what was there');
	$theirs->do(q{DELETE FROM spine_events WHERE run_id = 'run_c'});
	$forget->(3000);
	$theirs->event('run_a', 'run.completed', @cin);
	is($at_most->(), 3001, 'the newest number again');
	comes('is the number of an event', $name, 'run_a', 'completed');
	is(status($name, 'run_c'), 'active', 'and what is gone there stays here');
	$theirs->do(q{DELETE FROM spine_events WHERE run_id IN ('run_old_1', 'run_old_3')});
	$theirs->event('run_old_2', 'run.failed', connector_instance_id => 'cin_2', seq => 1000);
	comes('a number in the middle', $name, 'run_old_2', 'failed');
	$theirs->do(q{UPDATE spine_events SET run_id = 'run_found' WHERE event_seq = 2});
	comes('an event that becomes one of a run', $name, 'run_found', 'active');
	$restore->();
	$theirs->event('run_b', 'run.cancelled', connector_instance_id => 'cin_b', seq => 2000);
	$theirs->insert('run_history', run_id => 'run_told', connector_instance_id => 'cin_t', connector_id => 'gmail', status => 'failed', started_at => TheirServer::at(1), completed_at => TheirServer::at(2));
	comes('after a copy was put in its place', $name, 'run_b', 'cancelled');
	comes('and in the other tables', $name, 'run_told', 'failed');
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	is($import->stop, 0, 'it ends when it is told to');
	return;
}

subtest 'numbers that come again, in SQLite' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/again.db");
	my $server = open_by("$folder/again.db");
	reuses_numbers('sqlite_again', $theirs, sub { }, sub {
		$server->signal('KILL');
		$server->finish;
		$theirs->do("VACUUM INTO '$folder/copy.db'");
		TheirServer->at_path("$folder/copy.db")->do('PRAGMA journal_mode = wal; DELETE FROM spine_events WHERE event_seq > 2');
		# somebody who is slow: what lies there meanwhile cannot be read
		open my $log, '>>', "$folder/again.db-wal" or die $!;
		unlink "$folder/again.db-shm";
		rename "$folder/copy.db", "$folder/again.db" or die $!;
		sleep 2;
		unlink "$folder/again.db-wal";
		sleep 2;
		is(-e "$folder/again.db-wal", undef, 'nothing is made in the place of a log that is gone');
	});
};

subtest 'numbers that come again, in PostgreSQL' => sub {
	my $theirs = TheirServer->in_postgres($node, 'again');
	my $forget = sub { $theirs->do("SELECT setval(pg_get_serial_sequence('spine_events', 'event_seq'), $_[0])") };
	reuses_numbers('postgres_again', $theirs, $forget, sub {
		# as it was some time ago
		$node->safe_psql('postgres', 'CREATE DATABASE again_copy');
		my ($dump, $error) = ('', '');
		IPC::Run::run([ 'pg_dump', '-d', $node->connstr('again') ], '>', \$dump, '2>', \$error) or die $error;
		IPC::Run::run([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('again_copy') ], '<', \$dump, '>', \my $ignored, '2>', \$error) or die $error;
		$node->safe_psql('again_copy', q{DELETE FROM spine_events WHERE event_seq > 2});
		$node->safe_psql('postgres', q{ALTER DATABASE again ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'again'});
		$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'again'});
		$node->safe_psql('postgres', 'ALTER DATABASE again RENAME TO again_before');
		$node->safe_psql('postgres', 'ALTER DATABASE again_copy RENAME TO again');
	});
};

subtest 'rows that a role may not see' => sub {
	my $theirs = TheirServer->in_postgres($node, 'kept');
	$theirs->event('run_seen', 'run.completed', @cin);
	$theirs->do('CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader');
	my $name = fresh('from_kept');
	my $source = $theirs->source . ' user=reader';
	is((import_from($source, $name))[0], 0, 'a role that sees all');
	$theirs->do(q{ALTER TABLE spine_events ENABLE ROW LEVEL SECURITY; CREATE POLICY starts ON spine_events USING (event_type = 'run.started')});
	$theirs->event('run_unseen', 'run.completed', @cin);
	for my $option ([], ['--dry-run'])
	{
		my ($code, undef, $error) = import_from($source, $name, @$option);
		is($code, 5, 'a role that would see less is refused');
		like($error, qr/row-level security policy for table .*spine_events/, 'with the reason');
	}
	is((import_from($theirs->source, $name))[0], 0, 'the owner is not');
	is(status($name, 'run_unseen'), 'completed', 'who sees all');
};

subtest 'the tables of history' => sub {
	my @row = (connector_instance_id => 'cin_h', connector_id => 'gmail', started_at => TheirServer::at(1), completed_at => TheirServer::at(2));
	my $name = fresh('from_history');
	for my $theirs (TheirServer->in_postgres($node, 'two_tables'), TheirServer->in_sqlite("$folder/both.db"))
	{
		my $p = $theirs->{path} ? 'sqlite' : 'postgres';
		$theirs->do('CREATE TABLE scheduler_run_history AS SELECT * FROM run_history');
		$theirs->insert('scheduler_run_history', run_id => "run_${p}_older", status => 'failed', @row);
		$theirs->insert('scheduler_run_history', run_id => "run_${p}_both", status => 'running', @row, completed_at => undef);
		$theirs->insert('run_history', run_id => "run_${p}_newer", status => 'succeeded', @row);
		$theirs->insert('run_history', run_id => "run_${p}_both", status => 'cancelled', @row);
		my ($code, $report, $error) = import_from($theirs->source, $name);
		is($code, 0, "$p: a table that was left beside its successor") or diag $error;
		is(join(' ', map { status($name, "run_${p}_$_") } qw(older newer both)), 'failed completed cancelled', 'both are read');
		is(join(' ', map { "$_->{name} $_->{rows}" } grep { $_->{name} =~ /history/ } @{ $report->{tables} }), 'run_history 2 scheduler_run_history 2', 'and told');
		my $import = follow($theirs, $name);
		$theirs->insert('scheduler_run_history', run_id => "run_${p}_later", status => 'failed', @row);
		comes('and followed', $name, "run_${p}_later", 'failed');
		$import->stop;
	}
	my $theirs = TheirServer->in_postgres($node, 'materialized');
	$theirs->insert('run_history', run_id => 'run_materialized', status => 'failed', @row);
	$theirs->do('ALTER TABLE run_history RENAME TO all_of_it; CREATE MATERIALIZED VIEW run_history AS SELECT * FROM all_of_it');
	is((import_from($theirs->source, $name))[0], 0, 'a materialized view');
	is(status($name, 'run_materialized'), 'failed', 'is read');
	my ($code, undef, $error) = import_from($theirs->source, $name, '--follow');
	is($code, 5, 'and not followed');
	like($error, qr/expected run_history as a table, which can be followed/, 'which is said');
	my $far = TheirServer->in_postgres($node, 'far');
	my ($port, $host) = ($node->port, $node->host);
	$far->do(qq{CREATE EXTENSION postgres_fdw; CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'two_tables');
		CREATE USER MAPPING FOR CURRENT_USER SERVER there; DROP TABLE run_history; IMPORT FOREIGN SCHEMA public LIMIT TO (run_history) FROM SERVER there INTO public});
	$theirs = TheirServer->in_postgres($node, 'unrelated');
	($code, my $report, $error) = import_from($far->source, fresh('from_far'));
	is($code, 0, 'a foreign table') or diag $error;
	is(status('from_far', 'run_postgres_newer'), 'completed', 'too');
};

subtest 'types of SQLite' => sub {
	my $theirs = TheirServer->at_path("$folder/typed.db");
	$theirs->do(TheirServer::tables('BIGINT(20)', 'JSON') =~ s/\btext\b/VARCHAR(64)/gr =~ s/\binteger\b/INT UNSIGNED/gr =~ s/data_json JSON/data_json CLOB/r);
	$theirs->event('run_typed', 'run.completed', @cin);
	my $name = fresh('from_typed');
	my ($code, undef, $error) = import_from($theirs->source, $name);
	is($code, 0, 'other words for text and number') or diag $error;
	is(status($name, 'run_typed'), 'completed', 'are read');
	$theirs->do('ALTER TABLE spine_events RENAME COLUMN trace_id TO gone; ALTER TABLE spine_events ADD COLUMN trace_id BLOB');
	($code, undef, $error) = import_from($theirs->source, $name);
	is($code, 5, 'what is neither is refused');
	like($error, qr/expected spine_events\.trace_id as text, found blob/, 'by its own name');
};

# Runs that nobody will end any more, while their server may still write.
subtest 'adjudicating' => sub {
	my $theirs = TheirServer->in_postgres($node, 'judged');
	my $boot = sub { $theirs->event(undef, 'controller.booted', data => { controller_id => $_[0], seq => $_[1] }) };
	my $start = sub { my ($run, $controller, $seq) = @_; $theirs->event("run_$run", 'run.started', connector_instance_id => "cin_$run", data => { controller_id => $controller, seq => $seq }) };
	my $fly = sub { $theirs->insert('controller_active_runs', connector_instance_id => "cin_$_[0]", connector_id => 'gmail', run_id => "run_$_[0]", trace_id => "trc_run_$_[0]", started_at => TheirServer::at(1)) };
	$boot->('ctl', 1);
	$start->($_, 'ctl', 1) for qw(left flown ended);
	$start->('alive', 'other', 1);
	$boot->('other', 1);
	$fly->($_) for qw(flown ended);
	my $name = fresh('from_judged');
	my $import = follow($theirs, $name, '--adjudicate');
	$boot->('ctl', 2);
	$start->('next', 'ctl', 2);
	comes('a run of a life that is over is abandoned', $name, 'run_left', 'abandoned');
	is($node->safe_psql($name, q{SELECT pdpp_run_status('run_left')->>'terminal_reason'}), 'controller_terminated_before_run_finished', 'with the reason');
	# the row goes, and the ending comes after what has been seen
	$theirs->do(q{DELETE FROM controller_active_runs WHERE run_id = 'run_ended'; } . $theirs->event_sql('run_seen', 'run.completed', connector_instance_id => 'cin_seen'));
	comes('a look', $name, 'run_seen', 'completed');
	is(status($name, 'run_ended'), 'active', 'a run whose row has just gone is left to its server');
	$theirs->event('run_ended', 'run.completed', connector_instance_id => 'cin_ended');
	comes('which ends it', $name, 'run_ended', 'completed');
	is(status($name, $_), 'active', "$_ may go on") for qw(run_flown run_alive run_next);
	$theirs->do('DELETE FROM controller_active_runs');
	comes('as is one whose row goes for good', $name, 'run_flown', 'abandoned');
	$boot->('other', 2);
	comes('and one whose controller begins anew', $name, 'run_alive', 'abandoned');
	is(status($name, 'run_next'), 'active', 'that of the newest life never');
	is($import->stop, 0, 'it ends when it is told to');

	# without following: the row goes while it looks
	$start->('gone', 'ctl', 1);
	$fly->('gone');
	$boot->('late', 1);
	$start->('repaired', 'late', 1);
	my ($out, $err) = ('', '');
	my $once = IPC::Run::start([ $pdpp, '--db', $node->connstr($name), 'import', '--from', $theirs->source, '--adjudicate', '--json' ], '<', \undef, '>', \$out, '2>', \$err);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'judged' AND application_name = 'pdpp import' AND state = 'idle' AND query = 'COMMIT'});
	$theirs->do('DELETE FROM controller_active_runs');
	$boot->('late', 2);
	$once->finish;
	is(status($name, 'run_gone'), 'active', 'once: a run whose row has just gone is left to its server') or diag $err;
	is(status($name, 'run_repaired'), 'active', 'as is one whose controller has just begun anew');
	import_from($theirs->source, $name, '--adjudicate');
	is(status($name, $_), 'abandoned', "and $_ ended the next time") for qw(run_gone run_repaired);
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
};

# A boot is known only when it has been read, whatever else is due then.
subtest 'adjudicating by a boot that has just been seen' => sub {
	my $theirs = TheirServer->in_postgres($node, 'booting');
	my $boot = sub { $theirs->event(undef, 'controller.booted', data => { controller_id => 'ctl', seq => $_[0] }) };
	$boot->(1);
	$theirs->event('run_left', 'run.started', @cin, data => { controller_id => 'ctl', seq => 1 });
	$theirs->do(q{ALTER DATABASE booting SET log_statement = 'all'});
	my $boots_read = sub { return scalar(() = slurp_file($node->logfile) =~ /event_type = 'controller\.booted'/g) };
	my $name = fresh('from_booting');
	my $before = $boots_read->();
	my $import = follow($theirs, $name, '--adjudicate');
	cmp_ok($boots_read->(), '>', $before, 'the boots are read');
	# nothing is written here until both the run is due and the boots are to be read again
	my $holder = $node->background_psql($name);
	$holder->query_safe('BEGIN; LOCK TABLE pdpp.connections IN EXCLUSIVE MODE');
	$theirs->event('run_next', 'run.started', connector_instance_id => 'cin_next', data => { controller_id => 'ctl', seq => 2 });
	$node->poll_query_until($name, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'pdpp import' AND wait_event_type = 'Lock'}) or die 'it does not wait';
	sleep 11;
	$boot->(2);
	$before = $boots_read->();
	$holder->query_safe('COMMIT');
	$holder->quit;
	ok(within(sub { $boots_read->() > $before }), 'they are read again');
	$theirs->event('run_seen', 'run.completed', connector_instance_id => 'cin_seen');
	comes('a look', $name, 'run_seen', 'completed');
	is(status($name, 'run_left'), 'active', 'a run of a life that is over is left to the repair of the next');
	$theirs->event('run_left', 'run.failed', @cin);
	comes('which ends it', $name, 'run_left', 'failed');
	is($import->stop, 0, 'it ends when it is told to');
};

# The history of runs may be ahead of the event that says the same, and better.
subtest 'an ending in two places' => sub {
	my $theirs = TheirServer->in_postgres($node, 'twice_told');
	$theirs->event('run_ends', 'run.started', @cin);
	$theirs->insert('run_history', run_id => 'run_ends', connector_instance_id => 'cin_a', connector_id => 'gmail', status => 'failed', started_at => TheirServer::at(1), completed_at => TheirServer::at(2));
	my $name = fresh('from_twice_told');
	my $import = follow($theirs, $name);
	$theirs->event('run_ends', 'run.failed', @cin, data => { reason => 'token_expired' });
	comes('an event that comes after the first copy', $name, 'run_ends', 'failed');
	is($node->safe_psql($name, q{SELECT pdpp_run_status('run_ends')->>'terminal_reason'}), 'token_expired', 'says how the run ended');
	$theirs->event('run_told', 'run.started', connector_instance_id => 'cin_b');
	$theirs->insert('run_history', run_id => 'run_told', connector_instance_id => 'cin_b', connector_id => 'gmail', status => 'failed', terminal_reason => 'lost', started_at => TheirServer::at(1), completed_at => TheirServer::at(2));
	comes('where none comes', $name, 'run_told', 'failed');
	is($import->stop, 0, 'it ends when it is told to');
};

# Of a run with many events only what is new is read while it goes on, so that others need not wait for it.
subtest 'a long run' => sub {
	my $theirs = TheirServer->in_postgres($node, 'chatty');
	my $many = sub { return $theirs->do(qq{INSERT INTO spine_events (event_id, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status, version,
			run_id, connector_instance_id, data_json)
		SELECT '$_[0]' || n, 'run.note', '2026-08-01T10:00:00.500Z', '2026-08-01T10:00:00.500Z', 's', 'trc_run_long', 'runtime', 'gmail', 'run', 'run_long', 's', '1', 'run_long', 'cin_a', '{}'
		FROM generate_series(1, $_[1]) AS n}) };
	$theirs->event('run_long', 'run.started', @cin);
	$many->('first', 600);
	$theirs->insert('controller_active_runs', run_id => 'run_long', connector_instance_id => 'cin_a', connector_id => 'gmail', trace_id => 'trc_run_long', started_at => TheirServer::at(0));
	$theirs->do(q{ALTER DATABASE chatty SET log_statement = 'all'});
	my $read_whole = sub { return scalar(() = slurp_file($node->logfile) =~ /spine_events as t where [^\n]*run_id in \('run_long'\)/g) };
	my $has = sub { my ($what, $run_id, $count) = @_; my $events = "SELECT count(*) FROM pdpp.spine_events WHERE run_id = '$run_id'"; within(sub { $node->safe_psql('from_chatty', $events) == $count }); return is($node->safe_psql('from_chatty', $events), $count, $what); };
	my $name = fresh('from_chatty');
	my $import = follow($theirs, $name);
	$theirs->event('run_long', 'run.note', @cin);
	$has->('what comes', 'run_long', 603);
	$many->('next', 300);
	$has->('much at once', 'run_long', 903);
	$theirs->event('run_long', 'run.note', actor_type => 'connector');
	$has->('what names no connection', 'run_long', 904);
	is($node->safe_psql($name, q{SELECT string_agg(run_id, ' ') FROM pdpp.controller_active_runs}), 'run_long', 'it is in flight');
	is($read_whole->(), 0, 'none of it was read twice');
	$theirs->event('run_long', 'run.note', connector_instance_id => 'cin_other', trace_id => 'trc_other', actor_id => 'drive');
	$has->('what another connection says', 'run_long~cin_other', 2);
	cmp_ok($read_whole->(), '>', 0, 'is not its own: all of it is read');
	$theirs->do('DELETE FROM controller_active_runs; ' . $theirs->event_sql('run_long', 'run.completed', @cin));
	comes('it ends', $name, 'run_long', 'completed');
	$has->('with all that it said', 'run_long', 905);
	$theirs->event('run_long', 'run.note', @cin);
	$has->('what follows', 'run_long', 906);
	my $all = $node->safe_psql($name, 'SELECT * FROM pdpp.spine_events ORDER BY run_id, event_seq');
	is((import_from($theirs->source, $name))[1]{events_written}, 0, 'a copy of all writes nothing');
	is($node->safe_psql($name, 'SELECT * FROM pdpp.spine_events ORDER BY run_id, event_seq'), $all, 'at all');
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	is($import->stop, 0, 'it ends when it is told to');
};

subtest 'progress' => sub {
	my $theirs = TheirServer->in_postgres($node, 'long');
	$theirs->event("run_$_", 'run.completed', connector_instance_id => "cin_$_") for 1 .. 3;
	my $name = fresh('from_long');
	my $holder = $node->background_psql($name);
	$holder->query_safe('BEGIN; LOCK TABLE pdpp.connections IN EXCLUSIVE MODE');
	my ($out, $err) = ('', '');
	my $import = IPC::Run::start([ $pdpp, '--db', $node->connstr($name), 'import', '--from', $theirs->source, '--json' ], '<', \undef, '>', \$out, '2>', \$err);
	$node->poll_query_until($name, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'pdpp import' AND wait_event_type = 'Lock'}) or die 'it does not wait';
	is($err, '', 'what takes no time says nothing');
	sleep 3;
	$holder->query_safe('COMMIT');
	$holder->quit;
	$import->finish;
	like($err, qr/^3 of 3 events, \d+ a second, 0 s left\n/, 'what takes long says how far it has come');
	my $followed = follow($theirs, $name);
	sleep 3; # after which it would be said
	$theirs->event('run_after', 'run.completed', @cin);
	comes('what follows', $name, 'run_after', 'completed');
	unlike($followed->log, qr/events, \d+ a second/, 'has no end that it could be far from');
	$followed->stop;
};

$node->stop;
done_testing();
