# `pdpp` with several hosts, a standby first: who writes and who launches goes to the primary, and follows it to another
# server; who reads is never told the past, and never that a handle is unknown while nobody is there who knows.

use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use PdppCluster;
use PdppController;
use Programs;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());

# a launcher that goes on with a demoted server is found out by what becomes of its run, not by the clock
my $first = PdppCluster->running('first', allows_streaming => 1, conf => "listen_addresses = '127.0.0.1'\nlog_statement = all\npdpp.liveness_grace = '1h'");
my $second = $first->standby('second');

delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME PGTARGETSESSIONATTRS)};
$ENV{PGUSER} = getpwuid($>);

# A connection string that names these servers, in this order.
sub string_of
{
	my (@nodes) = @_;
	return sprintf 'host=%s port=%s dbname=postgres', join(',', map { $_->host } @nodes), join(',', map { $_->port } @nodes);
}
my $both = string_of($second, $first);

sub pdpp { my ($to, @arguments) = @_; return finish(start('', $pdpp, '--db', $to, @arguments)) }

# The exit code of a command, and its one JSON body (or error).
sub told
{
	my ($to, @arguments) = @_;
	my ($code, $out, $err) = pdpp($to, @arguments);
	my $said = $code == 0 ? $out : $err;
	return ($code, eval { decode_json((split /\n/, $said)[-1] // '') } // { said => $said });
}

sub admit { my ($node, $id) = @_; $node->safe_psql('postgres', "SELECT pdpp_run_now('c', 'c-$id', run_id => '$id')"); return }
sub settle { my ($node, $id) = @_; $node->safe_psql('postgres', "SELECT pdpp_run_settle('$id', 'completed')"); return }

sub pause_replay
{
	$second->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	$second->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}) or die 'replay goes on';
	return;
}

sub resume_replay
{
	$second->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	$first->wait_for_catchup($second);
	return;
}

admit($first, $_) for 'ended', 'waits';
settle($first, 'ended');
$first->wait_for_catchup($second);

subtest 'what a standby has not heard of is asked of the primary' => sub {
	pause_replay();
	my ($code, $body) = told($both, 'now', 'c-new', '--connector', 'c', '--run-id', 'new');
	is($code, 0, 'now: the primary takes it');
	is($second->safe_psql('postgres', q{SELECT pdpp_run_status('new')->'error'->>'code'}), 'not_found', 'the standby does not know it');
	($code, $body) = told($both, 'status', 'new');
	is("$code $body->{status}", '0 active', 'status: it resolves');
	($code, $body) = told($both, 'timeline', 'new');
	is($code, 0, 'timeline: there it is');
	is($body->{data}[0]{event_type}, 'run.admitted', 'with what happened');
	($code, $body) = told($both, 'runs');
	is($code, 0, 'runs: a list');
	ok((grep { $_->{run_id} eq 'new' } @{ $body->{data} }), 'which has it');
	is((told($both, $_, 'nope'))[0], 3, "$_: what nobody knows is unknown") for 'status', 'timeline', 'wait';

	my $waiting = start('', $pdpp, '--db', $both, 'wait', 'new');
	my $following = start('', $pdpp, '--db', $both, 'timeline', '--follow', 'new');
	ok(wait_for($following, 'out', qr/run\.admitted/), 'timeline --follow: it is followed');
	is((told($both, 'cancel', 'waits'))[0], 0, 'cancel: the primary takes it');
	settle($first, 'new');
	is((finish($_))[0], 0, 'who waits, or follows, is told of the end') for $waiting, $following;
	($code, $body) = told($both, 'status', 'new');
	is("$code $body->{status}", '0 completed', 'status: the end');
	($code, $body) = told($both, 'status', 'waits');
	is("$code $body->{status}", '0 cancelled', 'of a run that is active for the standby, too');
	is((told($both, 'status', 'ended'))[0], 0, 'status: what ended before is told as ever');

	my ($run_code, undef, $err) = pdpp($both, 'run', '--', 'true');
	is($run_code, 0, 'run: launched') or diag($err);
	is((pdpp($both, 'prune', '--older-than', '1 day'))[0], 0, 'prune');
	my $before = -s $first->logfile;
	is((pdpp($both, 'check'))[0], 0, 'check');
	like(slurp_file($first->logfile, $before), qr/pdpp_check/, 'is asked of the primary');
	resume_replay();
};

subtest 'however the hosts are named' => sub {
	pause_replay();
	admit($first, 'named');
	my ($hosts, $ports) = (join(',', $second->host, $first->host), join(',', $second->port, $first->port));
	my @ways = map { [ "target_session_attrs=$_", "$both target_session_attrs=$_" ] }
	  qw(any read-write primary read-only standby prefer-standby);
	push @ways, [ 'a URI', "postgresql:///postgres?host=$hosts&port=$ports" ];
	push @ways, [ 'addresses', "hostaddr=127.0.0.1,127.0.0.1 port=$ports dbname=postgres" ];
	push @ways, [ 'addresses and names', "host=db2,db1 hostaddr=127.0.0.1,127.0.0.1 port=$ports dbname=postgres" ];
	push @ways, [ 'the environment', 'postgres', { PGHOST => $hosts, PGPORT => $ports } ];
	push @ways, [ 'the environment, with what it wants', 'postgres',
		{ PGHOST => $hosts, PGPORT => $ports, PGTARGETSESSIONATTRS => 'standby' } ];
	append_to_file("$folder/services", "[all]\nhost=$hosts\nport=$ports\ndbname=postgres\n[away]\nhost=$hosts\nport=$ports\n"
		. "dbname=postgres\ntarget_session_attrs=prefer-standby\n");
	push @ways, [ "service $_", "service=$_", { PGSERVICEFILE => "$folder/services" } ] for 'all', 'away';
	for my $way (@ways)
	{
		my ($name, $to, $environment) = @{$way};
		my ($code, $body);
		{
			local @ENV{ keys %{ $environment // {} } } = values %{ $environment // {} };
			($code, $body) = told($to, 'status', 'named');
			is("$code " . ($body->{status} // ''), '0 active', "$name: a handle resolves");
			($code, $body) = told($to, 'now', 'c', '--connector', 'c');
		}
		is($code, 0, "$name: a run is started") or diag(explain($body));
		settle($first, $body->{run_id}) if $code == 0;
	}
	resume_replay();
};

my %commands = (
	'status of a run that is active' => [ 'status', 'waits' ],
	'status of one that is unknown' => [ 'status', 'nope' ],
	'timeline of a run that is active' => [ 'timeline', 'waits' ],
	'timeline of one that is unknown' => [ 'timeline', 'nope' ],
	'wait for one that is unknown' => [ 'wait', 'nope' ],
	'timeline --follow of one that is unknown' => [ 'timeline', '--follow', 'nope' ],
	'a list' => ['runs'],
	now => [ 'now', 'c', '--connector', 'c' ],
	cancel => [ 'cancel', 'waits' ],
	run => [ 'run', '--', 'true' ],
	prune => [ 'prune', '--older-than', '1 day' ],
	check => ['check'],
	controller => [ 'controller', '--connections', PdppController::connections_file("$folder/none.json") ]);

# Endings are told, all else is not there.
sub tells_endings_only
{
	my ($to, @servers) = @_;
	my ($code, $body) = told($to, 'status', 'ended');
	is("$code $body->{status}", '0 completed', 'status of a run that has ended');
	($code, $body) = told($to, 'wait', 'ended');
	is("$code $body->{status}", '0 completed', 'wait for it');
	($code, $body) = told($to, 'timeline', @{$_}, 'ended');
	is("$code $body->{terminal_status}", '0 completed', "timeline @{$_} of it") for [], ['--follow'];
	for my $name (sort keys %commands)
	{
		($code, $body) = told($to, @{ $commands{$name} });
		is($code, 4, "$name: the database cannot be reached");
		my $message = $body->{error}{message} // '';
		like($message, $_, "$name: says what became of each host") for @servers;
	}
	return;
}

admit($first, 'alone');
%commands = map { $_ => [ map { $_ eq 'waits' ? 'alone' : $_ } @{ $commands{$_} } ] } keys %commands;
$first->wait_for_catchup($second);

subtest 'a standby alone tells endings only' => sub {
	tells_endings_only(string_of($second), qr/is a standby/);
};

subtest 'without a primary a standby among several hosts does, too' => sub {
	$first->stop;
	my ($here, $gone) = map { $_->port } $second, $first;
	tells_endings_only($both, qr/\b$here\b.*(standby|read-only)/, qr/\b$gone\b.*(refused|No such file)/);
	$first->start;
	$second->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE status = 'streaming'}) or die 'no streaming';
};

# ---- another server becomes the primary ------------------------------------------------------------------------------

# A launcher's child that ends when it is told to.
sub child { my ($name) = @_; return [ 'sh', '-c', "while [ ! -e $folder/$name ]; do sleep 0.05; done" ] }
sub let_go { my ($name) = @_; append_to_file("$folder/$name", 'x'); return }

sub status_at { my ($node, $id) = @_; return $node->safe_psql('postgres', "SELECT pdpp_run_status('$id')->>'status'") }
sub completes_at
{
	my ($node, $id, $name) = @_;
	$node->poll_query_until('postgres', "SELECT pdpp_run_status('$id')->>'status' <> 'active'") or fail("$name: it goes on");
	is(status_at($node, $id), 'completed', "$name: it ends as it should");
	return;
}

# `pdpp wait`, once it has found that the run is active. One that finds no server at first gives up.
sub wait_at
{
	my ($node, $to, $id) = @_;
	my $waiting = start('', $pdpp, '--db', "$to application_name=waiting", 'wait', $id);
	$node->poll_query_until('postgres',
		q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'waiting' AND state = 'idle' AND query LIKE '%pdpp_run_status(%'})
	  or die 'it does not wait';
	return $waiting;
}

# `pdpp run` and a controller, each with a run of its own.
sub launch
{
	my ($to, $tag, $node) = @_;
	my $run = start('', $pdpp, '--db', $to, 'run', '--connector', "run-$tag", '--', @{ child($tag) });
	my $ack = wait_for($run, 'err', qr/^(\{.*\})$/m);
	my $controller = PdppController->start(conninfo => $to, connections => { "mail-$tag" => child($tag) });
	my $id = (told($to, 'now', "mail-$tag"))[1]{run_id};
	my %launched = (run => $run, run_id => decode_json($ack)->{run_id}, controller => $controller, id => $id);
	$node->poll_query_until('postgres', "SELECT pdpp_run_status('$_')->>'started_at' IS NOT NULL") or die 'not started'
	  for @launched{qw(run_id id)};
	return %launched;
}

subtest 'a demoted server that comes back as a standby is left, though it stands first' => sub {
	my $to = string_of($first, $second);
	my %launched = launch($to, 'demoted', $first);
	my $waiting = wait_at($first, $to, $launched{id});
	my $following = start('', $pdpp, '--db', $to, 'timeline', '--follow', $launched{id});
	ok(wait_for($following, 'out', qr/run\.started/), 'it is followed');
	# they stand still until the standby is where the primary was
	my @pids = (pid_of($launched{run}), $launched{controller}->pid);
	kill 'STOP', @pids;
	$first->stop;
	$second->promote;
	$first->enable_streaming($second);
	$first->set_standby_mode;
	$first->start;
	kill 'CONT', @pids;
	let_go('demoted');
	my ($code, undef, $err) = finish($launched{run});
	is($code, 0, 'run: completed') or diag($err);
	completes_at($second, $launched{$_}, $_) for 'run_id', 'id';
	is((finish($waiting))[0], 0, 'wait: told');
	is((finish($following))[0], 0, 'timeline --follow: told');
	is($second->safe_psql('postgres', q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.abandoned'}), 0, 'nothing was abandoned');
	is($launched{controller}->stop, 0, 'the controller stops');
};

subtest 'a primary that takes no writes any more is left for the one that took its place' => sub {
	my %launched = launch($both, 'fenced', $second);
	my $waiting = wait_at($second, $both, $launched{id});
	$second->safe_psql('postgres', 'ALTER SYSTEM SET default_transaction_read_only = on');
	$second->reload;
	$second->poll_query_until('postgres', q{SELECT current_setting('transaction_read_only') = 'on'}) or die;
	$launched{controller}->await_log(qr/takes no writes, looking for the primary/);
	is((told($both, 'now', 'c', '--connector', 'c'))[0], 4, 'now: no primary, meanwhile');
	is($second->safe_psql('postgres', q{SELECT count(*) FROM pdpp.controller_boots WHERE dead_at IS NOT NULL AND controller_id !~ '^run@'}), 0,
		'no boot is dead');
	$second->wait_for_catchup($first);
	$first->promote;
	let_go('fenced');
	my ($code, undef, $err) = finish($launched{run});
	is($code, 0, 'run: completed') or diag($err);
	completes_at($first, $launched{$_}, $_) for 'run_id', 'id';
	is((finish($waiting))[0], 0, 'wait: told');
	is($launched{controller}->stop, 0, 'the controller stops');
	is($first->safe_psql('postgres', q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.abandoned'}), 0, 'nothing was abandoned');
};

$second->stop;
$first->stop;
done_testing();
