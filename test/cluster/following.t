# `pdpp now`, `cancel`, `wait` and `timeline --follow` against real clusters: with a database that restarts under them, that
# is lost at COMMIT, and that is a hot standby.

use strict;
use warnings;

use CuttingProxy;
use PdppCluster;
use IPC::Run ();
use JSON::PP;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Time::HiRes qw(sleep);

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';

my $node = PdppCluster->running('following', allows_streaming => 1);
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }

sub pdpp { my (@arguments) = @_; return finish(start('', $pdpp, '--db', $db, @arguments)) }

# What it says on a terminal.
sub on_terminal
{
	my (@arguments) = @_;
	my $shown = '';
	my $handle = IPC::Run::start([ $pdpp, '--db', $db, @arguments ], '<pty<', \my $nothing, '>pty>', \$shown,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	IPC::Run::finish($handle);
	$shown =~ s/\r\n/\n/g;
	return $shown;
}

# A refused command: exit code, nothing on standard output, a JSON object on standard error. Gives its error.
sub fails
{
	my ($code, $key, $name, @arguments) = @_;
	my ($got, $out, $err) = pdpp(@arguments);
	is($got, $code, "$name: exit code $code");
	is($out, '', "$name: nothing on standard output");
	my $error = (eval { decode_json($err) } // {})->{error} // {};
	is($error->{code}, $key, "$name: $key");
	return $error;
}

sub admit { my ($run) = @_; sql("SELECT pdpp_run_now('c', '$run', run_id => '$run')"); return $run }

sub admissions
{
	my ($connection) = @_;
	return sql("SELECT count(*) FROM pdpp.spine_events WHERE connector_instance_id = '$connection' AND event_type = 'run.admitted'");
}

# A command in the background, under a name by which its session is known.
my $sessions = 0;

sub start_named
{
	my (@arguments) = @_;
	my $name = 'session_' . ++$sessions;
	my $self = start('', $pdpp, '--db', "$db application_name=$name", @arguments);
	$self->{name} = $name;
	return $self;
}

# Waits until it has looked and found nothing more.
sub await_idle
{
	my ($self) = @_;
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '$self->{name}' AND state = 'idle' AND query LIKE '%pdpp_run_%(%'")
	  or die 'it does not wait';
	return sql("SELECT query_start FROM pg_stat_activity WHERE application_name = '$self->{name}'");
}

sub cut
{
	my ($self) = @_;
	return "SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity WHERE application_name = '$self->{name}'";
}

subtest 'now' => sub {
	fails(5, 'connector_instance_not_found', 'an unknown connection', 'now', 'never');
	sql(q{INSERT INTO pdpp.connections VALUES ('mail-anna', 'mail', 0, NULL)});
	my ($code, $out, $err) = pdpp('now', 'mail-anna', '--data', '{"n": 1.10, "big": 12345678901234567890123}');
	is($code, 0, 'exit code');
	is($err, '', 'nothing on standard error');
	my $ack = decode_json($out);
	is("$ack->{object} $ack->{status}", 'run_ack started', 'the acknowledgement');
	is(sql("SELECT pdpp_run_status('$ack->{run_id}')->>'trace_id'"), $ack->{trace_id}, 'its handle resolves');
	is(sql("SELECT data_json FROM pdpp.spine_events WHERE run_id = '$ack->{run_id}'"), '{"n": 1.10, "big": 12345678901234567890123}',
		'the data, every digit of it');
	is(fails(5, 'run_already_active', 'a busy connection', 'now', 'mail-anna')->{active_run_id}, $ack->{run_id}, 'names the active run');

	($code, $out) = pdpp('now', '--connector', 'cal');
	is($code, 0, 'a connector alone');
	is(sql("SELECT connector_instance_id FROM pdpp.controller_active_runs WHERE connector_id = 'cal'"), 'cal', 'runs the connection named like it');
	($code, $out) = pdpp('now', 'cal-2', '--connector', 'cal', '--run-id', 'mine');
	is(decode_json($out)->{run_id}, 'mine', 'a connector and a connection, and an id');
	is(sql("SELECT connector_id FROM pdpp.connections WHERE connector_instance_id = 'cal-2'"), 'cal', 'are put on record');
	fails(5, 'run_id_taken', 'a run id that is taken', 'now', 'other', '--connector', 'cal', '--run-id', 'mine');

	my @keyed = ('now', '--connector', 'keyed', '--idempotency-key', 'k');
	($code, my $first) = pdpp(@keyed);
	($code, my $second) = pdpp(@keyed);
	is($second, $first, 'the same key: the same acknowledgement, byte for byte');
	fails(5, 'idempotency_conflict', 'the same key and other data', @keyed, '--data', '{"a": 1}');

	fails(2, 'usage', 'nothing named', 'now');
	fails(2, 'usage', 'data that is no JSON', 'now', 'x', '--data', '{');
	fails(2, 'usage', 'data that is no object', 'now', 'x', '--data', '[1]');
	like(on_terminal('now', '--connector', 'shown', '--run-id', 'shown'), qr/\Ashown\ntrace +trc_[0-9a-f]{32}\n/,
		'on a terminal the handle comes first');
	like(on_terminal('now', '--connector', 'shwon'), qr/^note: no controller that lives offers the connection shwon: .* launch_failed$/m,
		'and what is said of a name that nobody offers');
	is((finish(start('', $pdpp, '--db', 'host=/nowhere', 'now', 'x')))[0], 4, 'no database: exit code 4');
};

subtest 'now, when the database is lost at COMMIT' => sub {
	my $socket = $node->host . '/.s.PGSQL.' . $node->port;
	for my $mode ('unsent', 'unanswered', 'unheard')
	{
		for my $key ([], [ '--idempotency-key', "cut-$mode" ])
		{
			my $connection = "cut-$mode-" . @$key;
			my $proxy = CuttingProxy->new($mode, $socket, call => qr/_run_now\(/);
			my ($code, $out) = finish(start('', $pdpp, '--db', $proxy->conninfo . ' dbname=postgres', 'now', $connection, '--connector', 'c', @$key));
			is($code, 0, "$connection: exit code");
			is(sql("SELECT pdpp_run_status('" . decode_json($out)->{run_id} . "')->>'status'"), 'active', "$connection: the handle resolves");
			is(admissions($connection), 1, "$connection: one run");
			$proxy->stop;
		}
	}
	my $proxy = CuttingProxy->new('unheard', $socket, call => qr/_run_now\(|_run_status\(/, times => 1_000_000);
	my ($code, $out, $err) = finish(start('', $pdpp, '--db', $proxy->conninfo . ' dbname=postgres', 'now', 'doubt', '--connector', 'c'));
	is($code, 4, 'what cannot be learned: exit code');
	is($out, '', 'what cannot be learned: no acknowledgement');
	my $error = decode_json($err)->{error};
	is($error->{code}, 'in_doubt', 'what cannot be learned: in doubt');
	like($error->{hint}, qr/pdpp status --db .*dbname=postgres.* \Q$error->{run_id}\E$/, 'what cannot be learned: says where to look');
	is(sql("SELECT pdpp_run_status('$error->{run_id}')->>'status'"), 'active', 'which resolves');
};

subtest 'cancel' => sub {
	admit('stop');
	my ($code, $out) = pdpp('cancel', 'stop');
	is($code, 0, 'exit code');
	is($out, qq({"object": "run_cancel_ack", "run_id": "stop", "status": "cancel_requested"}\n), 'the acknowledgement');
	is(sql(q{SELECT pdpp_run_status('stop')->>'status'}), 'cancelled', 'nobody ran it: it has ended');
	is((pdpp('cancel', 'stop'))[0], 0, 'again');
	is(on_terminal('cancel', 'stop'), "run stop was asked to end\n", 'on a terminal');
	fails(3, 'not_found', 'an unknown run', 'cancel', 'never');
	admit('done');
	sql(q{SELECT pdpp_run_settle('done', 'completed')});
	fails(5, 'run_already_terminal', 'a run that has ended', 'cancel', 'done');
};

subtest 'wait: every ending' => sub {
	my %code = (completed => 0, failed => 1, cancelled => 1, abandoned => 1);
	for my $outcome (sort keys %code)
	{
		my $run = admit("wait-$outcome");
		my $waiting = start_named('wait', $run);
		await_idle($waiting);
		sql("SELECT pdpp_run_settle('$run', '$outcome')");
		my ($code, $out, $err) = finish($waiting);
		is($code, $code{$outcome}, "$outcome: exit code");
		is($out, sql("SELECT pdpp_run_status('$run')") . "\n", "$outcome: the status, byte for byte");
		is((pdpp('wait', $run, '--timeout', '1000'))[0], $code{$outcome}, "$outcome: once it has ended, at once");
	}
	is(on_terminal('wait', 'wait-completed'), "run wait-completed completed\n", 'on a terminal');
	fails(3, 'not_found', 'an unknown run', 'wait', 'never');
	is((finish(start('', $pdpp, '--db', 'host=/nowhere', 'wait', 'never')))[0], 4, 'no database at first: exit code 4');
	fails(2, 'usage', 'a time that is none', 'wait', 'never', '--timeout', '-1');
	admit('wait-long');
	my $error = fails(124, 'wait_timed_out', 'not in time', 'wait', 'wait-long', '--timeout', '0.2');
	like($error->{message}, qr/wait-long has not ended/, 'says so');
	my $deep = '[' x 300 . ']' x 300;
	sql(qq(SELECT pdpp_run_settle('wait-long', 'completed', '{"known_gaps": $deep}')));
	is((pdpp('wait', 'wait-long'))[0], 0, 'a status that is nested deeply');
};

subtest 'wait does not poll' => sub {
	admit('quiet');
	admit('loud');
	my $waiting = start_named('wait', 'quiet');
	my $looked = await_idle($waiting);
	sql("SELECT pdpp_run_event('loud', 'note')") for 1 .. 3;
	sleep 2;
	is(await_idle($waiting), $looked, 'it has not looked again, whatever other runs do');
	sql(q{SELECT pdpp_run_event('quiet', 'note')});
	ok(within(sub { await_idle($waiting) ne $looked }), 'an event of its own run makes it look');
	sql(q{SELECT pdpp_run_settle('quiet', 'completed')});
	is((finish($waiting))[0], 0, 'to the end');
};

subtest 'wait without notifications' => sub {
	admit('silent');
	my $waiting = start_named('wait', 'silent');
	await_idle($waiting);
	sql(q{SET pdpp.notify = off; SELECT pdpp_run_settle('silent', 'completed')});
	is((finish($waiting))[0], 0, 'it looks by itself, some time');
};

subtest 'wait survives the database' => sub {
	admit('survivor');
	my $waiting = start_named('wait', 'survivor');
	for my $mode ('fast', 'immediate')
	{
		await_idle($waiting);
		$node->stop($mode);
		sleep 0.5;
		$node->start;
	}
	await_idle($waiting);
	sql(cut($waiting)) for 1 .. 3;
	sql(cut($waiting) . q{; SELECT pdpp_run_settle('survivor', 'completed')});
	is((finish($waiting))[0], 0, 'restarts, and an ending while it is away');

	admit('homeless');
	$waiting = start_named('wait', 'homeless', '--timeout', '3');
	await_idle($waiting);
	$node->stop;
	my ($code, $out, $err) = finish($waiting);
	is($code, 124, 'a database that stays away: the time runs out all the same');
	$node->start;
};

# The numbers of the events in what was printed, pages in lines.
sub numbers { my ($out) = @_; return join ' ', map { map { $_->{event_seq} } @{ decode_json($_)->{data} } } split /\n/, $out }

subtest 'follow' => sub {
	admit('follow');
	my $following = start_named('timeline', '--follow', 'follow');
	await_idle($following);
	wait_for($following, 'out', qr/run\.admitted/);
	sql(q{SELECT pdpp_run_started('follow')});
	ok(wait_for($following, 'out', qr/run\.started/), 'an event is printed while the run goes on');
	sql(q{SELECT pdpp_run_event('follow', 'note', '{"n": 1.10}')});
	ok(wait_for($following, 'out', qr/"n": 1\.10/), 'with every digit');
	sql(q{SELECT pdpp_run_settle('follow', 'failed')});
	my ($code, $out) = finish($following);
	is($code, 0, 'it ends with the run');
	is(numbers($out), '1 2 3 4', 'each event once');
	is((grep { !@{ decode_json($_)->{data} } } split /\n/, $out), 0, 'no empty page');

	($code, $out) = pdpp('timeline', '--follow', 'follow', '--limit', '1');
	is(numbers($out), '1 2 3 4', 'a run that has ended, in pages of one');
	my $cursor = decode_json((split /\n/, $out)[1])->{next_cursor};
	($code, $out) = pdpp('timeline', '--follow', 'follow', '--cursor', $cursor);
	is(numbers($out), '3 4', 'from a cursor');
	like(on_terminal('timeline', '--follow', 'follow'), qr/\A +1 .* run\.admitted\n +2 .* run\.started\n.*\n +4 .* run\.failed\n\z/,
		'for people');
	fails(3, 'not_found', 'an unknown run', 'timeline', '--follow', 'never');
	fails(5, 'invalid_cursor', 'a cursor of another run', 'timeline', '--follow', 'quiet', '--cursor', $cursor);
	fails(2, 'usage', 'with --all', 'timeline', '--follow', '--all', 'follow');
};

subtest 'follow without a gap or a repeat, whatever happens to the database' => sub {
	admit('torn');
	my $following = start_named('timeline', '--follow', 'torn', '--limit', '7');
	my $written = 0;
	my $write = sub {
		sql("SELECT pdpp_run_event('torn', 'note', jsonb_build_object('n', n)) FROM generate_series(1, 40) AS n");
		$written += 40;
	};
	await_idle($following);
	for my $round (1 .. 5)
	{
		$write->();
		sql(cut($following));
		$write->();
	}
	for my $mode ('fast', 'immediate')
	{
		$write->();
		$node->stop($mode);
		$node->start;
		$write->();
	}
	sql(q{SELECT pdpp_run_settle('torn', 'completed')});
	my ($code, $out) = finish($following);
	is($code, 0, 'exit code');
	is(numbers($out), join(' ', 1 .. $written + 2), 'every event once, in order');
};

subtest 'on a hot standby' => sub {
	my $standby = $node->standby('standby');
	admit('far');
	$node->wait_for_catchup($standby);
	my $there = $standby->connstr('postgres');
	my $waiting = start('', $pdpp, '--db', $there, 'wait', 'far');
	my $following = start('', $pdpp, '--db', $there, 'timeline', '--follow', 'far');
	ok(wait_for($following, 'out', qr/run\.admitted/), 'it is followed');
	# a command that finds no server at first gives up; one that had one does not
	$standby->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_stat_activity
		WHERE pid <> pg_backend_pid() AND query LIKE '%pdpp_run_%(%'}) or die 'they do not wait';
	$standby->restart;
	sql(q{SELECT pdpp_run_started('far')});
	ok(wait_for($following, 'out', qr/run\.started/), 'across a restart of the standby');
	sql(q{SELECT pdpp_run_settle('far', 'completed')});
	my ($code, $out) = finish($waiting);
	is($code, 0, 'wait: exit code');
	is(decode_json($out)->{status}, 'completed', 'wait: the ending');
	($code, $out) = finish($following);
	is($code, 0, 'follow: exit code');
	is(numbers($out), '1 2 3', 'follow: every event once');
	($code, $out, my $err) = finish(start('', $pdpp, '--db', $there, 'now', 'x', '--connector', 'c'));
	is($code, 4, 'now: no primary');
	$standby->stop;
};

$node->stop;
done_testing();
