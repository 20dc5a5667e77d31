# Streams: server-sent events of a run's status and timeline, and a whole timeline as lines.

use strict;
use warnings;

use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs qw(memory_ok);
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Time::HiRes ();
use Test::More;

my $node = PdppCluster->running('streaming', conf => 'restart_after_crash = on');

my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
my @lines = (@owner, Accept => 'application/x-ndjson');

sub start
{
	my (@args) = @_;
	return PdppGateway->start(conninfo => $node->connstr('postgres') . ' application_name=gateway', args => \@args);
}

my $runs = 0;

# Admits a run, and gives its id.
sub new_run
{
	my $run = 'run_' . ++$runs;
	$node->safe_psql('postgres', "SELECT pdpp_run_now('connector_$runs', run_id => '$run')");
	return $run;
}

sub sql { return $node->safe_psql('postgres', join '; ', map { "SELECT $_" } @_); }

# Says on the channel that something was committed about a run: nothing can be while its tables are locked.
sub tell_of { my ($run) = @_; return sql("pg_notify('pdpp_run', left(encode(sha256('$run'), 'hex'), 16))"); }

# How many statements of the gateway wait for a lock.
sub held_up { return sql(q{count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'gateway'}); }

# Opens a stream of events that is there.
sub follow
{
	my ($gateway, $path, @headers) = @_;
	my $client = $gateway->connect;
	my $head = $client->open_stream($path, @owner, @headers);
	is($head->{status}, 200, "$path: a stream") or diag explain $head;
	return $client;
}

# All events of a stream, to its end.
sub rest
{
	my ($client) = @_;
	my @events;
	while (my $event = $client->event) { push @events, $event; }
	ok($client->{is_complete}, 'the stream ends as it should');
	return @events;
}

sub types { return join ' ', map { $_->{json}{event_type} } @_; }

# What PostgreSQL prints as the events of a run: by sequence number, {text, cursor}.
sub events_in_sql
{
	my ($run) = @_;
	my $printed = $node->safe_psql('postgres', qq{
		SELECT event_seq, pdpp_run_timeline('$run', 1, before.cursor)->'data'->0, pdpp_run_timeline('$run', 1, before.cursor)->>'next_cursor'
		FROM (SELECT event_seq, pdpp_run_timeline('$run', (event_seq - 1)::int)->>'next_cursor' AS cursor
		      FROM pdpp.spine_events WHERE run_id = '$run' AND event_seq > 1) AS before ORDER BY event_seq});
	my %events;
	for my $line (split /\n/, $printed)
	{
		my ($seq, $text, $cursor) = $line =~ /^(\d+)\|(.*)\|([^|]*)$/ or die $line;
		$events{$seq} = { text => $text, cursor => $cursor };
	}
	return \%events;
}

# The end of a stream that told its client to come back.
sub is_sent_away
{
	my ($client, $name) = @_;
	my $block;
	while ($block = $client->block) { last if exists $block->{retry}; }
	like($block->{retry}, qr/^\d+$/, "$name: told when to come back");
	is($client->block, undef, "$name: the stream ends");
	ok($client->{is_complete}, "$name: as it should");
	return;
}

my $gateway = start();

subtest 'the status of a run, and each change of it' => sub {
	my $run = new_run();
	my $client = $gateway->connect;
	my $head = $client->open_stream("/_ref/runs/$run", @owner);
	is($head->{status}, 200, 'a stream');
	is($head->{headers}{'content-type'}, 'text/event-stream', 'its type');
	is($head->{headers}{'cache-control'}, 'no-store', 'not stored');
	like($head->{headers}{'request-id'}, qr/^req_/, 'with a request id');
	my $first = $client->block;
	like($first->{retry}, qr/^[1-3]\d{3}$/, 'when to come back, if need be');
	my $now = $client->event;
	is($now->{json}{status}, 'active', 'the status now');
	is($now->{data}, sql("pdpp_run_status('$run')"), 'as PostgreSQL prints it');
	sql("pdpp_run_started('$run')");
	my $started = $client->event;
	is($started->{data}, sql("pdpp_run_status('$run')"), 'started');
	isnt($started->{id}, $now->{id}, 'under another id');
	sql("pdpp_run_event('$run', 'progress')");
	sql("pdpp_run_settle('$run', 'completed')");
	my $end = $client->event;
	is($end->{data}, sql("pdpp_run_status('$run')"), 'the end; what changes nothing is not sent');
	is_deeply([ rest($client) ], [], 'and nothing more');

	is($client->open_stream("/_ref/runs/$run", @owner, 'Last-Event-ID' => $end->{id})->{status}, 204, 'who has seen the end is told so');
	is($client->request('GET', "/_ref/runs/$run", \@owner)->{status}, 200, 'on the same connection');
	is($client->open_stream("/_ref/runs/$run", @owner, 'Last-Event-ID' => $now->{id})->{status}, 200, 'who has not,');
	is_deeply([ map { $_->{id} } rest($client) ], [ $end->{id} ], 'gets it');

	$run = new_run();
	$client = follow($gateway, "/_ref/runs/$run");
	my $seen = $client->event->{id};
	$client = follow($gateway, "/_ref/runs/$run", 'Last-Event-ID' => $seen);
	sql("pdpp_run_cancel('$run')");
	is($client->event->{json}{status}, 'cancelled', 'who has seen the present gets what comes');
	rest($client);
};

subtest 'what is no stream is a normal answer' => sub {
	my $run = new_run();
	my $client = $gateway->connect;
	for my $path ('/_ref/runs/run_never', '/_ref/runs/run_never/timeline')
	{
		my $answer = $client->open_stream($path, @owner);
		is($answer->{status}, 404, "$path: 404");
		is($answer->{json}{error}{code}, 'not_found', "$path: typed");
		is($client->request('GET', $path, \@lines)->{json}{error}{code}, 'not_found', "$path: as lines too") if $path =~ /timeline/;
	}
	is($client->open_stream("/_ref/runs/$run")->{status}, 401, 'without a session 401');
	is($client->open_stream("/_ref/runs/$run/timeline?limit=3", @owner)->{json}{error}{param}, 'limit', 'a stream has no limit');
	is($client->open_stream("/_ref/runs/$run/timeline?page=3", @owner)->{json}{error}{param}, 'page', 'nor what no page has');
	my $other = new_run();
	sql("pdpp_run_started('$other')");
	my $foreign = sql("pdpp_run_timeline('$other')->>'next_cursor'");
	for my $cursor ('tl_0', 'nonsense', $foreign)
	{
		my $answer = $client->open_stream("/_ref/runs/$run/timeline", @owner, 'Last-Event-ID' => $cursor);
		is($answer->{status}, 400, "$cursor: 400");
		is($answer->{json}{error}{code}, 'invalid_cursor', "$cursor: typed");
	}
	is($client->request('GET', "/_ref/runs/$run", \@owner)->{headers}{'content-type'}, 'application/json', 'who asks for no stream gets none');

	for my $accept ('*/*', 'text/*;q=0.5, application/json', 'text/event-stream;q=0')
	{
		my $answer = $client->request('GET', "/_ref/runs/$run", [ @owner, Accept => "$accept, application/*" ]);
		is($answer->{headers}{'content-type'}, 'application/json', "$accept: nor who would rather have a body");
	}
	is($client->request('GET', "/_ref/runs/$run", \@lines)->{status}, 406, 'of a status there are no lines');
	is($client->request('GET', '/_ref/runs', [ @owner, Accept => 'text/event-stream' ])->{status}, 406, 'and of a list no stream');
	my $choosy = $gateway->connect;
	$choosy->send_request('GET', "/_ref/runs/$run/timeline", [ @owner, Accept => 'application/json;q=0.1, application/x-ndjson' ]);
	is($choosy->receive_head->{headers}{'content-type'}, 'application/x-ndjson', 'the preferred type is sent');

	my $head = $client->request('HEAD', "/_ref/runs/$run", [ @owner, Accept => 'text/event-stream' ]);
	is("$head->{status} $head->{headers}{'content-type'}", '200 text/event-stream', 'HEAD gets the head');
	is($client->request('GET', "/_ref/runs/$run", \@owner)->{status}, 200, 'and no body');

	my $old = $gateway->connect;
	sql("pdpp_run_cancel('$run')");
	$old->send("GET /_ref/runs/$run HTTP/1.0\r\nAccept: text/event-stream\r\nAuthorization: $owner[1]\r\nConnection: keep-alive\r\n\r\n");
	my $answer = $old->receive_head;
	isnt($answer->{headers}{connection}, 'keep-alive', 'HTTP/1.0: closed afterwards');
	is($answer->{headers}{'transfer-encoding'}, undef, 'HTTP/1.0: no chunks');
	$old->fill until $old->{eof};
	like($old->{buffer}, qr/\Aretry: \d+\n\nid: \S+\ndata: \{.*"cancelled".*\}\n\n\z/, 'HTTP/1.0: the events as they are');
};

subtest 'events as they are committed' => sub {
	my $run = new_run();
	my $client = follow($gateway, "/_ref/runs/$run/timeline");
	is($client->event->{json}{event_type}, 'run.admitted', 'what there is');
	sql("pdpp_run_started('$run')");
	is($client->event->{json}{event_type}, 'run.started', 'what comes');
	sql("pdpp_run_event('$run', 'big', '{\"n\": 123456789012345678901234567890.123, \"line\": \"a\\nb\"}')");
	like($client->event->{data}, qr/"n": 123456789012345678901234567890\.123\b/, 'every digit of it');
	sql("pdpp_run_event('$run', 'progress')") for 1 .. 3;
	sql("pdpp_run_settle('$run', 'completed')");
	is(types(rest($client)), 'progress progress progress run.completed', 'to the end of the run');

	$client = follow($gateway, "/_ref/runs/$run/timeline");
	my @all = rest($client);
	is(join(' ', map { $_->{json}{event_seq} } @all), '1 2 3 4 5 6 7', 'a run that has ended, from its beginning');
	my $sql = events_in_sql($run);
	is($all[ $_ - 1 ]{data}, $sql->{$_}{text}, "event $_ is what PostgreSQL prints") for 2 .. 7;
	is($all[ $_ - 1 ]{id}, $sql->{$_}{cursor}, "event $_ has the cursor of the timeline") for 2 .. 6;
	is($client->open_stream("/_ref/runs/$run/timeline", @owner, 'Last-Event-ID' => $all[6]{id})->{status}, 204, 'who has seen the end is told so');
	is($client->open_stream("/_ref/runs/$run/timeline?cursor=$all[6]{id}", @owner)->{status}, 204, 'also by the cursor');
	for my $seen (1 .. 6)
	{
		my $resumed = follow($gateway, "/_ref/runs/$run/timeline", 'Last-Event-ID' => $all[ $seen - 1 ]{id});
		is(join(' ', map { $_->{json}{event_seq} } rest($resumed)), join(' ', $seen + 1 .. 7), "resumed after event $seen");
	}
	my $both = follow($gateway, "/_ref/runs/$run/timeline?cursor=$all[0]{id}", 'Last-Event-ID' => $all[4]{id});
	is(join(' ', map { $_->{json}{event_seq} } rest($both)), '6 7', 'a client that comes back to a cursor goes on where it was');

	sql("pdpp_run_settle('$run', 'failed')");
	$client = follow($gateway, "/_ref/runs/$run/timeline", 'Last-Event-ID' => $all[6]{id});
	is(types(rest($client)), 'run.late_outcome', 'what is reported after the end is there for who comes back');
};

subtest 'no gap and no repeat, whatever breaks' => sub {
	my $run = new_run();
	sql("pdpp_run_started('$run')");
	my $script = $node->basedir . '/event.sql';
	append_to_file($script, "SELECT pdpp_run_event('$run', 'progress', jsonb_build_object('client', :client_id));\n");
	my $log = '';
	my $writers = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '4', '-t', '500', '-f', $script, $node->connstr('postgres') ],
		'>', \$log, '2>&1', IPC::Run::timeout(2 * $PostgreSQL::Test::Utils::timeout_default));
	my @seen;
	my ($last, $connections) = (undef, 0);
	my $client;
	while (@seen < 2000)
	{
		if (!$client)
		{
			$client = $gateway->connect;
			my $head = $client->open_stream("/_ref/runs/$run/timeline", @owner, defined $last ? ('Last-Event-ID' => $last) : ());
			if ($head->{status} != 200) { $client = undef; next; }
			$connections++;
		}
		my $event = $client->event or BAIL_OUT('the stream of a run that goes on has ended');
		push @seen, $event->{json}{event_seq};
		$last = $event->{id};
		if (@seen % 97 == 0) { $client = undef; }
		if (@seen % 403 == 0)
		{
			sql(q{pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('gateway', 'pdpp feed')});
		}
	}
	$writers->finish;
	is($writers->full_result(0), 0, 'the writers are through') or diag $log;
	sql("pdpp_run_settle('$run', 'completed')");
	push @seen, map { $_->{json}{event_seq} } rest($client // follow($gateway, "/_ref/runs/$run/timeline", 'Last-Event-ID' => $last));
	is_deeply(\@seen, [ 1 .. 2003 ], "2003 events, once each and in order, over $connections connections");
};

subtest 'a database that goes away and comes back' => sub {
	my $run = new_run();
	my $status = follow($gateway, "/_ref/runs/$run");
	my $timeline = follow($gateway, "/_ref/runs/$run/timeline");
	$_->event for $status, $timeline;
	for my $mode ('fast', 'immediate')
	{
		$node->stop($mode);
		is($gateway->connect->open_stream("/_ref/runs/$run", @owner)->{status}, 503, "$mode: no stream begins without it");
		$node->start;
		sql("pdpp_run_event('$run', '$mode')");
		is($timeline->event->{json}{event_type}, $mode, "$mode: a stream that had begun goes on");
	}
	sql("pdpp_run_settle('$run', 'completed')");
	is(types(rest($timeline)), 'run.completed', 'to the end');
	is(join(' ', map { $_->{json}{status} } rest($status)), 'completed', 'of both');
};

subtest 'a silent stream says that it lives' => sub {
	my $lively = start('--keep-alive', '0.05', '--statement-timeout', '3600000');
	my $run = new_run();
	for my $path ("/_ref/runs/$run", "/_ref/runs/$run/timeline")
	{
		my $client = follow($lively, $path);
		$client->event;
		ok(exists $client->block->{comment}, "$path: a comment") for 1 .. 3;
	}
	my $client = follow($lively, "/_ref/runs/$run");
	$client->event;
	$node->stop;
	ok(exists $client->block->{comment}, 'also while the database is away') for 1 .. 3;
	$node->start;
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('BEGIN; LOCK TABLE pdpp.spine_events, pdpp.controller_active_runs');
	PdppGateway::await(sub { tell_of($run); held_up() > 0 }, 'it looks, in vain');
	$client->block while $client->has_more;
	ok(exists $client->block->{comment}, 'and while it waits for an answer') for 1 .. 3;
	cmp_ok(held_up(), '>', 0, 'which has not come');
	$holder->quit;
	sql("pdpp_run_cancel('$run')");
	is((rest($client))[-1]{json}{status}, 'cancelled', 'and goes on when it is back');
	is($lively->stop, 0, 'stops');
};

subtest 'what is heard of during a look is looked at after it' => sub {
	my $attentive = start('--keep-alive', '9');
	my $run = new_run();
	my $client = follow($attentive, "/_ref/runs/$run/timeline");
	$client->event;
	my $writer = $node->background_psql('postgres');
	$writer->query_safe('BEGIN; LOCK TABLE pdpp.spine_events');
	PdppGateway::await(sub { tell_of($run); held_up() > 0 }, 'it looks, and sees what is there now');
	tell_of($run);
	$writer->query_safe("SET LOCAL pdpp.notify = off; SELECT pdpp_run_started('$run')");
	$writer->query_safe('COMMIT');
	$writer->quit;
	is(($client->block->{data} // '') =~ /"run.started"/, 1, 'a change that nothing else told of, before any sign of life');
	is($attentive->stop, 0, 'stops');
	sql("pdpp_run_cancel('$run')");
};

subtest 'a server that stops sends its streams away' => sub {
	my $doomed = start();
	my $run = new_run();
	my @clients = map { follow($doomed, $_) } "/_ref/runs/$run", "/_ref/runs/$run/timeline";
	$_->event for @clients;
	kill 'TERM', $doomed->pid;
	is_sent_away($clients[0], 'status');
	is_sent_away($clients[1], 'timeline');
	is($doomed->stop, 0, 'it stops');
};

subtest 'a stream ends when its session expires' => sub {
	my $run = new_run();
	my $patient = start('--keep-alive', '3600');
	my $expiry = time + 5;
	my @session = (Authorization => 'Bearer ' . PdppGateway::token_of(qq({"exp":$expiry,"iat":1,"sub":"owner"})));
	my @paths = ("/_ref/runs/$run", "/_ref/runs/$run/timeline");
	my @clients = map { my $client = $patient->connect; is($client->open_stream($_, @session)->{status}, 200, $_); $client } @paths;
	my @others = map { follow($patient, $_) } @paths;
	$_->event for @clients, @others;
	is_sent_away($clients[$_], $paths[$_]) for 0, 1;
	cmp_ok(Time::HiRes::time(), '>=', $expiry, 'not before');
	is($patient->connect->open_stream($_, @session)->{status}, 401, "$_: there is no coming back") for @paths;
	sql("pdpp_run_cancel('$run')");
	like((rest($_))[-1]{data}, qr/"(run\.)?cancelled"/, 'those of another session go on') for @others;
	is($patient->stop, 0, 'stops');
};

subtest 'and when the password changes' => sub {
	my $run = new_run();
	my $file = PostgreSQL::Test::Utils::tempdir() . '/password';
	append_to_file($file, "$PdppGateway::password\n");
	chmod 0600, $file;
	my $guarded = PdppGateway->start(conninfo => $node->connstr('postgres'), password => undef, args => [ '--keep-alive', '3600' ],
		env => { PDPP_OWNER_PASSWORD_FILE => $file });
	my @paths = ("/_ref/runs/$run", "/_ref/runs/$run/timeline");
	my @clients = map { follow($guarded, $_) } @paths;
	$_->event for @clients;
	kill 'HUP', $guarded->pid;
	$guarded->await_log(qr/reloaded/);
	sql("pdpp_run_started('$run')");
	is($clients[0]->event->{json}{status}, 'active', 'the same password: the status goes on');
	is($clients[1]->event->{json}{event_type}, 'run.started', 'and the timeline');
	append_to_file("$file.new", "another password\n");
	chmod 0600, "$file.new";
	rename "$file.new", $file or die "rename: $!";
	kill 'HUP', $guarded->pid;
	is_sent_away($clients[$_], $paths[$_]) for 0, 1;
	is($guarded->connect->open_stream($_, @owner)->{status}, 401, "$_: there is no coming back") for @paths;
	is($guarded->stop, 0, 'stops');
	sql("pdpp_run_cancel('$run')");
};

subtest 'a client that leaves is noticed' => sub {
	my $run = new_run();
	my @clients = map { follow($gateway, "/_ref/runs/$run/timeline") } 1 .. 5;
	$_->event for @clients;
	PdppGateway::await(sub { $gateway->connections == 5 }, 'there are only these');
	close $_->{socket} for @clients;
	PdppGateway::await(sub { $gateway->connections == 0 }, 'their connections are closed');
	pass('and are let go');
};

# A run of many and of large events, for what follows.
my $events = 12_000;
my $long = new_run();
$node->safe_psql('postgres', qq{
	SELECT pdpp_run_started('$long');
	SELECT count(pdpp_run_event('$long', 'progress', jsonb_build_object('text', repeat('x', 1000), 'n', n))) FROM generate_series(3, $events - 100) AS n;
	SELECT count(pdpp_run_event('$long', 'large', jsonb_build_object('text', repeat('y', 60000), 'n', n))) FROM generate_series(1, 99) AS n;
	SELECT pdpp_run_settle('$long', 'completed')});

# Resident memory of a gateway in kB: now (VmRSS), or at its most since forget_peak() (VmHWM).
sub memory
{
	my ($of, $which) = @_;
	return slurp_file('/proc/' . $of->pid . '/status') =~ /^$which:\s+(\d+) kB/m ? $1 : die;
}

sub forget_peak
{
	my ($of) = @_;
	append_to_file('/proc/' . $of->pid . '/clear_refs', '5');
	return memory($of, 'VmHWM');
}

sub seq_of { return $_[0] =~ /"event_seq": (\d+)/ ? $1 : die "no event: $_[0]"; }

# Reads all lines of a timeline: the sequence numbers, and the number of bytes.
sub read_lines
{
	my ($from, $path) = @_;
	my $client = $from->connect;
	$client->send_request('GET', $path, \@lines);
	my $head = $client->receive_head;
	is("$head->{status} $head->{headers}{'content-type'}", '200 application/x-ndjson', "$path: lines");
	my ($bytes, $line, @seen) = (0, '');
	while (length(my $chunk = $client->chunk // die 'broken off'))
	{
		$bytes += length $chunk;
		$line .= $chunk;
		while ($line =~ s/^(.*)\n//) { push @seen, seq_of($1); }
	}
	is($line, '', "$path: whole lines");
	return (\@seen, $bytes);
}

subtest 'a whole timeline as lines, in constant memory' => sub {
	my $lean = start();
	$lean->get_as_owner("/_ref/runs/$long");
	my $before = forget_peak($lean);
	my ($seen, $bytes) = read_lines($lean, "/_ref/runs/$long/timeline");
	is_deeply($seen, [ 1 .. $events ], 'every event once, in order');
	my $grown = memory($lean, 'VmHWM') - $before;
	diag sprintf '%d events, %.1f MB: memory grew by %.1f MB', scalar @$seen, $bytes / 1e6, $grown / 1024;
	cmp_ok($bytes, '>', 20e6, 'much is sent');
	memory_ok($grown, 12 << 10, 'little is held: of the largest events a page is more than 4 MB');

	my $cursor = sql("pdpp_run_timeline('$long', 5000)->>'next_cursor'");
	($seen) = read_lines($lean, "/_ref/runs/$long/timeline?cursor=$cursor");
	is_deeply($seen, [ $seen->[0] .. $events ], 'from a cursor on');
	cmp_ok($seen->[0], '>', 1, 'and not from the beginning');
	my $run = new_run();
	($seen) = read_lines($lean, "/_ref/runs/$run/timeline");
	is_deeply($seen, [1], 'of a run that goes on: what there is');
	my $end = sql("pdpp_run_timeline('$run')->>'next_cursor'");
	($seen) = read_lines($lean, "/_ref/runs/$run/timeline?cursor=$end");
	is_deeply($seen, [], 'or nothing');
	is($lean->stop, 0, 'stops');
};

subtest 'readers that do not read hold no memory' => sub {
	my $lean = start();
	$lean->get_as_owner("/_ref/runs/$long");
	my $before = forget_peak($lean);
	my @idle;
	for (1 .. 20)
	{
		my $client = $lean->connect(Sockopts => [ [ SOL_SOCKET, SO_RCVBUF, 4096 ] ]);
		$client->send_request('GET', "/_ref/runs/$long/timeline", [ @owner, Accept => $_ % 2 ? 'text/event-stream' : 'application/x-ndjson' ]);
		push @idle, $client;
	}
	PdppGateway::await(sub { $_->has_more || return 0 for @idle; 1 }, 'each has something to read');
	# while this one takes everything, the server goes as far as it will with the others
	my ($seen) = read_lines($lean, "/_ref/runs/$long/timeline");
	is(scalar @$seen, $events, 'others are served');
	my $grown = memory($lean, 'VmHWM') - $before;
	diag sprintf '20 readers who do not read: memory grew by %.1f MB', $grown / 1024;
	memory_ok($grown, 16 << 10, 'nothing piles up');
	my ($taken, $is_complete) = rest_of($idle[0]);
	is_deeply($taken, [ 1 .. @$taken ], 'one that reads at last gets one event after the other, ' . @$taken . ' of them');
	ok(!$is_complete || @$taken == $events, 'and is told so if it does not get all, because the server has lost patience');
	is($lean->stop('KILL'), 'signal 9', 'stops');
};

# The sequence numbers of a stream whose head has not been read, and whether it has an end.
sub rest_of
{
	my ($client) = @_;
	$client->receive_head;
	$client->{events} = '';
	my @seen;
	while (my $block = $client->block) { push @seen, seq_of($block->{data}) if exists $block->{data}; }
	return (\@seen, $client->{is_complete});
}

subtest 'a thousand streams' => sub {
	my $crowded = start();
	my $streams = 1000;
	my @runs = map { new_run() } 1 .. 10;
	$crowded->get_as_owner("/_ref/runs/$runs[0]");
	my $before = memory($crowded, 'VmRSS');
	my @clients;
	for my $number (1 .. $streams)
	{
		my $client = $crowded->connect;
		$client->send_request('GET', "/_ref/runs/$runs[ $number % 10 ]" . ($number % 20 < 10 ? '' : '/timeline'),
			[ @owner, Accept => 'text/event-stream' ]);
		push @clients, $client;
	}
	for my $client (@clients)
	{
		$client->receive_head->{status} == 200 or die;
		$client->{events} = '';
		$client->event or die;
	}
	my $each = (memory($crowded, 'VmRSS') - $before) / $streams;
	diag sprintf '%d open streams: %.1f kB each', $streams, $each;
	memory_ok($each, 25, 'a stream is small: ten thousand fit into 250 MB');
	is($crowded->get_as_owner("/_ref/runs/$runs[0]")->{status}, 200, 'others are served');
	sql(map { "pdpp_run_cancel('$_')" } @runs);
	my $ended = grep { my $event; 1 while ($event = $_->event) && ($event->{json}{status} // '') ne 'cancelled'; $event } @clients;
	is($ended, $streams, 'each of them hears of the end');
	is($crowded->stop, 0, 'stops');
};

is($gateway->stop, 0, 'the gateway stops cleanly');

$node->stop;
done_testing();
