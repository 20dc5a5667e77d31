# Launchers behind pgbouncer: in transaction mode a session is nobody's, and they are refused; in session mode they are
# warned and work. One whose session is exchanged under it takes up its boot with another, or says why it cannot.

use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use PdppCluster;
use PdppController;
use PdppGateway;
use Programs;

my ($bouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'pgbouncer is not installed' unless $bouncer;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $user = getpwuid($>);

my $node = PdppCluster->running('pooled', conf => "pdpp.liveness_grace = '1h'\nlog_statement = all");
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME)};
$ENV{PGUSER} = $user;

# A pooler in the given mode; a hash with its process, its connection string and its file.
my $poolers = 0;
sub configure
{
	my ($pooler, $mode) = @_;
	open my $file, '>', $pooler->{file} or die "$pooler->{file}: $!";
	printf {$file} "[databases]\npostgres = host=%s port=%d dbname=postgres user=$user\n[pgbouncer]\nlisten_addr =\nlisten_port = %d\n"
	  . "unix_socket_dir = %s\nauth_type = any\npool_mode = %s\ndefault_pool_size = %d\n"
	  . "ignore_startup_parameters = extra_float_digits\nlogfile = %s\n%s",
	  $node->host, $node->port, $pooler->{port}, $pooler->{folder}, $mode, $pooler->{size} // 20, $pooler->{log}, $pooler->{more} // '';
	close $file or die;
	return;
}

sub start_pooler
{
	my ($mode, %option) = @_;
	my $number = ++$poolers;
	my $place = PostgreSQL::Test::Utils::tempdir_short();
	my %pooler = (port => 6432 + $number, folder => $place, file => "$folder/pooler_$number.ini",
		log => "$PostgreSQL::Test::Utils::log_path/pgbouncer_$number.log", %option);
	configure(\%pooler, $mode);
	$pooler{to} = "host=$place port=$pooler{port} dbname=postgres";
	$pooler{process} = start('', $bouncer, '-q', $pooler{file});
	within(sub { -S "$place/.s.PGSQL.$pooler{port}" }) or die 'the pooler does not listen: ' . slurp_file($pooler{log});
	return \%pooler;
}

sub stop_pooler { my ($pooler) = @_; kill 'TERM', pid_of($pooler->{process}); finish($pooler->{process}); return }

my $connections = PdppController::connections_file("$folder/connections.json", mail => ['true']);

subtest 'in transaction mode launchers are refused' => sub {
	my $pooler = start_pooler('transaction');
	for my $command ([ 'run', '--', 'true' ], [ 'controller', '--connections', $connections ])
	{
		my ($code, $out, $err) = finish(start('', $pdpp, '--json', '--db', $pooler->{to}, @{$command}));
		is($code, 5, "$command->[0]: refused");
		like($err, qr/gives a session to several clients in turn/, "$command->[0]: why");
		like($err, qr/Connect directly to the server, or through a pool in session mode/, "$command->[0]: what to do");
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pdpp.controller_boots'), 0, 'nobody has booted');
	my ($code, $out) = finish(start('', $pdpp, '--db', $pooler->{to}, 'now', 'mail', '--connector', 'c'));
	is($code, 0, 'now needs no session');
	is((finish(start('', $pdpp, '--db', $pooler->{to}, 'status', decode_json($out)->{run_id})))[0], 0, 'nor does status');
	$node->safe_psql('postgres', q{SELECT pdpp_run_cancel(run_id) FROM pdpp.controller_active_runs});
	stop_pooler($pooler);
};

subtest 'in transaction mode nothing is left behind for others' => sub {
	my $pooler = start_pooler('transaction', size => 1);
	my $settings = sub {
		my ($code, $out) = finish(start('', 'psql', '-XAtq', '-d', $pooler->{to}, '-c',
				q{SELECT pg_backend_pid(), string_agg(concat_ws(' ', name, setting, source), ', ' ORDER BY name) FROM pg_settings
				WHERE name IN ('array_nulls', 'default_transaction_isolation')}));
		return $out;
	};
	my $before = $settings->();
	is((finish(start('', $pdpp, '--db', $pooler->{to}, 'status', 'nobody')))[0], 3, 'a status is asked for');
	is($settings->(), $before, 'the same session has the settings that it had');
	stop_pooler($pooler);
};

subtest 'a feed whose session a pooler resets begins anew' => sub {
	my $pooler = start_pooler('transaction', size => 5, more => "server_reset_query_always = 1\n");
	my $gateway = PdppGateway->start(conninfo => $pooler->{to});
	ok(within(sub { (() = slurp_file($node->logfile) =~ /statement: LISTEN "pdpp_run|execute .*LISTEN "pdpp_run/g) >= 2 }), 'it listens again');
	is($gateway->stop, 0, 'stops');
	stop_pooler($pooler);
};

subtest 'in session mode they are warned, and work' => sub {
	my $pooler = start_pooler('session');
	my ($code, $out, $err) = finish(start('', $pdpp, '--db', $pooler->{to}, 'run', '--', 'true'));
	is($code, 0, 'run: completed');
	like((split /\n/, $err)[0], qr/^\{.*"run_ack"/, 'its first line is the handle');
	like($err, qr/there is a pooler between/, 'and there is a warning');
	my $controller = PdppController->start(conninfo => $pooler->{to}, file => $connections);
	like($controller->log, qr/there is a pooler between.*connect directly/, 'controller: warned');
	my $id = $node->safe_psql('postgres', q{SELECT pdpp_run_now('mail-connector', 'mail')->>'run_id'});
	$node->poll_query_until('postgres', "SELECT pdpp_run_status('$id')->>'status' = 'completed'") or fail('it goes on');
	is($controller->stop, 0, 'stops');
	stop_pooler($pooler);
};

subtest 'a session that is exchanged is not ours' => sub {
	my $pooler = start_pooler('session');
	my $controller = PdppController->start(conninfo => $pooler->{to}, file => $connections);
	# from here on the pooler gives the session to whoever is next, and keeps it for him
	configure($pooler, 'transaction');
	kill 'HUP', pid_of($pooler->{process});
	my $is_noticed = sub { $controller->log =~ /a pooler has exchanged or reset the session/ };
	my @others;
	while (!$is_noticed->() && @others < 15)
	{
		push @others, start('', 'psql', '-XAtq', '-d', $pooler->{to}, '-c', 'SELECT pg_sleep(1000)');
		for (my $looks = 0; $looks < 30 && !$is_noticed->(); $looks++) { sleep 0.05 }
	}
	ok($is_noticed->(), 'it is noticed') or diag($controller->log);
	$controller->await_log(qr/gives a session to several clients in turn/);
	pass('and it is said why there is no other');
	$_->{handle}->kill_kill for @others;
	is($controller->stop('KILL'), 'signal 9', 'killed');
	stop_pooler($pooler);
};

subtest 'whoever connects directly hears nothing of poolers' => sub {
	my ($code, undef, $err) = finish(start('', $pdpp, '--db', $node->connstr('postgres'), 'run', '--', 'true'));
	is($code, 0, 'run: completed');
	unlike($err, qr/pooler/, 'no warning');
};

$node->stop;
done_testing();
