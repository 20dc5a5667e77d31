# A controller's boot that is lost or shaken at the worst instant: before its connections were offered, between the new boot and
# its LISTEN, and while the server takes no writes for a moment. It goes on each time, and says what it does.

use strict;
use warnings;
use Cwd qw(abs_path);
use PostgreSQL::Test::Utils;
use Test::More;

use CuttingProxy;
use PdppCluster;
use PdppController;

my $folder = abs_path(PostgreSQL::Test::Utils::tempdir_short());
my $user = getpwuid($>);
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = $user;

my $node = PdppCluster->running('boot', conf => "pdpp.liveness_grace = '1h'\npdpp.launch_deadline = '1h'");

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }
sub run_now { my ($connection) = @_; return sql("SELECT pdpp_run_now('$connection-connector', '$connection')->>'run_id'") }

sub proxy_that
{
	my ($mode, $call, %option) = @_;
	return CuttingProxy->new($mode, $node->host . '/.s.PGSQL.' . $node->port, call => $call, %option);
}

sub controller_behind
{
	my ($proxy, %option) = @_;
	return PdppController->start(conninfo => $proxy->conninfo . " dbname=postgres user=$user", %option);
}

sub is_completed
{
	my ($run_id, $name) = @_;
	$node->poll_query_until('postgres', "SELECT pdpp_run_status('$run_id')->>'status' <> 'active'") or diag("$run_id goes on");
	return is(sql("SELECT pdpp_run_status('$run_id')->>'status'"), 'completed', $name);
}

subtest 'lost before anything was offered' => sub {
	my $proxy = proxy_that('held', qr/pdpp_controller_offer\(/);
	my $controller = controller_behind($proxy, connections => { early => ['true'] }, ready => qr/booted controller_id/);
	$proxy->await_held;
	sql('DROP EXTENSION pdpp; CREATE EXTENSION pdpp');
	$proxy->let_go;
	$controller->await_log(qr/cannot offer the connections.*booted controller_id.*offering connections=1/s);
	is_completed(run_now('early'), 'it boots anew, and works');
	is($controller->stop, 0, 'stops');
	$proxy->stop;
};

subtest 'the connection is lost between a new boot and LISTEN' => sub {
	for my $mode ('unsent', 'unanswered')
	{
		my $proxy = proxy_that($mode, qr/LISTEN "/, skip => 1);
		my $controller = controller_behind($proxy, connections => { anew => ['true'] });
		sql('DROP EXTENSION pdpp; CREATE EXTENSION pdpp');
		is_completed(run_now('anew'), "$mode: the connections are offered for the new boot");
		like($controller->log, qr/(booted .*){2}connection lost .*rejoined .*offering connections=1/s, "$mode: which is the one that was begun");
		is($controller->stop, 0, "$mode: stops");
		$proxy->stop;
	}
};

# The launcher opens a session to the server, which takes no writes and looks like none to go to; and by the time that it asks,
# the server is the primary again. Whether that came about.
sub takes_up_the_same_server
{
	my ($proxy, $controller) = @_;
	sql('ALTER SYSTEM SET default_transaction_read_only = on');
	$node->reload;
	$node->poll_query_until('postgres', 'SHOW default_transaction_read_only', 'on') or die 'not reloaded';
	$controller->await_log(qr/takes no writes, looking for the primary/);
	# the session that listens is the only proof of life that is left: who comes anew cannot join the boot
	sql(q{SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'pdpp' AND query !~ 'pg_listening_channels'});
	$proxy->hold;
	$proxy->await_held for 1, 2; # the launcher, and its guard
	sql('SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only');
	$node->reload;
	$node->poll_query_until('postgres', 'SHOW default_transaction_read_only', 'off') or die 'not reloaded';
	$proxy->let_go;
	$proxy->hold;
	return $proxy->await_held(3);
}

subtest 'a server that takes no writes for a moment' => sub {
	# whoever is not seen alive is dead at once
	$node->append_conf('postgresql.conf', 'pdpp.liveness_grace = 0');
	$node->restart;
	my $proxy = proxy_that('held', qr/pdpp_controller_rejoin\(|extname = 'pdpp'/, later => 1);
	my $controller = controller_behind($proxy, args => [ '--parallel', '1' ],
		connections => { long => [ 'sh', '-c', "while [ ! -e $folder/long ]; do sleep 0.05; done" ] });
	my $run_id = run_now('long');
	$node->poll_query_until('postgres', "SELECT pdpp_run_status('$run_id')->>'started_at' IS NOT NULL") or die 'not started';
	my $is_taken_up = 0;
	for (1 .. 10)
	{
		last if $is_taken_up = takes_up_the_same_server($proxy, $controller);
		$proxy->let_go;
	}
	note('the launcher gives up before the server is asked') unless $is_taken_up;
	sql('SELECT pdpp_reconcile()'); # while the boot is about to be joined anew
	$proxy->let_go;
	append_to_file("$folder/long", '');
	is_completed($run_id, 'the run goes on to its end');
	unlike($controller->log, qr/boot lost/, 'no boot was lost');
	is($controller->stop, 0, 'stops');
	$proxy->stop;
};

$node->stop;
done_testing();
