# A database whose transactions are serializable by default: every program works as it does elsewhere, against a primary and
# a standby, and a call of one's own is what its transaction is.
use strict;
use warnings;
use PdppCluster;
use PdppController;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $node = PdppCluster->bare('main', allows_streaming => 1, conf => "default_transaction_isolation = 'serializable'\ndefault_transaction_deferrable = on\nmax_connections = 50");
sub sql { return $node->safe_psql('postgres', $_[0]) }
# who writes which event in what kind of transaction
sql(q{create extension pdpp;
    create table written (event_type text, program text, isolation text);
    create function note_isolation() returns trigger language plpgsql as $$
    begin
        insert into public.written values (new.event_type, split_part(current_setting('application_name'), ' ', 1), current_setting('transaction_isolation'));
        return null;
    end $$;
    create trigger note_isolation after insert on pdpp.spine_events for each row execute function note_isolation()});
my $standby = $node->standby('standby');

delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');
my @connections = map { "mail-$_" } 1 .. 6;
my $controller = PdppController->start(conninfo => $db, connections => { map { $_ => ['true'] } @connections });
my $gateway = PdppGateway->start(conninfo => $db);

sub all_completed { my ($all) = @_; return within(sub { sql(q{select count(*) filter (where status = 'completed') || ' of ' || count(*) from pdpp_runs}) eq "$all of $all" }) }

# several at once, by each of the programs
my @started = map { start('', $pdpp, '--db', $db, 'now', $_) } @connections[ 0 .. 2 ];
push @started, map { start('', $pdpp, '--db', $db, 'run', '--connector', 'by-itself', '--connection', "own-$_", '--', 'true') } 1 .. 3;
for my $connection (@connections[ 3 .. 5 ])
{
	my $answer = $gateway->request('POST', "/_ref/connections/$connection/run", [ Authorization => 'Bearer ' . PdppGateway::token() ]);
	is($answer->{status}, 202, "the gateway starts $connection") or diag $answer->{body};
}
for my $program (@started)
{
	my ($code, $out, $err) = finish($program);
	is($code, 0, 'it has handed a run out') or diag $err;
}
ok(all_completed(9), 'and every run is completed');
is(sql(q{select string_agg(distinct isolation, ', ') from written}), 'read committed', 'all of them wrote in read committed');

# one's own session is what it was set to be
my $run = sql(q{select pdpp_run_now('mail-1-connector', 'mail-1')->>'run_id'});
ok(all_completed(10), 'a run that a serializable transaction of psql has admitted');
is(sql(q{select string_agg(distinct isolation, ', ') from written where event_type = 'run.admitted' and program !~ 'pdpp'}), 'serializable', 'and it was one');

# a standby refuses every serializable transaction
$node->wait_for_catchup($standby);
my ($code, $out, $err) = finish(start('', $pdpp, '--db', $standby->connstr('postgres'), 'status', $run));
is("$code $out" =~ /^0 .*completed/s, 1, 'a standby tells its status') or diag "$code $out $err";

is($controller->stop, 0, 'the controller ends well');
is($gateway->stop, 0, 'and the gateway');
is(scalar(() = slurp_file($node->logfile) =~ /could not serialize/g), 0, 'nothing had to be tried again');
$standby->stop;
$node->stop;
done_testing();
