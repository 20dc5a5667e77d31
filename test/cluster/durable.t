# What is acknowledged is durable by what its commit does, whatever the session says before, within or after the call.
#
# The WAL writer is stopped, so WAL reaches the disk only by commits that wait for it: a commit waited if what was written
# before it has been flushed.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PdppCluster;
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('durable', allows_streaming => 1, conf => q{
autovacuum = off
synchronous_commit = off
client_min_messages = error
max_prepared_transactions = 2
pdpp.liveness_grace = 0
});
$node->safe_psql('postgres', q{
    create extension pdpp;
    create table note (text text);
    create function by_function(call text) returns void language plpgsql set synchronous_commit = on as $$ begin execute call; end $$;
    create function by_careless_function(call text) returns void language plpgsql set synchronous_commit = off as $$ begin execute call; end $$;
});
my $wal_writer = $node->safe_psql('postgres', q{select pid from pg_stat_activity where backend_type = 'walwriter'});
kill 'STOP', $wal_writer;

my $session = $node->background_psql('postgres');

# Whether a transaction of these statements has waited for its WAL.
sub waits {
    my ($begin, @statements) = @_;
    $session->query_safe("$begin;\n" . join(";\n", @statements) . ";\n");
    my $written = $session->query_safe('select pg_current_wal_insert_lsn()');
    $session->query_safe('commit');
    return $session->query_safe("select pg_current_wal_flush_lsn() >= '$written'") eq 't';
}

# how it is tried to be forgotten: what stands around the call
my %surroundings = (
    'off for the session' => sub { $_[0] },
    'off in the transaction before' => sub { ('set local synchronous_commit = off', $_[0]) },
    'off in the transaction after'  => sub { ($_[0], 'set local synchronous_commit = off') },
    'off in the session after' => sub { ($_[0], 'set synchronous_commit = off') },
    'reset after'          => sub { ($_[0], 'reset synchronous_commit') },
    'set_config after'     => sub { ($_[0], q{select set_config('synchronous_commit', 'off', true)}) },
    'local after'          => sub { ($_[0], 'set local synchronous_commit = local') },
    "a function's own on"  => sub { "select by_function(\$call\$$_[0]\$call\$)" },
    "a function's own off" => sub { "select by_careless_function(\$call\$$_[0]\$call\$)" },
    'a savepoint after'    => sub { ($_[0], 'savepoint a', 'set local synchronous_commit = off', 'rollback to a') },
    'a savepoint around'   => sub { ('savepoint a', $_[0], 'release a') },
);

waits('begin', q{insert into note values ('x')}); # the first one of a session may
ok(!waits('begin', q{insert into note values ('x')}), 'a commit of somebody else does not wait');
my $run = 0;
for my $how (sort keys %surroundings) {
    ++$run;
    ok(waits('begin', $surroundings{$how}->("select pdpp_run_now('d', 'd-$run', 'd-$run')")), "an admission: $how");
    ok(waits('begin', $surroundings{$how}->("select pdpp_run_settle('d-$run', 'completed')")), "an ending: $how");
}
for my $call (
    q{select pdpp_run_now('d', 'd-a', 'd-a')}, q{select pdpp_run_started('d-a')}, q{select pdpp_run_event('d-a', 'note')},
    q{select pdpp_run_settle('d-a', 'failed')}, q{select pdpp_run_settle('d-a', 'completed')},
    q{select pdpp_run_now('d', 'd-b', 'd-b')}, q{select pdpp_run_launch_failed('d-b', 'no')},
    q{select pdpp_controller_boot('d')}, q{select pdpp_controller_offer('[{"connector_instance_id": "d-c", "connector_id": "d"}]')},
    q{select pdpp_run_now('d', 'd-c', 'd-c')}, q{select pdpp_run_started('d-c')},
    q{select pdpp_run_cancel('d-c')}, q{select pdpp_run_now('d', 'd-d', 'd-d')}, q{select pdpp_run_cancel('d-d')},
    q{select pdpp_run_now('d', 'd-e', 'd-e'); update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'd-e'},
    q{select pdpp_reconcile()}, q{select pdpp_controller_offer('[{"connector_instance_id": "d-h", "connector_id": "d"}]'); select pdpp_run_now('d', 'd-h', 'd-f')}, q{select pdpp_run_claim()}, q{select pdpp_run_now('d', 'd-g', 'd-g')},
    q{select pdpp_run_started('d-g', timeout => '1 min')}, q{select pdpp_run_extend('d-g', '1 h')}, q{select pdpp_prune(now())}) {
    ok(waits('begin', $call, 'set local synchronous_commit = off'), $call);
}
# What is told again stands already, but may not be durable: a server that was started again shows what no standby has.
$session->query_safe(q{select pdpp_run_now('d', 'd-r', 'd-r', 'key'); select pdpp_run_started('d-r', event_id => 'start');
    select pdpp_run_event('d-r', 'note', event_id => 'note'); select pdpp_run_cancel('d-r')});
my @repeated = (q{select pdpp_run_now('d', 'd-r', 'd-r', 'key')}, q{select pdpp_run_started('d-r', event_id => 'start')},
    q{select pdpp_run_event('d-r', 'note', event_id => 'note')}, q{select pdpp_run_settle('d-r', 'completed', event_id => 'end')});
for my $state ('active', 'ended') {
    if ($state eq 'ended') {
        $session->query_safe(q{select pdpp_run_settle('d-r', 'completed', event_id => 'end')});
        push @repeated, q{select pdpp_run_settle('d-b', 'failed', event_id => 'late')}, q{select pdpp_run_launch_failed('d-r', 'no')};
        $session->query_safe(q{select pdpp_run_settle('d-b', 'failed', event_id => 'late')});
    }
    for my $call (@repeated, $state eq 'ended' ? q{select pdpp_run_cancel('d-d')} : q{select pdpp_run_cancel('d-r')}) {
        next if $state eq 'active' && $call =~ /settle/;
        $session->query_safe(q{insert into note values ('x')}); # somebody's, which is on no disk yet
        ok(waits('begin', $call, 'set local synchronous_commit = off'), "repeated, the run has $state: $call" =~ s/has active/is active/r);
    }
}
is($session->query_safe('show synchronous_commit'), 'off', 'the setting is as it was');
ok(!waits('begin', q{insert into note values ('x')}), 'and so are the commits of others');
ok(!waits('begin', q{select pdpp_run_status('d-a')}, q{insert into note values ('x')}), 'a status is no reason to wait');

# a transaction that ends in a procedure
$node->safe_psql('postgres', q{create procedure in_turns() language plpgsql as $$ begin
    perform pdpp_run_now('d', 'd-turns', 'd-turns');
    set local synchronous_commit = off;
    commit;
    perform pg_sleep(0);
end $$});
my $before = $session->query_safe('select pg_current_wal_insert_lsn()');
$session->query_safe('call in_turns()');
is($session->query_safe("select pg_current_wal_flush_lsn() > '$before'"), 't', 'a commit within a procedure');

# whoever writes in a callback of the commit that runs after ours: loaded first, since they are called latest first
{
    my $module = abs_path($PostgreSQL::Test::Utils::tmp_check) . '/late_writer.so';
    system_or_bail('gcc', '-shared', '-fPIC', '-I' . $node->config_data('--includedir-server'), '-o', $module, dirname(__FILE__) . '/../lib/late_writer.c');
    my $ordinary = $session;
    $session = $node->background_psql('postgres');
    $session->query_safe("load '$module'");
    $session->query_safe(q{select pdpp_run_status('x')});
    $session->query_safe(q{set synchronous_commit = off});
    ok(waits(q{begin; set local late_writer.sql = $$select pdpp_run_now('d', 'd-later', 'd-later')$$}, q{insert into note values ('x')}), 'an admission by a callback of the commit');
    is($session->query_safe(q{select pdpp_run_status('d-later')->>'status'}), 'active', 'is there');
    $session->quit;
    $session = $ordinary;
}

# the crash that it is for
$session->query_safe(q{begin; select by_careless_function($$select pdpp_run_now('d', 'd-crash', 'd-crash')$$); commit});
$session->query_safe(q{begin; insert into note values ('gone'); commit});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{select pdpp_run_status('d-crash')->>'status'}), 'active', 'after a crash the handle is known');
is($node->safe_psql('postgres', q{select count(*) from note where text = 'gone'}), '0', 'and what nobody was promised is gone');

# Synchronous standbys are waited for as they are configured, also by who asked for less. This one never comes.
$node->append_conf('postgresql.conf', q{synchronous_standby_names = 'nobody'});
$node->restart; # after a reload nobody waits until the checkpointer has heard of it, too
for my $asked (qw(off local remote_write on)) {
    my $waiter = $node->background_psql('postgres');
    my $pid = $waiter->query_safe('select pg_backend_pid()');
    $waiter->query_until(qr/go/, "\\echo go\nbegin; set local synchronous_commit = $asked; select pdpp_run_now('d', 's-$asked', 's-$asked'); commit;\n");
    ok($node->poll_query_until('postgres', "select wait_event = 'SyncRep' from pg_stat_activity where pid = $pid"), "who asked for $asked waits for the standby");
    $node->safe_psql('postgres', "select pg_terminate_backend($pid)");
    $waiter->{run}->finish;
}
# The first one's admission can be seen, and no standby has it: who asks again with the same key is not told either.
{
    my $waiter = $node->background_psql('postgres');
    my $pid = $waiter->query_safe('select pg_backend_pid()');
    $waiter->query_until(qr/go/, "\\echo go\nselect pdpp_run_now('d', 's-key', 's-key', 's-key');\n");
    ok($node->poll_query_until('postgres', "select wait_event = 'SyncRep' from pg_stat_activity where pid = $pid"), 'an admission waits for the standby');
    $node->stop('immediate');
    $waiter->{run}->finish;
    $node->start;
    is($node->safe_psql('postgres', q{select pdpp_run_status('s-key')->>'status'}), 'active', 'after a restart it can be seen');
    my $again = $node->background_psql('postgres');
    $pid = $again->query_safe('select pg_backend_pid()');
    $again->query_until(qr/go/, "\\echo go\nselect pdpp_run_now('d', 's-key', 's-key', 's-key');\n");
    ok($node->poll_query_until('postgres', "select wait_event = 'SyncRep' from pg_stat_activity where pid = $pid"), 'who repeats it waits for the standby as well');
    $node->safe_psql('postgres', "select pg_terminate_backend($pid)");
    $again->{run}->finish;
}
$node->append_conf('postgresql.conf', q{synchronous_standby_names = ''});
$node->reload;
is($node->safe_psql('postgres', q{set synchronous_commit = remote_apply; begin; select pdpp_run_now('d', 's-apply', 's-apply') is null; show synchronous_commit; commit; show synchronous_commit}),
    "f\nremote_apply\nremote_apply", 'who asked for more keeps it');

$node->stop;
done_testing();
