# Status reads at close quarters: gathered into few calls of the database, each with its own answer; and the statuses that
# never change, kept in memory.

use strict;
use warnings;
use utf8;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

# however slow the machine is, no run is taken for dead at its deadline
my $node = PdppCluster->running('status_reads', conf => "log_statement = all\nclient_encoding = UTF8\npdpp.launch_deadline = '1h'");

my $owner = 'Bearer ' . PdppGateway::token();

sub start { return PdppGateway->start(conninfo => $node->connstr('postgres'), args => [@_]); }

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }
sub bytes { my ($text) = @_; utf8::encode($text); return $text; }
sub encoded { my ($text) = bytes(@_); $text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge; return $text; }
sub sql { return $node->safe_psql('postgres', bytes($_[0])); }

sub admit { my ($id) = @_; sql("SELECT pdpp_run_now('c', 'c ' || md5(${\literal($id)}), run_id => ${\literal($id)})"); return; }
sub settle { my ($id, $data) = @_; sql("SELECT pdpp_run_settle(${\literal($id)}, 'failed', " . literal($data // '{}') . ')'); return; }

# A session that keeps every statement of the gateway waiting, until it quits.
sub hold_statements
{
	my $session = $node->background_psql('postgres');
	$session->query_safe('BEGIN; LOCK TABLE pdpp.spine_events IN ACCESS EXCLUSIVE MODE');
	return $session;
}

sub send_get
{
	my ($gateway, $id) = @_;
	my $client = $gateway->connect;
	$client->send_request('GET', '/_ref/runs/' . encoded($id), [ Authorization => $owner ]);
	return $client;
}

# With the one connection of the gateway busy, asks for all these at once: their answers, and the number of calls that
# were made for them.
sub ask_together
{
	my ($gateway, @ids) = @_;
	my $holder = hold_statements();
	my $first = send_get($gateway, 'nobody');
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'statuses'})
	  or die 'the first call does not wait';
	my $before = -s $node->logfile;
	my @clients = map { send_get($gateway, $_) } @ids;
	$gateway->get('/nowhere') for 1 .. 3;    # by now they have been read
	$holder->quit;
	$first->receive;
	my @answers = map { $_->receive } @clients;
	my $calls = () = PostgreSQL::Test::Utils::slurp_file($node->logfile, $before) =~ /execute \S+ SELECT body FROM public\.pdpp_run_statuses/g;
	return ($calls, @answers);
}

my @strange = ('"', '\\', '{}', '{', ',', 'NULL', 'null', ' ', 'a b', q{it's}, '\\"', '","', 'ä€😀', '$1', 'run_1"', 'x' x 256);
my @known = ((map { "run_$_" } 1 .. 20), @strange);
admit($_) for @known;
settle($_) for @known[ 0 .. 9 ], @strange[ 0 .. 7 ];
my @unknown = ('nope', 'RUN_1', 'run_1 ', '..%2F', 'y' x 257, "\x{1}", '{run_1,run_2}', 'Ä');

subtest 'each gets its own answer' => sub {
	my $gateway = start('--pool', '1', '--status-cache', '0');
	for my $round (1, 2)
	{
		my @ids = sort { $a cmp $b } @known, @unknown, @known;
		my ($calls, @answers) = ask_together($gateway, @ids);
		my $wrong = 0;
		for my $i (0 .. $#ids)
		{
			my $expected = bytes($node->safe_psql('postgres', bytes("SELECT pdpp_run_status(${\literal($ids[$i])})")));
			my $is_known = grep { $_ eq $ids[$i] } @known;
			utf8::decode($expected);
			my $answer = $answers[$i];
			next if $is_known && $answer->{status} == 200 && $answer->{body} eq $expected;
			next if !$is_known && $answer->{status} == 404 && $answer->{json}{error}{message} =~ /^Run not found: /;
			$wrong++;
			diag("$ids[$i]: $answer->{status} $answer->{body}");
		}
		is($wrong, 0, 'all ' . @ids . ' answers are those of their ids');
		cmp_ok($calls, '>=', 1, 'which calls were counted');
		cmp_ok($calls, '<=', 8, "in few calls ($calls)");
	}
	is($gateway->stop, 0, 'stops');
};

subtest 'one run that cannot be read spoils it for nobody else' => sub {
	plan skip_all => 'pg_surgery came with 14' if $node->pg_version < 14;
	sql('CREATE EXTENSION pg_surgery');
	admit('broken');
	settle('broken', '{"reason": "r", "x": "' . join('', map { chr(97 + int rand 26) } 1 .. 20000) . '"}');
	sql(q{DO $$ DECLARE toast regclass := (SELECT reltoastrelid FROM pg_class WHERE oid = 'pdpp.spine_events'::regclass);
		tids tid[]; BEGIN EXECUTE 'SELECT array_agg(ctid) FROM ' || toast INTO tids;
		PERFORM heap_force_kill(toast, tids); END $$});
	isnt($node->psql('postgres', q{SELECT pdpp_run_status('broken')}), 0, 'its row is damaged');

	my $gateway = start('--pool', '1', '--status-cache', '0');
	my ($calls, @answers) = ask_together($gateway, 'run_1', 'broken', 'nope', 'run_20');
	is_deeply([ map { $_->{status} } @answers ], [ 200, 500, 404, 200 ], 'each its own');
	is($answers[1]{json}{error}{code}, 'internal_error', 'typed');
	unlike($answers[1]{head} . $answers[1]{body}, qr/chunk|toast|XX001/i, 'nothing of the database gets out');
	like($gateway->log, qr/function=pdpp_run_status sqlstate=XX001 /, 'the log has it');
	is($gateway->stop, 0, 'stops');
};

subtest 'connections cut under a batch are survived' => sub {
	my $gateway = start('--pool', '1', '--status-cache', '0');
	my $holder = hold_statements();
	my @clients = map { send_get($gateway, $_) } 'run_1', 'nope', 'run_20';
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'statuses'});
	sql(q{SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE query ~ 'statuses' AND pid <> pg_backend_pid()});
	$holder->quit;
	is_deeply([ map { $_->receive->{status} } @clients ], [ 200, 404, 200 ], 'they are asked again');
	is($gateway->stop, 0, 'stops');
};

subtest 'statuses that never change are kept, behind the session' => sub {
	my $kept = start();
	my $unkept = start('--status-cache', '0');
	my %before;
	for my $gateway ($kept, $unkept)
	{
		for my $id ('run_1', 'run_20', 'nope')
		{
			$before{$id} = $gateway->get_as_owner("/_ref/runs/$id");
		}
	}
	settle('run_20');
	is($kept->get_as_owner('/_ref/runs/run_20')->{json}{status}, 'failed', 'what was active is asked for again');
	admit('nope');
	is($kept->get_as_owner('/_ref/runs/nope')->{status}, 200, 'and so is what was unknown');

	$node->stop;
	my $answer = $kept->get_as_owner('/_ref/runs/run_1');
	is($answer->{status}, 200, 'an ending is known without the database');
	is($answer->{body}, $before{run_1}{body}, 'byte for byte');
	my $head = $kept->request('HEAD', '/_ref/runs/run_1', [ Authorization => $owner ]);
	is($head->{headers}{'content-length'}, length $answer->{body}, 'HEAD too');
	is($answer->{head} =~ s/^(?:Request-Id|Date): .*\n//mgr, $before{run_1}{head} =~ s/^(?:Request-Id|Date): .*\n//mgr, 'under the same headers');
	is($kept->get_as_owner('/_ref/runs/run_1', 'If-None-Match' => $answer->{headers}{etag})->{status}, 304, '304 for who has it');
	is($kept->get_as_owner('/_ref/runs/run_1', Prefer => 'wait=5')->{headers}{'preference-applied'}, 'wait=5', 'a wait is over at once');
	is($kept->get('/_ref/runs/run_1')->{status}, 401, 'not without a session');
	is($kept->get('/_ref/runs/run_1', Authorization => "${owner}x")->{status}, 401, 'not with a wrong one');
	is($kept->get_as_owner('/_ref/runs/run_1?x=y')->{status}, 400, 'nor with parameters that there are not');
	is($kept->get_as_owner("/_ref/runs/$_")->{status}, 503, "$_ is another run") for 'RUN_1', 'run_1%20', 'run_01', 'run_2';
	is($kept->get_as_owner('/_ref/runs/run_1/timeline')->{status}, 503, 'a timeline is not kept');
	is($unkept->get_as_owner('/_ref/runs/run_1')->{status}, 503, 'with 0 MB nothing is kept');
	$node->start;
	is($_->stop, 0, 'stops') for $kept, $unkept;
};

subtest 'an ending that is read while the feed begins anew is known without the database too' => sub {
	my $gateway = start();
	my $feed = q{SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE application_name = 'pdpp feed' AND state = 'idle' AND query ~* '^listen'};
	PdppGateway::await(sub { sql($feed) }, 'there is a feed');
	my $before = sql($feed);
	my $holder = hold_statements();
	my $client = send_get($gateway, 'run_2');
	PdppGateway::await(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'statuses'}) }, 'the read waits');
	sql("SELECT pg_terminate_backend($before)");
	PdppGateway::await(sub { my $now = sql($feed); return $now && $now != $before }, 'there is another feed');
	$gateway->get('/nowhere') for 1 .. 3;    # by now the gateway knows
	$holder->quit;
	is($client->receive->{json}{status}, 'failed', 'it is told');
	$node->stop;
	is($gateway->get_as_owner('/_ref/runs/run_2')->{json}{status}, 'failed', 'and again');
	$node->start;
	is($gateway->stop, 0, 'stops');
};

$node->stop;
done_testing();
