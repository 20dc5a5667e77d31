# Lists of runs: under writers that admit and settle all the while, and `pdpp runs` on a terminal, as JSON, and watching; and
# retention beside them.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';

my $node = PdppCluster->running('lists');
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }
sub pdpp { my (@arguments) = @_; return finish(start('', $pdpp, '--db', $db, @arguments)) }

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

# Every page of a list, each asked for on its own: the runs in their order.
my $reader = $node->background_psql('postgres');

sub walk
{
	my ($arguments) = @_;
	my ($cursor, @runs) = ('NULL');
	while (1)
	{
		my $page = decode_json($reader->query_safe("SELECT pdpp_run_list($arguments, page_size => 20, cursor => $cursor)"));
		push @runs, @{ $page->{data} };
		return @runs unless $page->{has_more};
		$cursor = "'$page->{next_cursor}'";
	}
}

sub ids { return map { $_->{run_id} } @_ }

subtest 'pages, while runs are added and settle' => sub {
	my $churn = q{
		DO $$
		DECLARE run text;
		BEGIN
			FOR n IN 1 .. LIMIT LOOP
				EXIT WHEN EXISTS (SELECT FROM stop);
				PERFORM pg_sleep(0.02);    -- or a slow reader would never come to an end
				run := pdpp_run_now('churn', 'WORKER-' || n % 5)->>'run_id';
				COMMIT;
				PERFORM pdpp_run_settle(run, (ARRAY['completed', 'failed', 'cancelled', 'abandoned'])[1 + n % 4]);
				COMMIT;
			END LOOP;
		END $$;
	};
	sql('CREATE TABLE stop ()');
	sql($churn =~ s/WORKER/before/r =~ s/LIMIT/100/r =~ s/0\.02/0/r);
	my %last;
	for my $walk (1 .. 5)
	{
		# each walk has writers of its own, who write from before its first page to after its last
		my $before = sql('SELECT count(*) FROM pdpp_runs');
		my @writers = map { start('', 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $db, '-c', $churn =~ s/WORKER/w$_/r =~ s/LIMIT/1000000/r) } 1 .. 2;
		$node->poll_query_until('postgres', "SELECT count(*) > $before FROM pdpp_runs") or die 'nobody writes';
		my @known = split /\n/, sql('SELECT run_id FROM pdpp_runs');
		my @runs = walk('NULL');
		my %seen;
		$seen{$_}++ for ids(@runs);
		is_deeply([ grep { $seen{$_} > 1 } keys %seen ], [], "walk $walk: no run is repeated");
		is_deeply([ grep { !$seen{$_} } @known ], [], "walk $walk: none that was there is skipped");
		my @order = map { $_->{admitted_at} } @runs;
		is_deeply(\@order, [ sort { $b cmp $a } @order ], "walk $walk: newest first");
		is_deeply([ grep { ($last{ $_->{run_id} } // 'active') !~ /active|$_->{status}/ } @runs ], [],
			"walk $walk: no ending changes, and nobody steps back");
		$last{ $_->{run_id} } = $_->{status} for @runs;
		for my $status ('active', 'completed', 'failed')
		{
			my @listed = walk("status => '$status', connector_id => 'churn'");
			my %times;
			$times{$_}++ for ids(@listed);
			is_deeply([ grep { $times{$_} > 1 } keys %times ], [], "walk $walk, $status: no run is repeated");
			is_deeply([ grep { $_->{status} ne $status } @listed ], [], "walk $walk: all of them $status");
			is_deeply([ grep { $last{$_} eq $status && !$times{$_} } keys %last ], [], "walk $walk, $status: none is skipped")
			  if $status ne 'active';
		}
		$before = sql('SELECT count(*) FROM pdpp_runs');
		ok($node->poll_query_until('postgres', "SELECT count(*) > $before FROM pdpp_runs"), "walk $walk: they still write");
		sql('INSERT INTO stop DEFAULT VALUES');
		is((finish($_))[0], 0, "walk $walk: a writer") for @writers;
		sql('TRUNCATE stop');
	}
	$reader->quit;
	is(sql(q{SELECT count(*) FROM pdpp_check()}), '0', 'and all is well');
};

subtest 'for programs' => sub {
	my ($code, $out, $err) = pdpp('runs', '--status', 'failed', '--limit', '3', '--connector', 'churn', '--connection', 'before-3');
	is($code, 0, 'exit code');
	is($err, '', 'nothing on standard error');
	is($out, sql(q{SELECT pdpp_run_list('failed', 'churn', 'before-3', page_size => 3)}) . "\n", 'a page, byte for byte');
	my $page = decode_json($out);
	($code, $out) = pdpp('runs', '--status', 'failed', '--limit', '3', '--connector', 'churn', '--connection', 'before-3', '--cursor', $page->{next_cursor});
	is((ids(@{ decode_json($out)->{data} }))[0],
		sql(q{SELECT pdpp_run_list('failed', 'churn', 'before-3')#>>'{data,3,run_id}'}), 'the next page');
	($code, $out) = pdpp('runs', '--all', '--connection', 'before-3', '--limit', '9');
	is(scalar(split /\n/, $out), 3, '--all: a page a line');
	is(join(' ', map { ids(@{ decode_json($_)->{data} }) } split /\n/, $out),
		sql(q{SELECT string_agg(run_id, ' ' ORDER BY admitted_at DESC, run_id DESC) FROM pdpp_runs WHERE connector_instance_id = 'before-3'}),
		'all of them');
	is(scalar @{ decode_json((pdpp('runs', '--since', 'tomorrow'))[1])->{data} }, 0, '--since');
	is(scalar @{ decode_json((pdpp('runs', '--until', 'yesterday'))[1])->{data} }, 0, '--until');
	for my $case (
		[ 2, 'usage', '--status', 'done' ], [ 2, 'usage', '--limit', '0' ], [ 2, 'usage', '--limit', '501' ],
		[ 2, 'usage', '--watch', '--all' ], [ 5, 'refused', '--since', 'nonsense' ], [ 5, 'invalid_cursor', '--cursor', 'x' ],
		[ 5, 'invalid_request', '--connection', '' ])
	{
		my ($want, $key, @arguments) = @$case;
		my ($got, $said, $error) = pdpp('runs', @arguments);
		is($got, $want, "@arguments: exit code $want");
		is(decode_json($error)->{error}{code}, $key, "@arguments: $key");
	}
};

subtest 'for people' => sub {
	sql(q{SELECT pdpp_run_launch_failed(pdpp_run_now('t', 'terminal', E'shown')->>'run_id', E'no\x1b[31m')});
	my $shown = on_terminal('runs', '--connection', 'terminal');
	like($shown, qr/\ASTATUS +ADMITTED +ENDED +CONNECTION +RUN +REASON\nfailed +\S+Z +\S+Z +terminal +shown +launch_failed\n\z/, 'a line each');
	like(on_terminal('runs', '--limit', '2'), qr/\A(.*\n){3}more: --all, or --cursor rl_[0-9a-f]+\n\z/, 'says that there are more');
	is(scalar(() = on_terminal('runs', '--all', '--limit', '7', '--connection', 'before-3') =~ /^STATUS/mg), 1, '--all: one heading');
};

subtest 'connections' => sub {
	# one that lives, and one that is killed: the worker sees it
	my ($living, $dying) = map { my $session = $node->background_psql('postgres'); $session->query_safe("SELECT pdpp_controller_boot('$_')"); $session } 'living', 'dying';
	$living->query_safe(q{SELECT pdpp_controller_offer('[{"connector_instance_id": "co-1", "connector_id": "co"}, {"connector_instance_id": "co-2", "connector_id": "co"}]')});
	$dying->query_safe(q{SELECT pdpp_controller_offer('[{"connector_instance_id": "co-3", "connector_id": "co"}]')});
	sql(q{SELECT pdpp_connection_run_now('co-2', 'run_co')});
	my @co = ('connections', '--connector', 'co');
	is((pdpp(@co))[1], sql(q{SELECT pdpp_connection_list('co')}) . "\n", 'for programs: a page, byte for byte');
	my $heading = qr/CONNECTION +CONNECTOR +OFFERED BY +ACTIVE RUN\n/;
	like(on_terminal(@co), qr/\A${heading}co-1 +co +living +-\nco-2 +co +living +run_co\nco-3 +co +dying +-\n\z/, 'for people: a line each');
	my $pid = $dying->query_safe('SELECT pg_backend_pid()');
	sql("SELECT pg_terminate_backend($pid, 30000)");
	sql('SELECT pdpp_reconcile()');
	like(on_terminal(@co, '--not-offered'), qr/\A${heading}co-3 +co +- +-\n\z/, 'whose session is gone');
	is(on_terminal(@co, '--offered', '--idle'), on_terminal('connections', '--connection', 'co-1'), '--offered --idle, and --connection');
	like(on_terminal(@co, '--active'), qr/\A${heading}co-2 .*\n\z/, '--active');
	like(on_terminal(@co, '--limit', '2'), qr/\A(.*\n){3}more: --all, or --cursor cl_[0-9a-f]+\n\z/, 'says that there are more');
	my $all = (pdpp(@co, '--all', '--limit', '2'))[1];
	is(join(' ', map { map { $_->{connector_instance_id} } @{ decode_json($_)->{data} } } split /\n/, $all), 'co-1 co-2 co-3', '--all: every page, a page a line');
	like((pdpp(@co, '--cursor', decode_json((split /\n/, $all)[0])->{next_cursor}))[1], qr/"co-3".*"has_more": false/, '--cursor: the next page');
	for my $case ([ 2, 'usage', '--offered', '--not-offered' ], [ 2, 'usage', '--active', '--idle' ], [ 2, 'usage', '--limit', '501' ],
		[ 5, 'invalid_cursor', '--cursor', 'x' ], [ 5, 'invalid_request', '--connector', '' ])
	{
		my ($want, $key, @arguments) = @$case;
		my ($got, $said, $error) = pdpp('connections', @arguments);
		is($got, $want, "@arguments: exit code $want");
		is(decode_json($error)->{error}{code}, $key, "@arguments: $key");
	}
	unlike(on_terminal('now', 'co-1'), qr/^note:/m, 'now: of a connection that is offered nothing is said');
	like(on_terminal('now', 'co-3'), qr/^note: .* offers the connection co-3:/m, 'of one whose controller is gone it is');
	$living->quit;
};

subtest 'watching' => sub {
	sql(q{SELECT pdpp_run_now('w', 'watched', 'watched-1')});
	my $watch = start('', $pdpp, '--db', "$db application_name=watcher", 'runs', '--watch', '--connection', 'watched');
	ok(wait_for($watch, 'out', qr/"watched-1", "status": "active"/), 'what there is');
	sql(q{SELECT pdpp_run_settle('watched-1', 'completed')});
	ok(wait_for($watch, 'out', qr/"watched-1", "status": "completed"/), 'an ending');
	sql(q{SELECT pdpp_run_now('w', 'watched', 'watched-2')});
	ok(wait_for($watch, 'out', qr/"watched-2", "status": "active"/), 'an admission');
	# whatever other runs do, nothing is printed twice
	sql(qq{SELECT pdpp_run_event('watched-2', 'note')}) for 1 .. 3;
	sql(q{SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity WHERE application_name = 'watcher'});
	sql(q{SELECT pdpp_run_settle('watched-2', 'failed')});
	ok(wait_for($watch, 'out', qr/"watched-2", "status": "failed"/), 'an ending, its connection having been cut');
	my @pages = split /\n/, $watch->{out};
	my %seen;
	is((grep { $seen{$_}++ } @pages), 0, 'no page comes twice');
	is(scalar @pages, 4, 'one for each change');
	kill 'INT', pid_of($watch);
	is((finish($watch))[0], -2, 'until it is interrupted');

	my $screen = '';
	my $handle = IPC::Run::start([ $pdpp, '--db', $db, 'runs', '--watch', '--connection', 'watched' ], '<pty<', \my $nothing, '>pty>', \$screen,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$handle->pump until $screen =~ /watched-1/;
	sql(q{SELECT pdpp_run_now('w', 'watched', 'watched-3')});
	$handle->pump until $screen =~ /watched-3/;
	is(scalar(() = $screen =~ /\x1b\[H\x1b\[2J/g), 2, 'a terminal is drawn anew');
	$handle->kill_kill;
};

subtest 'prune' => sub {
	is((pdpp('prune', '--before', 'yesterday'))[1], qq({"left": 0, "runs": 0, "events": 0, "object": "prune", "left_is_exact": true}\n), 'nothing yet');
	is(on_terminal('prune', '--older-than', '1 day'), "nothing to remove\n", 'for people');
	sql(q{
		DO $$ BEGIN
			FOR n IN 1 .. 50 LOOP
				PERFORM pdpp_run_now('p', 'pruned', 'pruned ' || n);
				PERFORM pdpp_run_event('pruned ' || n, 'note') FROM generate_series(1, 50);
				PERFORM pdpp_run_settle('pruned ' || n, 'completed');
			END LOOP;
			PERFORM pdpp_run_now('p', 'kept', 'kept');
			PERFORM pdpp_run_event('kept', 'note') FROM generate_series(1, 50);
		END $$;
	});
	my $statuses = q{SELECT string_agg(pdpp_run_status(run_id)::text, ' ' ORDER BY run_id) FROM pdpp_runs};
	my $before = sql($statuses);
	# two at once, while the runs are read
	my @pruning = map { start('', $pdpp, '--db', $db, 'prune', '--older-than', '0', '--batch-size', '20') } 1 .. 2;
	my @said;
	for my $pruning (@pruning)
	{
		my ($code, $out, $err) = finish($pruning);
		is($code, 0, 'exit code');
		is($err, '', 'nothing on standard error');
		push @said, map { decode_json($_) } split /\n/, $out;
	}
	my $removed = 0;
	$removed += $_->{events} for @said;
	is($removed, 2500 + 3, 'all of it, each event by one of them');    # the notes of `watching` among them
	is((grep { $_->{events} > 20 } @said), 0, 'in batches');
	is(sql($statuses), $before, 'every handle says what it said');
	is(sql(q{SELECT count(*) FROM pdpp_runs WHERE connector_instance_id = 'pruned' AND (pdpp_run_timeline(run_id)->>'pruned')::boolean}), 50, 'timelines say so');
	is(sql(q{SELECT pdpp_run_timeline('kept')->>'event_count'}), 51, 'a run that goes on keeps its events');
	is(sql(q{SELECT count(*) FROM pdpp_check()}), 0, 'all is well');
	for my $case ([ 2, 'usage' ], [ 2, 'usage', '--before', 'yesterday', '--older-than', '1 day' ], [ 2, 'usage', '--before', 'yesterday', '--batch-size', '0' ],
		[ 5, 'refused', '--before', 'nonsense' ], [ 5, 'invalid_request', '--before', 'tomorrow' ])
	{
		my ($want, $key, @arguments) = @$case;
		my ($got, $out, $error) = pdpp('prune', @arguments);
		is($got, $want, "prune @arguments: exit code $want");
		is(decode_json($error)->{error}{code}, $key, "prune @arguments: $key");
	}
};

$node->stop;
done_testing();
