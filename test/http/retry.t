# Runs that repeat others, over HTTP and from the command line: the acknowledgement, the links, the refusals, and that what a gateway
# keeps in memory of a run that has ended does not hide by what it was repeated.
use strict;
use warnings;

use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $node = PdppCluster->running('retry', conf => "pdpp.launch_deadline = 1h");
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');
# each thread has a memory of its own (threads.t); here a gateway has one
my ($gateway, $other) = map { PdppGateway->start(conninfo => $db, args => [ '--threads', '1' ]) } 1 .. 2;
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());

sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement) }
sub post { my ($path, $body, @headers) = @_; return $gateway->request('POST', $path, [ @owner, (defined $body ? ('Content-Type' => 'application/json') : ()), @headers ], $body) }
sub of { my ($run, $through) = @_; return ($through // $gateway)->get_as_owner("/_ref/runs/$run")->{json} }
sub pdpp { my (@arguments) = @_; return finish(start('', PdppServer::program(), '--db', $db, @arguments)) }

# A run that has ended, and that both gateways remember.
sub ended
{
	my ($run) = @_;
	sql("select pdpp_run_now('c', 'conn $run', '$run', data => '{\"n\": 1.10}'); select pdpp_run_settle('$run', 'failed')");
	for my $each ($gateway, $other)
	{
		is(of($run, $each)->{retried_by}, undef, "$run: repeated by none") for 1 .. 2;
	}
	return $run;
}

subtest 'a run is repeated' => sub {
	ended('first');
	my $before = $gateway->get_as_owner('/_ref/runs/first');
	my $answer = post('/_ref/runs/first/retry');
	is($answer->{status}, 202, 'accepted');
	my $run = $answer->{json}{run_id};
	is($answer->{json}{retry_of}, 'first', 'the acknowledgement says what it repeats');
	is($answer->{headers}{location}, "/_ref/runs/$run", 'Location');
	is(of($run)->{retry_of}, 'first', 'so does its status');
	is(of('first')->{retried_by}, $run, 'the gateway that was asked tells at once by what the first was repeated');
	ok(within(sub { (of('first', $other)->{retried_by} // '') eq $run }), 'another hears of it');
	my $again = $gateway->get_as_owner('/_ref/runs/first', 'If-None-Match' => $before->{headers}{etag});
	is($again->{status}, 200, 'who has the status of before is given the new one');
	is($gateway->get_as_owner('/_ref/runs/first', 'If-None-Match' => $again->{headers}{etag})->{status}, 304, 'and then has it');
	is($again->{headers}{'cache-control'}, 'no-cache', 'a status is asked for again');
	is(sql("select data_json from pdpp.spine_events where run_id = '$run'"), '{"n": 1.10}', 'it is given what the first was given');
	is(sql("select connector_instance_id from pdpp_runs where run_id = '$run'"), 'conn first', 'and is of its connection');
	is($gateway->get_as_owner('/_ref/runs?retry_of=first')->{json}{data}[0]{run_id}, $run, 'the list of those that repeat it');
	is(scalar @{ $gateway->get_as_owner("/_ref/runs?retry_of=$run")->{json}{data} }, 0, 'and of another');
};

subtest 'with what a run can be given' => sub {
	ended('given');
	my $answer = post('/_ref/runs/given/retry', '{"run_id": "given 2", "data": {"n": 2.0}}', 'Idempotency-Key' => 'k');
	is($answer->{json}{run_id}, 'given 2', 'an id');
	is(sql(q{select data_json from pdpp.spine_events where run_id = 'given 2'}), '{"n": 2.0}', 'data of its own');
	my $again = post('/_ref/runs/given/retry', '{"run_id": "given 2", "data": {"n": 2.0}}', 'Idempotency-Key' => 'k');
	is($again->{body}, $answer->{body}, 'asked again, the same');
	sql(q{select pdpp_run_settle('given 2', 'completed')});
	$answer = post('/_ref/runs/given%202/retry', undef, 'Prefer' => 'wait=1');
	is($answer->{json}{retry_of}, 'given 2', 'one that was completed; the id of the path is decoded');
};

subtest 'what is refused' => sub {
	sql(q{select pdpp_run_now('c', 'conn active', 'active')});
	my %refused = (
		active => [ 409, 'run_already_active' ],
		nobody => [ 404, 'not_found' ]);
	for my $run (sort keys %refused)
	{
		my $answer = post("/_ref/runs/$run/retry");
		is($answer->{status}, $refused{$run}[0], "$run: the status");
		is($answer->{json}{error}{code}, $refused{$run}[1], "$run: the code");
		is($answer->{json}{error}{param}, 'run_id', "$run: as the path has it");
	}
	is(post('/_ref/runs/active/retry')->{headers}{location}, '/_ref/runs/active', 'where the active one is');
	is($gateway->request('POST', '/_ref/runs/active/retry')->{status}, 401, 'without a session');
	is($gateway->get_as_owner('/_ref/runs/active/retry')->{status}, 405, 'GET');
	is(sql(q{select count(*) from pdpp.spine_events where source_kind = 'retried_run' and source_id in ('active', 'nobody')}), 0, 'nothing was started');
};

subtest 'what was not heard of is not kept for long' => sub {
	# that a run has ended may be heard behind the reads, and then it is asked for again
	my ($run, $repeated);
	for my $try (1 .. 10)
	{
		$run = ended("unheard-$try");
		sql(qq{set pdpp.notify = off; select pdpp_connection_run_now(run_id => 'repeats $run', retry_of => '$run')});
		$repeated = of($run)->{retried_by};
		last unless defined $repeated;
	}
	is($repeated, undef, 'a gateway that was not told has its memory');
	sql(q{select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pdpp feed'});
	ok(within(sub { (of($run)->{retried_by} // '') eq "repeats $run" }), 'a feed that begins anew has all of it asked for again');
};

subtest '/rpc' => sub {
	ended('rpc');
	my $answer = post('/rpc/pdpp_run_now', '{"connector_id": "c", "connector_instance_id": "conn rpc", "retry_of": "rpc"}');
	is($answer->{json}{retry_of}, 'rpc', 'pdpp_run_now') or diag $answer->{body};
	is(of('rpc')->{retried_by}, $answer->{json}{run_id}, 'is known at once');
	is($gateway->get_as_owner('/rpc/pdpp_run_list?retry_of=rpc')->{json}{data}[0]{retry_of}, 'rpc', 'pdpp_run_list');
	is($gateway->get_as_owner('/rpc/pdpp_run_status?run_id=rpc')->{json}{retried_by}, $answer->{json}{run_id}, 'pdpp_run_status');
};

subtest 'the command line' => sub {
	ended('typed');
	my ($code, $out) = pdpp('retry', 'typed', '--run-id', 'typed-2');
	is($code, 0, 'pdpp retry');
	like($out, qr/"retry_of": "typed"/, 'prints the acknowledgement');
	($code, $out) = pdpp('runs', '--retry-of', 'typed');
	like($out, qr/"run_id": "typed-2"/, 'pdpp runs --retry-of');
	is((pdpp('retry', 'typed-2'))[0], 5, 'one that is active');
	is((pdpp('retry', 'nobody'))[0], 3, 'one that is not there');
	my $shown = '';
	IPC::Run::run([ PdppServer::program(), '--db', $db, 'status', $_ ], '<pty<', \my $nothing, '>pty>', sub { $shown .= $_[0] }) for 'typed', 'typed-2';
	like($shown, qr/^repeated by +typed-2\r?$/m, 'pdpp status');
	like($shown, qr/^repeats +typed\r?$/m, 'on a terminal');
};

done_testing();
