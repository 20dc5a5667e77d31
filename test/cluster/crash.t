# Crashes: a backend killed in the middle of each writer, the postmaster killed and an immediate shutdown under load, and a
# synchronous standby promoted under load. Clients keep their own record of what was acknowledged; afterwards every handle
# resolves, nothing acknowledged is undone, no invariant is violated, and whoever lost an answer repeats the call and writes
# nothing twice.
use strict;
use warnings;
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use PdppCluster;
use Programs qw(poll_through_crash);

my $folder = PostgreSQL::Test::Utils::tempdir;
my $node = PdppCluster->running('crash', allows_streaming => 1, conf => q{
pdpp.liveness_grace = 0
autovacuum = off
restart_after_crash = on
client_min_messages = error
# a crash must find that a commit is durable, not that it was lucky
fsync = on
});

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub check_of { my ($server) = @_; return $server->safe_psql('postgres', q{select coalesce(string_agg(concat_ws(' ', invariant, run_id, detail), E'\n'), 'all is well') from pdpp_check() where detail !~ 'TRIGGER stop_here'}) }

# ---- a backend is killed in the middle of a writer -------------------------------------------------------------------
# A trigger holds the writer where it writes to a table.
sql(q{
    create function stop_here() returns trigger language plpgsql as $$ begin
        if current_setting('test.stop', true) = lower(tg_op) || ' ' || tg_table_name then perform pg_sleep(1000); end if;
        return case tg_op when 'DELETE' then old else new end;
    end $$;
    create trigger stop_here before insert on pdpp.spine_events for each row execute function stop_here();
    create trigger stop_here before insert or update or delete on pdpp.controller_active_runs for each row execute function stop_here();
    create trigger stop_here before insert or update on pdpp.connections for each row execute function stop_here();
    create trigger stop_here before insert or update on pdpp.controller_boots for each row execute function stop_here();
    create trigger stop_here before insert on pdpp.idempotency_keys for each row execute function stop_here();
});
# Everything there is, but for what a pass says of boots: a crash ends every session.
sub contents {
    return sql(q{
        select e from pdpp.spine_events as e order by run_id, event_seq;
        select f from pdpp.controller_active_runs as f order by run_id;
        select c from pdpp.connections as c order by connector_instance_id;
        select controller_id, seq, dead_at is null from pdpp.controller_boots order by controller_id, seq;
        select k from pdpp.idempotency_keys as k order by key});
}
my $offer = q{select pdpp_controller_offer('[{"connector_instance_id": "w", "connector_id": "x"}]')};
my @writers = (
    # name, where it is killed, what comes before, the call
    [ 'pdpp_run_now', 'insert controller_active_runs', '', q{select pdpp_run_now('x', 'w a', 'w a', 'w a')} ],
    [ 'pdpp_run_now', 'insert idempotency_keys',       '', q{select pdpp_run_now('x', 'w b', 'w b', 'w b')} ],
    [ 'pdpp_run_now', 'insert spine_events',           '', q{select pdpp_run_now('x', 'w', 'w 1', 'w key')} ],
    [ 'pdpp_controller_boot',  'insert controller_boots',       '',                                 q{select pdpp_controller_boot('w')} ],
    [ 'pdpp_controller_offer', 'update connections',            q{select pdpp_controller_boot('w')}, $offer ],
    [ 'pdpp_run_claim',        'update controller_active_runs', qq{select pdpp_controller_boot('w'); $offer}, q{select pdpp_run_claim()} ],
    [ 'pdpp_run_started',      'insert spine_events',           '', q{select pdpp_run_started('w a', event_id => 's')} ],
    [ 'pdpp_run_started',      'update controller_active_runs', '', q{select pdpp_run_started('w 1', event_id => 's')} ],
    [ 'pdpp_run_event',        'insert spine_events',           '', q{select pdpp_run_event('w 1', 'note', event_id => 'n')} ],
    [ 'pdpp_run_settle',       'insert spine_events',           '', q{select pdpp_run_settle('w a', 'completed', event_id => 'e')} ],
    [ 'pdpp_run_settle',       'delete controller_active_runs', '', q{select pdpp_run_settle('w 1', 'completed', event_id => 'e')} ],
    [ 'pdpp_run_launch_failed', 'delete controller_active_runs', q{select pdpp_run_now('x', 'w', 'w 2')}, q{select pdpp_run_launch_failed('w 2', 'no')} ],
    [ 'pdpp_run_cancel',       'update controller_active_runs', q{select pdpp_run_now('x', 'w', 'w 3')}, q{select pdpp_run_cancel('w 3')} ],
    [ 'pdpp_reconcile',        'delete controller_active_runs', q{select pdpp_run_now('x', 'w', 'w 4'); update pdpp.controller_active_runs set launch_deadline = now()}, 'select pdpp_reconcile()' ],
);
for my $case (@writers) {
    my ($name, $where, $setup, $call) = @$case;
    my $session = $node->background_psql('postgres');
    $session->query_safe("$setup;") if $setup;
    my $before = contents();
    my $pid = $session->query_safe('select pg_backend_pid()');
    $session->query_until(qr/go/, "set test.stop = '$where';\n\\echo go\n$call;\n");
    $node->poll_query_until('postgres', "select wait_event = 'PgSleep' from pg_stat_activity where pid = $pid") or die 'it did not stop';
    kill 'KILL', $pid;
    eval { $session->{run}->finish };
    poll_through_crash($node, "select not exists (select from pg_stat_activity where pid = $pid)") or die 'no restart';
    is(contents(), $before, "$name, killed at $where: nothing of it is left");
    sql($setup =~ /boot/ ? "$setup; $call" : $call);
    isnt(contents(), $before, "$name again does what it does");
    is(check_of($node), 'all is well', 'and all is well');
}
is(sql(q{select string_agg(event_type, ' ' order by event_seq) from pdpp.spine_events where run_id = 'w 1'}), 'run.admitted run.started note run.completed', 'each once');
sql('drop function stop_here cascade');

# ---- load ------------------------------------------------------------------------------------------------------------
# Sessions that admit, start, report and settle, each call with its key. What psql prints was committed; each run of a
# script prints into a file of its own, which is the client's record.
my $scripts = 4;
sub script_of {
    my ($load, $script) = @_;
    my $sql = '';
    for my $i (1 .. 150) {
        my $run = "$load $script $i";
        $sql .= qq{select 'admitted', r->>'run_id' from pdpp_run_now('x', 'c $run', '$run', 'key $run') as r;\n};
        next if $i % 5 == 0;
        $sql .= qq{select 'started', '$run' from pdpp_run_started('$run', event_id => 'start') as r;\n};
        $sql .= qq{select 'reported', '$run' from pdpp_run_event('$run', 'note', event_id => 'note $_') as r;\n} for 1, 2;
        next if $i % 5 == 1;
        $sql .= qq{select 'completed', '$run' from pdpp_run_settle('$run', 'completed', event_id => 'end') as r;\n};
    }
    my $file = "$folder/$load-$script.sql";
    append_to_file($file, $sql);
    return $file;
}
my %record;    # what was acknowledged, by run: the last word
sub run_scripts {
    my ($server, $load, $times) = @_;
    return map {
        my $script = $_;
        my $file = "$folder/$load-$script.sql";
        script_of($load, $script) if !-e $file;
        map {
            my $out = '';
            my $err = '';
            my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $server->connstr('postgres'), '-f', $file ], '>', \$out, '2>', \$err);
            { run => $run, out => \$out, err => \$err }
        } 1 .. $times
    } 1 .. $scripts;
}
sub finish {
    my (@clients) = @_;
    my $errors = '';
    for my $client (@clients) {
        eval { $client->{run}->finish };
        while (${ $client->{out} } =~ /^(\w+)\|(.*)$/mg) { $record{$2} = $1 }
        $errors .= ${ $client->{err} };
    }
    return $errors;
}
# What the server says, against the record.
sub judge {
    my ($server, $load, $what) = @_;
    my @mine = grep { /^$load / } keys %record;
    cmp_ok(scalar @mine, '>', 20, "$what: " . @mine . ' handles were acknowledged');
    my %status = map { /^(.*)\|(.*)$/ } split /\n/, $server->safe_psql('postgres',
        q{select r.run_id, r.body->>'status' from pdpp_run_statuses(array(select distinct run_id from pdpp.spine_events)) as r});
    is(join(', ', grep { !defined $status{$_} } @mine), '', "$what: every one resolves");
    is(join(', ', grep { $record{$_} eq 'completed' && $status{$_} ne 'completed' } @mine), '', "$what: what was acknowledged as ended has ended so");
    is(join(', ', grep { $status{$_} !~ /^(active|completed)$/ } @mine), '', "$what: and nothing has ended otherwise");
    is(check_of($server), 'all is well', "$what: all is well");
}
# Every client repeats everything it ever said, from the start, twice at the same time.
sub repeat {
    my ($server, $load, $what) = @_;
    is(finish(run_scripts($server, $load, 2)), '', "$what: two clients at once repeat every call, and no call is refused");
    is($server->safe_psql('postgres', qq{select event_type, count(*), count(distinct run_id) from pdpp.spine_events where run_id like '$load %' group by 1 order by 1}),
        "note|960|480\nrun.admitted|600|600\nrun.completed|360|360\nrun.started|480|480", "$what: nothing was written twice, and nothing is missing");
    is(check_of($server), 'all is well', "$what: all is well");
}
sub await_load {
    my ($server, $load) = @_;
    $server->poll_query_until('postgres', "select count(*) > 100 from pdpp.spine_events where run_id like '$load %' and event_type = 'run.completed'") or die 'no load';
}

my @clients = run_scripts($node, 'killed', 1);
await_load($node, 'killed');
my @seen = map { check_of($node) } 1 .. 3;
is("@seen", 'all is well all is well all is well', 'a check among writers sees whole transactions');
$node->kill9;
like(finish(@clients), qr/server closed the connection|terminating connection|connection to server/, 'the postmaster was killed under load');
# its backends notice by and by, and a new postmaster waits for the last of them
for (1 .. 300) {
    last if $node->start(fail_ok => 1);
    sleep 0.1;
    $node->stop('fast', fail_ok => 1);
}
judge($node, 'killed', 'postmaster killed');
repeat($node, 'killed', 'postmaster killed');

@clients = run_scripts($node, 'immediate', 1);
await_load($node, 'immediate');
$node->stop('immediate');
like(finish(@clients), qr/server closed the connection|terminating connection|connection to server/, 'an immediate shutdown under load');
$node->start;
judge($node, 'immediate', 'immediate shutdown');
repeat($node, 'immediate', 'immediate shutdown');

# ---- a synchronous standby takes over --------------------------------------------------------------------------------
my $standby = $node->standby('crash_standby', conf => q{
shared_preload_libraries = 'pdpp'
pdpp.databases = 'postgres'
pdpp.reconcile_interval = 100ms
});
$node->append_conf('postgresql.conf', q{synchronous_standby_names = '*'});
$node->reload;
$node->poll_query_until('postgres', q{select sync_state = 'sync' from pg_stat_replication}) or die 'not synchronous';

my $controller = $node->background_psql('postgres');
$controller->query_safe(q{select pdpp_controller_boot('left behind'); select pdpp_run_now('x', 'left', 'left behind'); select pdpp_run_claim('left behind'); select pdpp_run_started('left behind')});
@clients = run_scripts($node, 'promoted', 1);
await_load($standby, 'promoted');
is($standby->safe_psql('postgres', q{select count(*) from pg_stat_activity where backend_type like 'pdpp%'}), '0', 'no worker on a standby');
is(check_of($standby), 'all is well', 'a check on a standby');
is($standby->safe_psql('postgres', q{select pdpp_run_status('left behind')->>'status'}), 'active', 'a status on a hot standby');
is($standby->safe_psql('postgres', q{select pdpp_run_timeline('left behind')->>'event_count'}), '2', 'a timeline on a hot standby');
$node->stop('immediate');
finish(@clients);
$standby->promote;
$standby->poll_query_until('postgres', q{select pdpp_run_status('left behind')->>'status' = 'abandoned'}) or die 'the worker did not come';
ok(1, 'the worker of the promoted server ends what the old server\'s controller left, and nobody called it');
$standby->safe_psql('postgres', 'alter system reset synchronous_standby_names');
judge($standby, 'promoted', 'promotion');
repeat($standby, 'promoted', 'promotion');

$standby->stop;
unlike(slurp_file($_->logfile), qr/terminated by signal (?!9)/, 'no crash but ours') for $node, $standby;
done_testing();
