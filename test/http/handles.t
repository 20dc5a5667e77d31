# Handles from their 202 on, with a gateway and a controller: no instant in which one does not resolve, many requests at the
# same instant, and cancel requests at every stage of a run.

use strict;
use warnings;

use CuttingProxy;
use PdppCluster;
use IO::Handle;
use IO::Select;
use JSON::PP ();
use PdppController;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs qw(child);
use Test::More;
use Time::HiRes qw(sleep);

my $json = JSON::PP->new->canonical;
my $folder = PostgreSQL::Test::Utils::tempdir();

# what is to end by its controller must not end by its deadline, however slow the machine
my $node = PdppCluster->running('handles', conf => "pdpp.launch_deadline = '1h'");
my $socket = $node->host . '/.s.PGSQL.' . $node->port;
my $gateway = PdppGateway->start(
	conninfo => $node->connstr('postgres'),
	# its connections stay open, however slow the machine
	args => [ '--pool', '12', '--idle-timeout', '3600' ]);
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
my $owner = $gateway->connect;

sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement) }

sub controller
{
	my ($connections, %option) = @_;
	return PdppController->start(conninfo => $node->connstr('postgres'), connections => $connections, %option);
}

sub run_path { my ($connection) = @_; return "/_ref/connections/$connection/run" }

# The handle of a run that is asked for.
sub run_now
{
	my ($connection) = @_;
	my $answer = $owner->request('POST', run_path($connection), \@owner);
	die "run-now was answered $answer->{status}: $answer->{body}" unless $answer->{status} == 202;
	return $answer->{json}{run_id};
}

sub cancel { my ($run) = @_; return $owner->request('POST', "/_ref/runs/$run/cancel", \@owner) }

sub status_of { my ($run) = @_; return $owner->request('GET', "/_ref/runs/$run", \@owner)->{json} }

# The status once the run has ended.
sub ended
{
	my ($run) = @_;
	my $status;
	PdppGateway::await(sub { ($status = status_of($run))->{status} ne 'active' }, "$run ends");
	return $status;
}

sub words { my ($status) = @_; return join ' ', map { $_ // '-' } @{$status}{qw(status terminal_reason)} }

sub types_of
{
	my ($run) = @_;
	return sql("SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events WHERE run_id = '$run'");
}

sub started { my ($run) = @_; return PdppGateway::await(sub { types_of($run) =~ /run\.started/ }, "$run starts") }

# ---- readers --------------------------------------------------------------------------------------------------------

my $polls_after_the_end = 5;

# One look at a handle, and what is wrong with it.
sub poll
{
	my ($client, $handle) = @_;
	my $answer = $client->request('GET', "/_ref/runs/$handle->{run_id}", \@owner) // { status => 'none', body => '' };
	my $body = $answer->{json} // {};
	my $status = $body->{status} // 'none';
	my $wrong = sub { push @{ $handle->{problems} }, "poll $handle->{polls}: $_[0]: $answer->{status} $answer->{body}" };
	$handle->{polls}++;
	if ($answer->{status} ne '200') { $wrong->('does not resolve') }
	elsif ($body->{run_id} ne $handle->{run_id}) { $wrong->('another run') }
	elsif (($body->{connector_instance_id} // '') ne $handle->{connection}) { $wrong->('another connection') }
	elsif (defined $handle->{last_words}) { $wrong->('a step back') if $answer->{body} ne $handle->{last_words} }
	elsif ($status eq 'active') { $handle->{active}++ }
	else
	{
		$handle->{last_words} = $answer->{body};
		$handle->{ending} = words($body);
	}
	$handle->{after}++ if defined $handle->{last_words};
	return;
}

# Polls every handle that comes through the pipe, from the instant that it comes until a little after its end. Reports the
# first look at a handle, and what there is to say in the end.
sub read_handles
{
	my ($in, $out) = @_;
	my $client = $gateway->connect;
	my $select = IO::Select->new($in);
	my ($unread, $more, @handles) = ('', 1);
	while ($more || @handles)
	{
		while ($more && $select->can_read(@handles ? 0 : undef))
		{
			$more = sysread $in, $unread, 65536, length $unread;
			while ($unread =~ s/^(.*)\n//)
			{
				my ($run, $connection) = split / /, $1;
				my $handle = { run_id => $run, connection => $connection, polls => 0, active => 0, after => 0, problems => [] };
				poll($client, $handle);
				print {$out} $json->encode({ first => $run }), "\n";
				push @handles, $handle;
			}
		}
		my $handle = shift @handles or next;
		poll($client, $handle);
		if ($handle->{after} > $polls_after_the_end || @{ $handle->{problems} } > 3)
		{
			delete $handle->{last_words};
			print {$out} $json->encode($handle), "\n";
		}
		else { push @handles, $handle }
	}
	return;
}

sub start_reader
{
	pipe my $ids, my $hand_out or die "pipe: $!";
	pipe my $reports, my $report or die "pipe: $!";
	my $pid = child(
		sub {
			close $_ for $hand_out, $reports;
			$report->autoflush(1);
			eval { read_handles($ids, $report); 1 } or print {$report} $json->encode({ broken => "$@" }), "\n";
		});
	close $_ for $ids, $report;
	return { pid => $pid, hand_out => $hand_out, reports => $reports, unread => '', seen => {}, done => {} };
}

# Takes in what readers report until `condition` holds.
sub listen_until
{
	my ($readers, $condition, $what) = @_;
	my $select = IO::Select->new(map { $_->{reports} } @$readers);
	PdppGateway::await(
		sub {
			for my $ready ($select->can_read(0.05))
			{
				my ($reader) = grep { $_->{reports} == $ready } @$readers;
				sysread($ready, $reader->{unread}, 65536, length $reader->{unread}) or die 'a reader has ended';
				while ($reader->{unread} =~ s/^(.*)\n//)
				{
					my $report = $json->decode($1);
					die "a reader: $report->{broken}" if $report->{broken};
					if ($report->{first}) { $reader->{seen}{ $report->{first} } = 1 }
					else { $reader->{done}{ $report->{run_id} } = $report }
				}
			}
			return $condition->();
		},
		$what);
	return;
}

# ---- the tests ------------------------------------------------------------------------------------------------------

subtest 'a connection that cannot be launched: every handle resolves from its 202 on, for 8 readers' => sub {
	my @connections = map { "missing-$_" } 1 .. 40;
	my $controller = controller({ map { $_ => ["/no/such/$_"] } @connections });
	my @readers;
	push @readers, start_reader() for 1 .. 8;
	my @clients = map { $gateway->connect } 1 .. 5;
	my (%connection_of, @refused, %of_round);

	# 200 as fast as they come, and 40 that no controller touches until every reader has looked at each
	for my $round (1 .. 6)
	{
		$controller->suspend if $round == 6;
		for my $first (map { 5 * $_ } 0 .. 7)
		{
			my @volley = @connections[ $first .. $first + 4 ];
			$clients[$_]->send_request('POST', run_path($volley[$_]), \@owner) for 0 .. 4;
			for my $client (0 .. 4)
			{
				my $answer = $clients[$client]->receive;
				my $run = $answer->{json}{run_id};
				if ($answer->{status} != 202) { push @refused, $answer->{body}; next }
				syswrite $_->{hand_out}, "$run $volley[$client]\n" for @readers;
				$connection_of{$run} = $volley[$client];
				push @{ $of_round{$round} }, $run;
			}
		}
		my @runs = @{ $of_round{$round} // [] };
		if ($round == 6)
		{
			listen_until(\@readers, sub { !grep { my $reader = $_; grep { !$reader->{seen}{$_} } @runs } @readers },
				'every reader has looked at every handle');
			$controller->resume;
		}
		listen_until(\@readers, sub { !grep { my $reader = $_; grep { !$reader->{done}{$_} } @runs } @readers },
			'every reader is through with every handle');
	}
	is_deeply(\@refused, [], 'every request was accepted');
	is(scalar(keys %connection_of), 240, 'each has a handle of its own');
	close $_->{hand_out} for @readers;    # all, since a reader has a copy of those that were there before it
	waitpid $_->{pid}, 0 for @readers;

	my @looks = map { values %{ $_->{done} } } @readers;
	is(scalar(@looks), 8 * 240, 'every reader followed every handle');
	my @problems = map { my $look = $_; map { "$look->{run_id} $_" } @{ $look->{problems} } } @looks;
	is(scalar(@problems), 0, 'every poll resolved, to its run and connection, and nothing came back from its end')
	  or diag join "\n", splice @problems, 0, 20;
	is_deeply({ map { $_->{ending} // 'none' => 1 } @looks }, { 'failed launch_failed' => 1 }, 'every reader saw each end so');
	my $sum = sub { my ($key, @of) = @_; my $sum = 0; $sum += $_->{$key} for @of; return $sum };
	my %held = map { $_ => 1 } @{ $of_round{6} };
	my @free = grep { !$held{ $_->{run_id} } } @looks;
	my %seen_active = map { $_->{run_id} => 1 } grep { $_->{active} } @free;
	note sprintf '%d polls, %d of them before the end; of the %d handles that were launched at once %d were seen active',
	  $sum->('polls', @looks), $sum->('active', @looks), @free / 8, scalar keys %seen_active;
	is(scalar(grep { $held{ $_->{run_id} } && !$_->{active} } @looks), 0,
		'each reader saw the handles that were held back active, and then ended');

	is(sql("SELECT count(*) FROM pdpp.spine_events WHERE connector_instance_id LIKE 'missing-%' AND event_type = 'run.failed'"),
		240, 'a terminal event for each');
	is(sql("SELECT count(*) FROM (SELECT run_id FROM pdpp.spine_events WHERE connector_instance_id LIKE 'missing-%'"
			. " GROUP BY run_id HAVING string_agg(event_type, ' ' ORDER BY event_seq) = 'run.admitted run.failed') AS r"),
		240, 'and exactly one');
	my ($log, %logged) = ($controller->log);
	$logged{"$1 $2"}++ while $log =~ /launch failed run_id=(\S+) .*connector_instance_id=(\S+) message=cannot execute/g;
	is_deeply(\%logged, { map { ("$_ $connection_of{$_}" => 1) } keys %connection_of }, 'each left one log line that names it');
	is($controller->stop, 0, 'drained');
};

subtest 'twelve at the same instant' => sub {
	my @connections = map { "twelve-$_" } 1 .. 12;
	my $controller = controller({ map { $_ => ['true'] } @connections });
	my @clients = map { $gateway->connect } @connections;
	my (%runs, %answers, %endings);
	for my $round (1 .. 20)
	{
		$clients[$_]->send_request('POST', run_path($connections[$_]), \@owner) for 0 .. 11;
		my %connection_of;
		for my $which (0 .. 11)
		{
			my $answer = $clients[$which]->receive;
			$answers{ $answer->{status} }++;
			$connection_of{ $answer->{json}{run_id} // 'none' } = $connections[$which];
		}
		for my $run (sort keys %connection_of)
		{
			my $status = ended($run);
			$endings{ words($status) }++;
			$runs{$run}++ if $status->{connector_instance_id} eq $connection_of{$run};
		}
	}
	is_deeply(\%answers, { 202 => 240 }, 'every one accepted');
	is(scalar(keys %runs), 240, 'as many handles, each of its connection');
	is_deeply(\%endings, { 'completed -' => 240 }, 'every one completed');
	is($controller->stop, 0, 'drained');
};

subtest 'two at the same instant for one connection, and a cancel request at once' => sub {
	my $controller = controller({ 'pair' => [ 'sleep', '1000' ] });
	my @clients = map { $gateway->connect } 1 .. 2;
	my %stages;
	for my $round (1 .. 20)
	{
		$_->send_request('POST', run_path('pair'), \@owner) for @clients;
		my ($accepted, $refused) = sort { $a->{status} <=> $b->{status} } map { $_->receive } @clients;
		my $run = $accepted->{json}{run_id};
		is("$accepted->{status} $refused->{status}", '202 409', "round $round: one is accepted");
		is($refused->{json}{error}{code}, 'run_already_active', "round $round: the other is told why");
		is($refused->{json}{error}{active_run_id}, $run, "round $round: and of which run");
		is($refused->{headers}{location}, "/_ref/runs/$run", "round $round: and where it is");
		is(cancel($run)->{status}, 202, "round $round: it is cancelled");
		is(words(ended($run)), 'cancelled owner_cancelled', "round $round: and ends so");
		$stages{ types_of($run) =~ /run\.started/ ? 'started' : 'not started' }++;
	}
	note join ', ', map { "$stages{$_} were $_" } sort keys %stages;
	is($controller->stop, 0, 'drained');
};

subtest 'a cancel request before the claim' => sub {
	my $command = [ 'sh', '-c', "touch $folder/launched; exec sleep 1000" ];
	controller({ 'early' => $command })->stop;    # on record, and nobody there
	my $run = run_now('early');
	is(cancel($run)->{status}, 202, 'no controller: accepted');
	is(words(status_of($run)), 'cancelled owner_cancelled', 'it has ended');
	is(cancel($run)->{status}, 202, 'twice');

	my $controller = controller({ 'early' => $command, 'other' => ['true'] });
	$controller->suspend;
	my $second = run_now('early');
	is(cancel($second)->{status}, 202, 'a controller that has not come to it: accepted');
	is(words(status_of($second)), 'cancelled owner_cancelled', 'it has ended');
	$controller->resume;
	is(words(ended(run_now('other'))), 'completed -', 'the controller goes on to what was asked for later');
	is(types_of($_), 'run.admitted run.cancel_requested run.cancelled', 'never started') for $run, $second;
	ok(!-e "$folder/launched", 'nor was its process');
	is($controller->stop, 0, 'drained');
};

subtest 'a cancel request between claim and start' => sub {
	my $proxy = CuttingProxy->new('held', $socket, call => qr/pdpp_run_started\(/);
	my $controller = PdppController->start(
		conninfo => $proxy->conninfo . ' dbname=postgres user=' . sql('SELECT current_user'),
		connections => { 'between' => [ 'sh', '-c', "echo \$\$ >$folder/between.tmp; mv $folder/between.tmp $folder/between; exec sleep 1000" ] });
	my $run = run_now('between');
	PdppGateway::await(sub { -e "$folder/between" }, 'the process has been started');
	is(types_of($run), 'run.admitted', 'run.started is on its way');
	is(sql("SELECT boot_epoch IS NOT NULL FROM pdpp.controller_active_runs WHERE run_id = '$run'"), 't', 'claimed');
	is(cancel($run)->{status}, 202, 'accepted');
	my $status = status_of($run);
	is($status->{status}, 'active', 'its controller has not ended it yet');
	ok($status->{cancel_requested_at}, 'but knows');
	is(cancel($run)->{status}, 202, 'twice');
	$proxy->let_go;
	is(words(ended($run)), 'cancelled owner_cancelled', 'it ends so');
	is(types_of($run), 'run.admitted run.cancel_requested run.started run.cancelled', 'its events');
	my $pid = slurp_file("$folder/between") + 0;
	PdppGateway::await(sub { !kill 0, $pid }, 'its process is gone');
	is(cancel($run)->{status}, 202, 'after the end');
	is($controller->stop, 0, 'drained');
	$proxy->stop;
};

subtest 'a cancel request while it runs, and after' => sub {
	my $controller = controller({ 'long' => [ 'sleep', '1000' ], 'short' => ['true'], 'missing' => ['/no/such/thing'] });
	my $run = run_now('long');
	started($run);
	my @answers = map { cancel($run) } 1 .. 2;
	is_deeply([ map { $_->{status} } @answers ], [ 202, 202 ], 'accepted, twice');
	is(words(ended($run)), 'cancelled owner_cancelled', 'it ends so');
	is(types_of($run), 'run.admitted run.started run.cancel_requested run.cancelled', 'its events');
	is(cancel($run)->{body}, $answers[0]{body}, 'after the end: acknowledged again');

	for my $case ([ 'short', 'completed' ], [ 'missing', 'failed' ])
	{
		my ($connection, $ending) = @$case;
		$run = run_now($connection);
		ended($run);
		my $late = cancel($run);
		is($late->{status}, 409, "a run that has $ending: refused");
		is("$late->{json}{error}{code} $late->{json}{error}{status}", "run_already_terminal $ending", 'and why');
		is(types_of($run) =~ /cancel/ ? 1 : 0, 0, 'nothing of it is on record');
	}
	is($controller->stop, 0, 'drained');
};

subtest 'a cancel request around the death of the controller' => sub {
	my %connections = ('kept' => [ 'sleep', '1000' ], 'asked' => [ 'sleep', '1000' ], 'waiting' => [ 'sleep', '1000' ]);
	my $controller = controller(\%connections, args => [ '--controller-id', 'mortal' ]);
	my %run = map { $_ => run_now($_) } qw(kept asked);
	started($_) for values %run;
	is($controller->stop('KILL'), 'signal 9', 'killed');
	$run{waiting} = run_now('waiting');
	is(cancel($run{asked})->{status}, 202, 'of a run that may still be rejoined: accepted');
	is(status_of($run{asked})->{status}, 'active', 'and left to the controller');
	is(cancel($run{waiting})->{status}, 202, 'of a run that nobody has claimed: accepted');
	is(words(status_of($run{waiting})), 'cancelled owner_cancelled', 'and ended');

	$controller = controller(\%connections, args => [ '--controller-id', 'mortal' ]);
	for my $connection (qw(kept asked))
	{
		is(words(ended($run{$connection})), 'abandoned controller_terminated_before_run_finished', "$connection: died with its controller");
		my $late = cancel($run{$connection});
		is("$late->{status} $late->{json}{error}{code} $late->{json}{error}{status}", '409 run_already_terminal abandoned',
			"$connection: nothing to cancel any more");
	}
	my $next = run_now('kept');
	started($next);
	is(cancel($next)->{status}, 202, 'the next run of the connection is launched, and can be cancelled');
	is(words(ended($next)), 'cancelled owner_cancelled', 'and ends so');
	is($controller->stop, 0, 'drained');
};

is(sql('SELECT count(*) FROM pdpp_check()'), 0, 'nothing is left that must not be');
is($gateway->stop, 0, 'the gateway stops');
$node->stop;
done_testing();
