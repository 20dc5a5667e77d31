# A gateway of several threads: each connection is one thread's, and what is said of the process is true of all of them together.

use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs qw(child within);
use Test::More;

my $threads = 4;
my $node = PdppCluster->running('threads', allows_streaming => 1, conf => "pdpp.launch_deadline = '1h'\nmax_connections = 100");
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
my $runs = 0;

sub sql { return $node->safe_psql('postgres', join '; ', map { "SELECT $_" } @_) }

sub start
{
	my (@args) = @_;
	return PdppGateway->start(conninfo => $node->connstr('postgres'), admin => 1, args => [ '--threads', $threads, '--wait-limit', 3600, @args ]);
}

sub new_run
{
	my $run = 'run_' . ++$runs;
	sql("pdpp_run_now('connector_$runs', run_id => '$run')");
	return $run;
}

# Connections that are served by each of the threads in turn, so many by each: they go to the thread that has the fewest.
# A request on each, since a connection may be closed for another before it is known.
sub on_each_thread
{
	my ($gateway, $each) = @_;
	my @clients;
	for (1 .. $threads * ($each // 1))
	{
		push @clients, $gateway->connect;
		is_session($clients[-1], 204) or die 'no session';
	}
	return @clients;
}

sub is_session { my ($client, $status) = @_; return (($client->request('GET', '/owner/session', \@owner) // {})->{status} // 'closed') eq $status }
sub status { my ($client, $run) = @_; return ($client->request('GET', "/_ref/runs/$run", \@owner) // {})->{json} // {} }
sub metric { my ($gateway, $name) = @_; my ($value) = $gateway->admin->get('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m; return $value }

# How often each thread of the process has written something, by its id.
sub writes
{
	my ($gateway) = @_;
	return map { my ($id) = m{(\d+)/io$}; (slurp_file($_) =~ /^syscw: (\d+)$/m) ? ($id => $1) : () }
	  glob '/proc/' . $gateway->pid . '/task/*/io';
}

subtest 'each connection is the business of one thread, and each thread has some' => sub {
	my $gateway = start();
	is(metric($gateway, 'pdpp_threads'), $threads, 'a metric says how many threads serve');
	like($gateway->log, qr/serving by 4 threads, 16 database connections/, 'and the log, and what they have');
	my @clients = on_each_thread($gateway, 2);
	my $requests = 100;
	my %served;
	for my $client (@clients)
	{
		my %before = writes($gateway);
		is_session($client, 204) or die for 1 .. $requests;
		my %after = writes($gateway);
		# each request leaves a line in the log, which whoever has answered it writes
		my @busy = grep { $after{$_} - $before{$_} >= $requests } keys %after;
		is(scalar @busy, 1, 'one thread has answered each request');
		$served{ $busy[0] // 'none' }++;
	}
	is_deeply([ values %served ], [ (2) x $threads ], "$threads threads have two connections each") or diag explain \%served;
	is($gateway->stop, 0, 'stops');
};

subtest 'metrics are of all threads' => sub {
	my $gateway = start();
	my $run = new_run();
	sql("pdpp_run_settle('$run', 'completed')");
	my @clients = on_each_thread($gateway, 3);
	my $each = 40;
	for my $client (@clients)
	{
		for (1 .. $each) { die unless status($client, $run)->{status} eq 'completed' }
	}
	my $route = 'route="/_ref/runs/{run_id}"';
	my $all = $each * @clients;
	is(metric($gateway, qq(pdpp_http_requests_total{method="GET",$route,status="200"})), $all, 'requests');
	is(metric($gateway, qq(pdpp_http_request_duration_seconds_count{$route})), $all, 'their times');
	is(metric($gateway, qq(pdpp_http_request_duration_seconds_bucket{$route,le="+Inf"})), $all, 'in all buckets');
	is(metric($gateway, 'pdpp_run_resolutions_total{status="completed"}'), $all, 'resolutions');
	is(metric($gateway, 'pdpp_cache_requests_total{result="miss"}'), $threads, 'each thread has a memory of its own');
	is(metric($gateway, 'pdpp_cache_requests_total{result="hit"}'), $all - $threads, 'and tells from it');
	is(metric($gateway, 'pdpp_http_connections'), scalar @clients, 'connections');
	is(metric($gateway, 'pdpp_pool_connections{state="open"}'), $threads, 'connections to the database');
	my @once = grep { /^(?:pdpp_build_info|process_\w+|pdpp_threads|pdpp_notification_queue_usage)\b/ } split /\n/, $gateway->admin->get('/metrics')->{body};
	is(scalar @once, 5, 'what there is once in a process is there once');
	is(metric($gateway, 'pdpp_build_info{version="0.3.0"}'), 1, 'and is no sum');
	my @waiting = on_each_thread($gateway, 1);
	my $active = new_run();
	$_->send_request('GET', "/_ref/runs/$active", [ @owner, Prefer => 'wait=3600' ]) for @waiting;
	PdppGateway::await(sub { metric($gateway, 'pdpp_waiters') == $threads }, 'all who wait are counted');
	my @streaming = on_each_thread($gateway, 1);
	$_->open_stream("/_ref/runs/$active", @owner) for @streaming;
	is(metric($gateway, 'pdpp_streams'), $threads, 'and all streams');
	sql("pdpp_run_settle('$active', 'completed')");
	$_->receive for @waiting;
	is(metric($gateway, 'pdpp_waiters'), 0, 'who waits no more is not');
	is($gateway->stop, 0, 'stops');
};

subtest '--max-connections is of the process' => sub {
	my $gateway = start('--max-connections', $threads + 2);
	my @clients = on_each_thread($gateway);
	push @clients, $gateway->connect for 1 .. 2;
	is_session($_, 204) or fail('two more') for @clients;
	is($gateway->connect->receive->{json}{error}{code}, 'too_many_connections', 'there is no place for one more');
	ok(is_session($_, 204), 'who was there is served on') for @clients;
	pop @clients;
	PdppGateway::await(sub { metric($gateway, 'pdpp_http_connections') == $threads + 1 }, 'one has left');
	push @clients, $gateway->connect;
	ok(is_session($clients[-1], 204), 'a place comes free');
	undef @clients;
	PdppGateway::await(sub { metric($gateway, 'pdpp_http_connections') == 0 }, 'all have left');

	my @strangers = map { $gateway->connect } 1 .. $threads + 2;
	PdppGateway::await(sub { metric($gateway, 'pdpp_http_connections') == $threads + 2 }, 'nobody who is known');
	my @owners;
	for (@strangers)
	{
		push @owners, $gateway->connect;
		ok(is_session($owners[-1], 204), 'an owner is served');
	}
	ok($_->is_closed, 'a stranger gave way, on whichever thread') for @strangers;
	ok(is_session($_, 204), 'no owner did') for @owners;
	is(metric($gateway, 'pdpp_http_connections_evicted_total'), $threads + 2, 'counted');
	is($gateway->stop, 0, 'stops');
};

# Strangers come and owners go on, on all threads at once: whoever gave way got no answer that was meant for an owner.
subtest 'nobody who is known gives way, however many come' => sub {
	my $gateway = start('--max-connections', 2 * $threads);
	my @clients = on_each_thread($gateway);
	my $port = $gateway->port;
	my @crowds = map {
		child(sub {
			my @strangers;
			for (1 .. 100)
			{
				push @strangers, PdppGateway::Client->new('127.0.0.1', $port);
				$strangers[-1]->send("GET / HTTP/1.1\r\nHo");
				# more than there are places for
				(shift @strangers)->is_closed if @strangers > 2 * $threads;
			}
		})
	} 1 .. 3;
	my $lost = 0;
	my $rounds = 0;
	while (@crowds)
	{
		for my $client (@clients) { $lost++ unless is_session($client, 204) }
		$rounds++;
		@crowds = grep { waitpid($_, POSIX::WNOHANG()) == 0 } @crowds;
	}
	is($lost, 0, "all owners were served in each of $rounds rounds");
	cmp_ok(metric($gateway, 'pdpp_http_connections_evicted_total'), '>', 100, 'while strangers pushed each other out');
	is($gateway->stop, 0, 'stops');
};

sub log_in
{
	my ($client, $password) = @_;
	return $client->request('POST', '/owner/login', [ 'Content-Type' => 'application/x-www-form-urlencoded' ], "password=$password")->{status};
}

subtest 'wrong passwords are counted over all threads' => sub {
	my $gateway = start();
	my @clients = on_each_thread($gateway);
	is(log_in($clients[ $_ % $threads ], 'wrong'), 401, 'wrong') for 1 .. 5;
	is(log_in($_, 'correct+horse+battery+staple'), 429, 'then no thread looks at another') for @clients;
	is($gateway->stop, 0, 'stops');

	$gateway = start();
	@clients = on_each_thread($gateway, 10);
	$_->send_request('POST', '/owner/login', [ 'Content-Type' => 'application/x-www-form-urlencoded' ], 'password=wrong') for @clients;
	my %count;
	$count{ $_->receive->{status} }++ for @clients;
	is_deeply(\%count, { 401 => 5, 429 => @clients - 5 }, 'as many as that at the same moment');
	is($gateway->stop, 0, 'stops');
};

subtest 'a new password ends the sessions on all threads' => sub {
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $file = "$folder/password";
	my $write = sub { append_to_file("$file.new", "$_[0]\n"); chmod 0600, "$file.new"; rename "$file.new", $file or die "rename: $!" };
	$write->($PdppGateway::password);
	my $gateway = PdppGateway->start(
		conninfo => $node->connstr('postgres'), password => undef, env => { PDPP_OWNER_PASSWORD_FILE => $file },
		args => [ '--threads', $threads ]);
	my $run = new_run();
	my @clients = on_each_thread($gateway);
	my @streams = on_each_thread($gateway);
	is($_->open_stream("/_ref/runs/$run", @owner)->{status}, 200, 'a stream') for @streams;
	$_->event for @streams;
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/reloaded/);
	ok(is_session($_, 204), 'the same password changes nothing') for @clients;
	$write->('another password');
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/reloaded.*reloaded/s);
	ok(is_session($_, 401), 'once that is logged, no session is good') for @clients;
	is($_->event, undef, 'nor goes its stream on') for @streams;
	is(log_in($_, 'another+password'), 204, 'the new password is') for @clients;
	is($gateway->stop, 0, 'stops');
};

# Nobody looks of himself but every ten seconds: whoever were not notified would take longer than a test may.
subtest 'who waits on any thread hears what is committed' => sub {
	my $gateway = start();
	my $run = new_run();
	sql("pdpp_run_started('$run')");
	my @streams = on_each_thread($gateway, 2);
	for my $client (@streams)
	{
		$client->open_stream("/_ref/runs/$run/timeline", @owner);
		$client->event for 1 .. 2;
	}
	my @waiting = on_each_thread($gateway, 2);
	$_->send_request('GET', "/_ref/runs/$run", [ @owner, Prefer => 'wait=3600' ]) for @waiting;
	PdppGateway::await(sub { metric($gateway, 'pdpp_waiters') == @waiting }, 'they wait');
	my $wrong = 0;
	for my $number (1 .. 40)
	{
		sql("pdpp_run_event('$run', 'number.$number')");
		for my $client (@streams) { $wrong++ unless $client->event->{json}{event_type} eq "number.$number" }
	}
	is($wrong, 0, 'forty events, each told on all threads before the next');
	sql("pdpp_run_settle('$run', 'completed')");
	is($_->receive->{json}{status}, 'completed', 'the ending') for @waiting;
	is($_->event->{json}{event_type}, 'run.completed', 'to streams, too') for @streams;
	is(sql(q{count(*) FROM pg_stat_activity WHERE application_name = 'pdpp feed'}), 1, 'one connection listens');
	is($gateway->stop, 0, 'stops');
};

subtest 'a repetition shows on all threads once it is acknowledged' => sub {
	my $gateway = start();
	my @clients = on_each_thread($gateway);
	for my $asked (@clients, @clients)
	{
		my $run = new_run();
		sql("pdpp_run_settle('$run', 'failed')");
		for my $client (@clients, @clients) { die if defined status($client, $run)->{retried_by} } # now all keep it
		my $again = $asked->request('POST', "/_ref/runs/$run/retry", \@owner)->{json}{run_id};
		is_deeply([ map { status($_, $run)->{retried_by} } @clients ], [ ($again) x @clients ], 'by what it was repeated');
		sql("pdpp_run_settle('$again', 'completed')");
	}
	is($gateway->stop, 0, 'stops');
};

subtest 'a lock that is stuck leaves each thread connections for others' => sub {
	my $gateway = start('--statement-timeout', 3600000);
	sql("pdpp_run_settle(pdpp_run_now('$_', '$_')->>'run_id', 'completed')") for 'stuck', map { "free-$_" } 1 .. $threads;
	my @stuck = on_each_thread($gateway, 8);
	my @clients = on_each_thread($gateway);
	my $holder = $node->background_psql('postgres');
	$holder->query_safe(q{BEGIN; SELECT FROM pdpp.connections WHERE connector_instance_id = 'stuck' FOR UPDATE});
	$_->send_request('POST', '/_ref/connections/stuck/run', \@owner) for @stuck;
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}) or die 'nobody waits';
	my @answers = map { $clients[ $_ - 1 ]->request('POST', "/_ref/connections/free-$_/run", \@owner) } 1 .. $threads;
	is_deeply([ map { $_->{status} } @answers ], [ (202) x $threads ], 'another connection is not held up on any');
	is_deeply([ map { $_->request('GET', '/_ref/runs', \@owner)->{status} } @clients ], [ (200) x $threads ], 'and no read is');
	is_deeply([ map { $_->receive->{json}{error}{code} } @stuck ], [ ('run_busy') x @stuck ], 'whoever wants it is told');
	$holder->quit;
	is($gateway->stop, 0, 'stops');
};

subtest 'clients over a unix socket are handed round as well' => sub {
	my $path = PostgreSQL::Test::Utils::tempdir_short() . '/gateway.sock';
	my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'), path => $path, args => [ '--threads', $threads ]);
	my @clients = on_each_thread($gateway, 3);
	my $run = new_run();
	is_deeply([ map { status($_, $run)->{status} } @clients ], [ ('active') x @clients ], 'all are served');
	is($gateway->stop, 0, 'stops');
};

subtest 'a stop loses no answer' => sub {
	my $gateway = start();
	my $run = new_run();
	my @waiting = on_each_thread($gateway, 2);
	$_->send_request('GET', "/_ref/runs/$run", [ @owner, Prefer => 'wait=3600' ]) for @waiting;
	PdppGateway::await(sub { metric($gateway, 'pdpp_waiters') == @waiting }, 'some wait');
	my $folder = PostgreSQL::Test::Utils::tempdir();
	$node->safe_psql('postgres', q{INSERT INTO pdpp.connections (connector_instance_id, connector_id)
		SELECT format('load-%s-%s', i, j), 'load' FROM generate_series(1, 8) AS i, generate_series(0, 4999) AS j});
	my @load = map {
		my $name = $_;
		child(sub {
			open my $file, '>', "$folder/$name" or die "$name: $!";
			$file->autoflush;
			my $client = $gateway->connect;
			for (my $number = 0; ; $number++)
			{
				my $answer = $client->request('POST', "/_ref/connections/load-$name-$number/run", [@owner]);
				# whoever is cut off has no part of an answer
				print {$file} $answer ? "$answer->{status} $answer->{json}{run_id}\n" : length $client->{buffer} ? "torn\n" : "closed\n";
				last unless $answer;
			}
		})
	} 1 .. 2 * $threads;
	PdppGateway::await(sub { grep({ -s "$folder/$_" && slurp_file("$folder/$_") =~ /^202/m } 1 .. @load) == @load }, 'all are at work');
	is($gateway->stop, 0, 'stops');
	waitpid($_, 0) for @load;
	is($_->receive->{json}{status}, 'active', 'who waits is answered') for @waiting;
	my @said = map { split /\n/, slurp_file("$folder/$_") } 1 .. @load;
	is(scalar(grep { !/^202 |^closed$/ } @said), 0, 'no answer is torn, and none is a failure');
	my @acknowledged = sort map { /^202 (.*)/ ? $1 : () } @said;
	my @admitted = sort split /\n/, $node->safe_psql('postgres', q{SELECT run_id FROM pdpp_runs WHERE connector_instance_id LIKE 'load-%'});
	is_deeply(\@acknowledged, \@admitted, 'each run that was started is acknowledged: ' . @admitted);
};

subtest 'a second signal does not wait' => sub {
	my $gateway = start('--drain-timeout', 3600, '--body-timeout', 3600);
	my @clients = on_each_thread($gateway);
	$_->send("POST /owner/logout HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc") for @clients;
	PdppGateway::await(sub { metric($gateway, 'pdpp_http_connections') == @clients }, 'requests are under way');
	kill 'TERM', $gateway->pid;
	$gateway->await_log(qr/stopping/);
	is($gateway->stop, 0, 'stops');
};

subtest 'how many threads' => sub {
	my $serves = sub {
		my ($pattern, $name, %option) = @_;
		my $gateway = PdppGateway->start(conninfo => 'host=/nowhere', env => { PDPP_THREADS => '' }, %option);
		like($gateway->log, $pattern, $name);
		is($gateway->stop, 0, 'stops');
	};
	local $ENV{PDPP_THREADS};
	my $serving = sub { my ($count, $pool) = @_; my $s = $count == 1 ? '' : 's'; return qr/serving by $count thread$s, $pool database connections/ };
	$serves->($serving->(1, 4), 'one by one', args => [ '--threads', 1 ]);
	$serves->($serving->(3, 5), 'connections are shared out', args => [ '--threads', 3, '--pool', 5 ]);
	$serves->($serving->(1, 3), 'no more than have four connections each', args => [ '--pool', 3 ]);
	chomp(my $cores = `nproc`);
	my $usual = $cores > 4 ? 4 : $cores;
	$serves->($serving->($usual, 4 * $usual), 'as many as there are cores, at most four');
	my ($core) = `taskset -cp $$` =~ /: (\d+)/;
	system('taskset', '-cp', $core, $$) == 0 or die 'taskset';
	$serves->($serving->(1, 4), 'those that it may run on');
	for my $wrong ('0', '65', 'x', '-1')
	{
		local $ENV{PDPP_OWNER_PASSWORD} = 'x';
		IPC::Run::run([ PdppServer::program(), 'serve', "--threads=$wrong" ], '>', \my $out, '2>', \my $err);
		is($? >> 8, 2, "--threads $wrong: usage");
		like($err, qr/--threads/, 'says which');
	}
};

# Last, since the primary is gone then.
subtest 'what is kept of endings is kept by all, and forgotten by all when another server takes over' => sub {
	my ($early, $late, $lonely) = map { new_run() } 1 .. 3;
	sql("pdpp_run_settle('$early', 'completed')");
	$node->backup('base');
	my $standby = PdppCluster->new('threads_standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	my $both = sprintf 'host=%s,%s port=%d,%d dbname=postgres', $standby->host, $node->host, $standby->port, $node->port;
	my $gateway = PdppGateway->start(conninfo => $both, admin => 1, args => [ '--threads', $threads ]);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'pdpp feed'
		AND query ~ '^(LISTEN|SELECT pg_catalog.pg_is_in_recovery)'}) or die 'nobody listens';
	# the standby hears of nothing from here on: it is not there
	sql("pdpp_run_settle('$_', 'completed')") for $late, $lonely;
	my @clients = on_each_thread($gateway);
	for my $client (@clients)
	{
		is(status($client, $_)->{status}, 'completed', 'an ending') for $early, $late, $late;
	}
	is(status($clients[1], $lonely)->{status}, 'completed', 'one that a single thread has been asked for');
	my $hits = metric($gateway, 'pdpp_cache_requests_total{result="hit"}');
	cmp_ok($hits, '>=', $threads, 'they are kept');
	$node->stop;
	is(status($_, $late)->{status}, 'completed', 'while no server is there they are told') for @clients;
	is(status($_, $lonely)->{status}, 'completed', 'by all threads, whichever has them') for @clients;
	$standby->start;
	$standby->promote;
	for my $client (@clients)
	{
		ok(within(sub { (status($client, $late)->{status} // '') eq 'active' }), 'the new primary does not have this one');
		is(status($client, $lonely)->{status}, 'active', 'nor this');
		is(status($client, $early)->{status}, 'completed', 'but this');
	}
	$standby->safe_psql('postgres', "SELECT pdpp_run_settle('$late', 'failed')");
	is(status($_, $late)->{status}, 'failed', 'which ends in its own way') for @clients;
	is($gateway->stop, 0, 'stops');
};

done_testing();
