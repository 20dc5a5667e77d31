# `pdpp controller` claims as many runs at once as it has room for; what becomes of them if it dies before it has started them; and
# a database that gives one at a time.
use strict;
use warnings;

use Cwd qw(abs_path);
use PostgreSQL::Test::Utils;
use Test::More;

use PdppCluster;
use PdppController;
use Programs;

my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $node = PdppCluster->running('claiming', conf => "pdpp.liveness_grace = 0\npdpp.launch_deadline = '1h'");
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }
sub start_controller
{
	my ($gate) = @_;
	my %setups = map { ("c$_" => [ 'sh', '-c', "while [ ! -e $folder/$gate ]; do sleep 0.05; done" ]) } 1 .. 6;
	my $file = PdppController::connections_file("$folder/connections.json", %setups);
	return PdppController->start(conninfo => $node->connstr('postgres'), file => $file, args => [ '--parallel', '4', '--controller-id', 'claiming' ]);
}
sub open_gate { my ($gate) = @_; open my $file, '>', "$folder/$gate" or die $!; close $file; return }
sub admit { my ($of) = @_; sql("select pdpp_run_now('c', 'c' || i, '$of-' || i) from generate_series(1, 6) as i"); return }
sub count_of { my ($of, $word) = @_; return sql("select count(*) from generate_series(1, 6) as i where pdpp_run_status('$of-' || i)->>'status' = '$word'") }

# which transaction made a boot the owner
sql(q{create table claims (run_id text, xid bigint);
	create function note() returns trigger language plpgsql security definer as $$
	begin insert into public.claims values (new.run_id, pg_catalog.txid_current()); return null; end $$;
	create trigger note after update of boot_epoch on pdpp.controller_active_runs for each row
	when (old.boot_epoch is null and new.boot_epoch is not null) execute function note()});

admit('several');
my $controller = start_controller('several');
ok(within(sub { sql('select count(*) from claims') eq '4' }), 'as many are claimed as may run at once');
is(sql('select count(distinct xid) from claims'), '1', 'in one claim');
is(sql('select string_agg(run_id, $$ $$ order by run_id) from claims'), 'several-1 several-2 several-3 several-4', 'the oldest');
ok(within(sub { sql(q{select count(*) from pdpp.spine_events where event_type = 'run.started'}) eq '4' }), 'they start');
is(sql('select count(*) from pdpp.controller_active_runs where boot_epoch is null'), '2', 'the others wait');
open_gate('several');
ok(within(sub { count_of('several', 'completed') eq '6' }), 'all are done, as places get free');

# the database takes no start, for now
sql(q{create function not_now() returns trigger language plpgsql as $$ begin raise 'not now' using errcode = '53300'; end $$;
	create trigger not_now before insert on pdpp.spine_events for each row when (new.event_type = 'run.started') execute function not_now()});
admit('lost');
ok(within(sub { sql(q{select count(*) from claims where run_id like 'lost-%'}) eq '4' }), 'four are claimed, and cannot be started');
kill 'KILL', $controller->pid;
$controller->finish;
ok(within(sub { sql('select pdpp_reconcile()'); count_of('lost', 'failed') eq '4' }), 'their controller is killed: all of them end');
is(sql(q{select distinct pdpp_run_status(run_id)->>'terminal_reason' from claims where run_id like 'lost-%'}), 'launch_failed', 'as launch_failed');
is(count_of('lost', 'active'), '2', 'the others wait');
sql('drop trigger not_now on pdpp.spine_events');

# a database whose SQL is older
sql('alter extension pdpp drop function pdpp_run_claim(integer); drop function pdpp_run_claim(integer)');
open_gate('older');
$controller = start_controller('older');
ok(within(sub { count_of('lost', 'completed') eq '2' }), 'where one is given at a time, all are claimed as well');
unlike($controller->log, qr/cannot claim/, 'without a word');
is($controller->stop, 0, 'drained');
$node->stop;
done_testing();
