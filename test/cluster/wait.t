# pdpp_run_wait: it comes back with the end of the run, wherever it is called, holds nothing meanwhile, and can be ended. All
# waits here are for an hour, so one that misses the end is found out by the test's own patience.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
system_or_bail('gcc', '-shared', '-fPIC', '-o', "$folder/no_timeout.so", dirname(__FILE__) . '/../lib/no_timeout.c');
local @ENV{qw(LD_PRELOAD NO_TIMEOUT)} = ("$folder/no_timeout.so", $folder);
my $preloaded = PdppCluster->running('preloaded', allows_streaming => 1, conf => q{
shared_preload_libraries = 'pdpp'
pdpp.databases = 'postgres'
pdpp.launch_deadline = 1h
max_prepared_transactions = 2
autovacuum = off
restart_after_crash = on
});
delete @ENV{qw(LD_PRELOAD NO_TIMEOUT)};
my $plain = PdppCluster->running('plain', conf => "pdpp.launch_deadline = 1h\nautovacuum = off");
my $standby = $preloaded->standby('standby', conf => 'max_standby_streaming_delay = 0');

sub admit { my ($node, $run) = @_; return $node->safe_psql('postgres', "select from pdpp_run_now('c', '$run', '$run')") }
sub settle { my ($node, $run) = @_; return $node->safe_psql('postgres', "select from pdpp_run_settle('$run', 'completed')") }

# Somebody who waits for a run in a session of his own, with these settings.
my $sessions = 0;
sub wait_on
{
	my ($node, $run, %option) = @_;
	my $name = 'waits ' . ++$sessions;
	local $ENV{PGOPTIONS} = $option{options} // '';
	my $call = $option{sql} // "call pdpp_run_wait('$run', '1h')";
	my $self = start('', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') . " application_name='$name'", '-c', $call);
	@$self{qw(node name)} = ($node, $name);
	within(sub { ($self->{pid} // '') ne '' or $self->{pid} = seen($self, q{pid}, q{wait_event = 'Extension'}) }) or die "$name does not wait: $self->{err}";
	return $self;
}

# What the server shows of a session.
sub seen
{
	my ($self, $what, $condition) = @_;
	return $self->{node}->safe_psql('postgres', "select $what from pg_stat_activity where application_name = '$self->{name}' and " . ($condition // 'true'));
}

# How the run ended, as he was told; or what became of the call.
sub told
{
	my ($self) = @_;
	my ($code, $out, $err) = finish($self);
	return $code == 0 ? ($out =~ /"status": "(\w+)"/ ? $1 : $out) : $err;
}

for my $node ($preloaded, $plain)
{
	my $where = $node->name;

	# --- the end
	admit($node, 'one');
	my @waiters = map { wait_on($node, 'one') } 1 .. 5;
	settle($node, 'one');
	is(told($_), 'completed', "$where: everybody who waits sees the end") for @waiters;
	is($node->safe_psql('postgres', q{call pdpp_run_wait('one', '1h')}) =~ /"completed"/, 1, "$where: also who comes later");
	like($node->safe_psql('postgres', q{call pdpp_run_wait('nobody', '1h')}), qr/"not_found"/, "$where: nobody waits for a run that is not there");
	admit($node, 'two');
	like($node->safe_psql('postgres', q{call pdpp_run_wait('two', '50ms')}), qr/"active"/, "$where: at the timeout, how it stands");

	# --- what was taken back
	my $waiter = wait_on($node, 'two');
	$node->safe_psql('postgres', $_) for q{begin; select pdpp_run_settle('two', 'failed'); rollback},
		q{begin; savepoint a; select pdpp_run_settle('two', 'failed'); rollback to a; commit};
	like(seen($waiter, 'wait_event'), qr/^(Extension)?$/, "$where: an ending that was taken back is none");
	$node->safe_psql('postgres', q{begin; savepoint a; select pdpp_run_settle('two', 'failed'); rollback to a;
		savepoint b; select pdpp_run_settle('two', 'cancelled'); release b; commit});
	is(told($waiter), 'cancelled', "$where: and one that was kept after it is seen");

	# --- nothing is held
	$node->safe_psql('postgres', q{create table litter as select from generate_series(1, 1000)});
	admit($node, 'three');
	$waiter = wait_on($node, 'three', options => '-c default_transaction_isolation=serializable');
	$node->safe_psql('postgres', $_) for 'delete from litter', 'vacuum litter';
	is($node->safe_psql('postgres', q{select pg_relation_size('litter')}), 0, "$where: VACUUM removes what was deleted while somebody waits");
	ok(within(sub { seen($waiter, q{concat_ws(' ', wait_event_type, wait_event, backend_xid, backend_xmin)}) eq 'Extension Extension' }), "$where: who waits has no snapshot");
	ok(within(sub { $node->safe_psql('postgres', "select string_agg(locktype || ' ' || mode, ', ') from pg_locks where pid = $waiter->{pid}") eq 'virtualxid ExclusiveLock' }),
		"$where: and no lock but that of his transaction");
	$node->safe_psql('postgres', $_) for 'begin; lock table pdpp.spine_events in access exclusive mode; commit', 'drop table litter';
	settle($node, 'three');
	is(told($waiter), 'completed', "$where: in a session of serializable transactions");
	admit($node, 'four');
	$waiter = wait_on($node, 'four', options => '-c default_transaction_isolation=repeatable\ read -c default_transaction_read_only=on');
	settle($node, 'four');
	is(told($waiter), 'completed', "$where: and of repeatable reads");

	# --- an end to waiting
	admit($node, 'five');
	my $patient = wait_on($node, 'five');
	$waiter = wait_on($node, 'five');
	$node->safe_psql('postgres', "select pg_cancel_backend($waiter->{pid})");
	like(told($waiter), qr/canceling statement due to user request/, "$where: pg_cancel_backend");
	$waiter = wait_on($node, 'five');
	kill 'INT', pid_of($waiter);
	like(told($waiter), qr/canceling statement due to user request|^Cancel request sent/, "$where: an interrupt at the terminal");
	$waiter = wait_on($node, 'five');
	$node->safe_psql('postgres', "select pg_terminate_backend($waiter->{pid})");
	like(told($waiter), qr/terminating connection due to administrator command/, "$where: pg_terminate_backend");
	$waiter = start('', 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{set statement_timeout = '100ms'}, '-c', q{call pdpp_run_wait('five', '1h')});
	like((finish($waiter))[2], qr/canceling statement due to statement timeout/, "$where: statement_timeout");
	settle($node, 'five');
	is(told($patient), 'completed', "$where: what becomes of others who wait is nothing to him");

	# --- where it is called
	admit($node, 'six');
	my $block = q{do $$ declare s jsonb; begin call pdpp_run_wait('six', '1h', s); raise exception '%', s->>'status'; end $$};
	$waiter = wait_on($node, 'six', sql => $block);
	settle($node, 'six');
	like(told($waiter), qr/completed/, "$where: from a block");
	$node->safe_psql('postgres', q{create function waits() returns text language plpgsql as
		$$ declare s jsonb; begin call pdpp_run_wait('six', '1h', s); return s->>'status'; end $$});
	for my $sql (q{begin; call pdpp_run_wait('six')}, q{select waits()}, q{do $$ declare s jsonb; begin call pdpp_run_wait('six', '1h', s); exception when division_by_zero then null; end $$},
		q{do $$ declare s jsonb; begin perform pdpp_run_now('c', 'written', 'written'); call pdpp_run_wait('six', '1h', s); end $$})
	{
		like(($node->psql('postgres', "\\set VERBOSITY verbose\n$sql"))[2], qr/ERROR:  25001: pdpp_run_wait cannot wait within/, "$where: not in: $sql");
	}
	like($node->safe_psql('postgres', q{select pdpp_run_status('written')}), qr/not_found/, "$where: what the caller has begun is not committed for him");

	# --- who may
	$node->safe_psql('postgres', q{create role anna; create role bert; select pdpp_grant('anna', 'owner')});
	like($node->safe_psql('postgres', q{set role anna; call pdpp_run_wait('six')}), qr/"completed"/, "$where: an owner may");
	like(($node->psql('postgres', q{set role bert; call pdpp_run_wait('six')}))[2], qr/permission denied for procedure pdpp_run_wait/, "$where: nobody else");
}

# --- where endings are told, nobody's patience is needed: a process that has lost all its timeouts wakes
admit($preloaded, 'told');
my $waiter = wait_on($preloaded, 'told');
append_to_file("$folder/$waiter->{pid}", '');
ok(within(sub { -e "$folder/$waiter->{pid}.waits" }), 'waits until something happens');
settle($preloaded, 'told');
is(told($waiter), 'completed', 'and is told by the one who commits the end');

# --- an end that nobody tells
admit($preloaded, 'prepared');
$waiter = wait_on($preloaded, 'prepared');
$preloaded->safe_psql('postgres', q{set pdpp.notify = off; begin; select pdpp_run_settle('prepared', 'completed'); prepare transaction 'p'});
$preloaded->safe_psql('postgres', q{commit prepared 'p'});
is(told($waiter), 'completed', 'an end that a prepared transaction brings');

# --- a standby, which what was vacuumed on its primary does not disturb
admit($preloaded, 'replayed');
$preloaded->safe_psql('postgres', 'create table litter as select from generate_series(1, 1000)');
$preloaded->wait_for_catchup($standby);
$waiter = wait_on($standby, 'replayed');
$preloaded->safe_psql('postgres', $_) for 'delete from litter', 'vacuum litter';
$preloaded->wait_for_catchup($standby);
settle($preloaded, 'replayed');
is(told($waiter), 'completed', 'on a standby');

# --- a process that is killed, and the server with it
admit($preloaded, 'killed');
$waiter = wait_on($preloaded, 'killed');
kill 'KILL', $waiter->{pid};
like(told($waiter), qr/server closed the connection|terminating connection/, 'a process that is killed');
poll_through_crash($preloaded, 'select true');
$waiter = wait_on($preloaded, 'killed');
settle($preloaded, 'killed');
is(told($waiter), 'completed', 'leaves nothing to the next');

# --- the server stops without waiting for those who wait
admit($plain, 'stopped');
$waiter = wait_on($plain, 'stopped');
$plain->stop('fast');
like(told($waiter), qr/terminating connection due to administrator command/, 'a server that stops');

unlike(slurp_file($_->logfile), qr{terminated by signal (?!9)|WARNING:  (?!terminating|pdpp: launch)}, $_->name . ': nothing crashed') for $preloaded, $plain, $standby;
done_testing();
