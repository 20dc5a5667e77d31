# A system that has no room left for watching descriptors: nothing of the program's ends in silence, or is left open.

use strict;
use warnings;
use Cwd qw(abs_path);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use PdppCluster;
use PdppController;
use PdppGateway;
use Programs qw(:DEFAULT preloaded);

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $module = preloaded('no_room', $folder);
my @preloaded = ('env', "LD_PRELOAD=$module", "NO_ROOM=$folder");

my $node = PdppCluster->running('main', conf => "pdpp.liveness_grace = '1h'");
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = getpwuid($>);
my $db = $node->connstr('postgres');

sub sql { my ($query) = @_; return $node->safe_psql('postgres', $query) }
sub refuse { my ($what) = @_; append_to_file("$folder/$what", ''); return }
sub allow { my ($what) = @_; unlink "$folder/$what" or die; return }
sub descriptors { my ($pid) = @_; return scalar(() = glob "/proc/$pid/fd/*") }

subtest 'the gateway hears of changes again' => sub {
	my $gateway = PdppGateway->start(conninfo => $db, env => { LD_PRELOAD => $module, NO_ROOM => $folder });
	my $feed = q{FROM pg_stat_activity WHERE application_name = 'pdpp feed' AND query ~ '^(LISTEN|SELECT pg_catalog.pg_is_in_recovery)'};
	$node->poll_query_until('postgres', "SELECT count(*) = 1 $feed") or die 'nobody listens';
	refuse('epoll');
	sql("SELECT pg_terminate_backend(pid, 30000) $feed");
	$gateway->await_log(qr/not notified of changes to runs.*cannot watch the socket/);
	allow('epoll');
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $feed"), 'it listens');
	is($gateway->stop, 0, 'stops');
};

subtest 'a run is launched that cannot be watched' => sub {
	my $controller = PdppController->start(conninfo => $db, before => \@preloaded, args => [ '--parallel', '1' ],
		connections => { unwatched => [ 'sleep', '1000' ], watched => ['true'] });
	my $end = sub {
		my ($connection) = @_;
		my $run_id = sql("SELECT pdpp_run_now('$connection-connector', '$connection')->>'run_id'");
		$node->poll_query_until('postgres', "SELECT pdpp_run_status('$run_id')->>'status' <> 'active'") or diag("$run_id goes on");
		return sql("SELECT concat_ws(' ', s->>'status', s->>'terminal_reason') FROM pdpp_run_status('$run_id') s");
	};
	is($end->('watched'), 'completed', 'there is room yet');
	my $before = descriptors($controller->pid);
	refuse('epoll');
	is($end->('unwatched'), 'failed launch_failed', "attempt $_: the launch fails") for 1 .. 10;
	like($controller->log, qr/launch failed .*No space left on device/, 'and it is said why');
	allow('epoll');
	is($end->('watched'), 'completed', 'there is room again');
	# some more connections to the database may be open now, six at most
	ok(within(sub { descriptors($controller->pid) < $before + 10 }), 'no attempt left a descriptor open');
	is($controller->stop, 0, 'stops');
};

subtest 'a guardian that is not told of its children' => sub {
	refuse('signalfd');
	my ($code, undef, $err) = finish(start('', @preloaded, $pdpp, '--db', $db, 'run', '--', 'sh', '-c', '(sleep 0.1 &) ; exit 3'));
	is($code, 1, 'the run has ended');
	like($err, qr/"terminal_reason": "connector_exit_nonzero"/, 'as its process did');
	allow('signalfd');
};

$node->stop;
done_testing();
