# Proof of death: a boot lives exactly as long as its session, however that ends, and the guard settles what it left.
use strict;
use warnings;
use PdppCluster;
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('liveness', conf => "listen_addresses = '127.0.0.1'\nmax_prepared_transactions = 1\npdpp.liveness_grace = 0");

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub reconciled { return sql(q{select (r->>'lost_boots') || ' ' || (r->>'launch_failed') || ' ' || (r->>'abandoned') from pdpp_reconcile() as r}) }
sub status_of { return sql(qq{select concat_ws(' ', s->>'status', s->>'terminal_reason', s#>>'{failure,origin}') from pdpp_run_status('$_[0]') as s}) }

# A controller: a session that boots, offers two connections, and takes both runs; one is started.
sub controller_with_runs {
    my ($name) = @_;
    my $session = $node->background_psql('postgres');
    $session->query_safe("select pdpp_controller_boot('$name')");
    $session->query_safe(qq{select pdpp_controller_offer('[{"connector_instance_id": "$name-1", "connector_id": "x"},
        {"connector_instance_id": "$name-2", "connector_id": "x"}]')});
    sql("select pdpp_run_now('x', '$name-$_', '$name $_')") for 1, 2;
    $session->query_safe('select pdpp_run_claim()') for 1, 2;
    $session->query_safe("select pdpp_run_started('$name 2')");
    my $pid = $session->query_safe('select pg_backend_pid()');
    return ($session, $pid);
}

# The lock is free once the backend is out of pg_stat_activity: the server releases locks before that.
sub await_end_of {
    my ($pid) = @_;
    $node->poll_query_until('postgres', "select not exists (select from pg_stat_activity where pid = $pid)")
        or die "backend $pid did not end";
}

my ($alive) = controller_with_runs('alive');
is(reconciled(), '0 0 0', 'a pass leaves the runs of a live controller alone');
is(status_of('alive 1'), 'active', 'claimed and not started: active');
is(status_of('alive 2'), 'active', 'started: active');

# the backend is killed by SIGTERM
my ($terminated, $pid) = controller_with_runs('terminated');
sql("select pg_terminate_backend($pid)");
await_end_of($pid);
is(reconciled(), '1 1 1', 'a pass settles what a terminated session left, and only that');
is(status_of('terminated 1'), 'failed launch_failed controller', 'not started: launch_failed');
is(status_of('terminated 2'), 'abandoned controller_terminated_before_run_finished controller', 'started: abandoned');
is(reconciled(), '0 0 0', 'a second pass finds nothing');
is(sql(q{select count(*) from pdpp.controller_boots where controller_id = 'terminated' and lost_at is not null}), '1', 'lost_at says when it was seen dead');
is(sql(q{select string_agg(k, ' ' order by k) from pdpp.spine_events, jsonb_object_keys(data_json) as k where run_id = 'terminated 2' and event_type = 'run.abandoned'}),
    'caused_by_event_id failure_message failure_origin failure_reason original_boot_epoch original_controller_id reason reconciled_by',
    'the ending says which boot of which controller, and which event started the run');
is(sql(q{select count(*) from pdpp.spine_events as a join pdpp.spine_events as s on s.run_id = a.run_id and 'evt_' || s.run_id || '_' || s.event_seq = a.data_json->>'caused_by_event_id'
         join pdpp.controller_boots as b on b.boot_epoch::text = a.data_json->>'original_boot_epoch' and b.controller_id = a.data_json->>'original_controller_id'
         where a.run_id = 'terminated 2' and a.event_type = 'run.abandoned' and s.event_type = 'run.started'}), '1', 'and they are the true ones');

# the client goes away
my ($gone, $gone_pid) = controller_with_runs('gone');
$gone->quit;
await_end_of($gone_pid);
is(reconciled(), '1 1 1', 'a client that disconnected is as dead');

# a new boot of the same controller settles what its dead boots left, and leaves a live one alone
my ($first, $first_pid) = controller_with_runs('again');
my ($second) = $node->background_psql('postgres');
like($second->query_safe(q{select pdpp_controller_boot('again') - 'booted_at' - 'boot_epoch'}), qr/"seq": 2.*"abandoned": 0/, 'the second boot of a controller whose first lives');
is(status_of('again 2'), 'active', 'leaves its runs alone');
$first->quit;
await_end_of($first_pid);
my ($third) = $node->background_psql('postgres');
$third->query_safe('set client_min_messages = error');
like($third->query_safe(q{select pdpp_controller_boot('again')}), qr/"seq": 3.*"abandoned": 1.*"launch_failed": 1/, 'the third boot');
is(status_of('again 1') . ', ' . status_of('again 2'),
    'failed launch_failed controller, abandoned controller_terminated_before_run_finished controller',
    'settles what the first left');

# a boot that was rolled back never was
my $undone = $node->background_psql('postgres', on_error_stop => 0);
$undone->query('begin; select pdpp_controller_boot($$undone$$); rollback;');
is(sql(q{select count(*) from pdpp.controller_boots where controller_id = 'undone'}), '0', 'no row of a rolled back boot');
is(sql(q{select count(*) from pg_locks as l join pg_stat_activity as a using (pid) where l.locktype = 'advisory' and a.query like '%undone%' and pid <> pg_backend_pid()}), '0', 'no lock either');
my ($stdout, $ret) = $undone->query('select pdpp_run_claim()');
like($undone->{stderr}, qr/has not booted/, 'the session is no controller');
$undone->{stderr} = '';
$undone->query('begin; savepoint s; select pdpp_controller_boot($$undone$$); rollback to s; commit;');
is(sql(q{select count(*) from pdpp.controller_boots where controller_id = 'undone'}), '0', 'a boot rolled back to a savepoint never was');
$undone->query('select pdpp_run_claim()');
like($undone->{stderr}, qr/has not booted/, 'and its session is no controller');
$undone->{stderr} = '';
$undone->query('begin; savepoint s; select pdpp_controller_boot($$kept$$); release s; commit;');
is(reconciled(), '0 0 0', 'a boot in a released savepoint lives');
is(sql(q{select count(*) from pdpp.controller_boots where controller_id = 'kept' and lost_at is null}), '1', 'and is on record');

# SQL's advisory functions cannot reach the lock
my $reaching = $node->background_psql('postgres', on_error_stop => 0);
$reaching->query_safe(q{select pdpp_controller_boot('reached')});
is(sql(q{select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and objsubid not in (1, 2)}) > 0, 1, 'the lock is in a class of its own');
sql(q{select pdpp_run_now('x', 'reached', 'reached')});
$reaching->query_safe(q{select pdpp_run_started('reached')});
for my $drop ('select pg_advisory_unlock_all()', 'begin; select pg_advisory_unlock_all(); commit') {
    $reaching->query_safe($drop);
    is(reconciled(), '0 0 0', "and is held again after: $drop");
}
$reaching->query_safe('set client_min_messages = error');
$reaching->query_safe('begin; select pg_advisory_unlock_all(); rollback');
is($reaching->query_safe(q{select pdpp_reconcile()->>'abandoned'}), '0', 'a session never takes itself for dead');
is(status_of('reached'), 'active', 'and its run is left alone');

# A boot that was seen dead (a rolled back transaction had dropped its lock, and there is no grace) is dead for good: its
# session acts for it no more, whatever it rolls back, and still says what became of its runs.
sub refused { my ($session, $query) = @_; $session->query($query); my $said = $session->{stderr}; $session->{stderr} = ''; return $said }
sub is_dead {
    my ($session, $message, $name) = @_;
    my $run = "for $name";
    sql("select pdpp_run_now('x', '$run', '$run')");
    for my $call ('pdpp_run_claim()', "pdpp_run_claim('$run')", "pdpp_run_started('$run')", q{pdpp_controller_offer('[]')}) {
        like(refused($session, "select $call"), qr/\Q$message\E/, "$name: $call");
    }
    is(sql(qq{select boot_epoch is null and launch_deadline is not null from pdpp.controller_active_runs where run_id = '$run'}), 't', "$name: nothing happened");
    return $run;
}
$reaching->query_safe('begin; select pg_advisory_unlock_all(); rollback');
is(reconciled(), '1 0 1', 'a boot without its lock is dead, with no grace, and its run abandoned');
refused($reaching, 'begin; select pdpp_run_claim(); rollback');
my $unclaimed = is_dead($reaching, 'this boot has been declared dead', 'a boot that was declared dead');
is(sql(q{select count(*) from pdpp.controller_boots where controller_id = 'reached' and dead_at is not null}), '1', 'dead it is');
is($reaching->query_safe(q{select pdpp_run_settle('reached', 'completed', '{"n": 1}')->>'settled'}), 'false', 'what it saw of its run is late');
is(sql(q{select data_json->'evidence' from pdpp.spine_events where run_id = 'reached' and event_type = 'run.late_outcome'}), '{"n": 1}', 'and kept');
$reaching->query_safe(q{select pdpp_controller_boot('reached')});
is($reaching->query_safe("select pdpp_run_claim('$unclaimed')->>'run_id'"), $unclaimed, 'a new boot of the session claims');
is($reaching->query_safe("select pdpp_run_started('$unclaimed')->>'event_seq'"), '2', 'and starts');
is(reconciled(), '0 0 0', 'and lives');

# whoever writes the verdict, a start that was acknowledged before is answered as it was
sql(q{select pdpp_run_now('x', 'replayed', 'replayed')});
$reaching->query_safe(q{select pdpp_run_started('replayed', '{}', 'e')});
sql(q{set session_replication_role = replica; update pdpp.controller_boots set lost_at = now(), dead_at = now() where controller_id = 'reached'});
is_dead($reaching, 'this boot has been declared dead', 'a boot that was declared dead by hand');
is($reaching->query_safe(q{select pdpp_run_started('replayed', '{}', 'e')->>'event_seq'}), '2', 'a start that is repeated gets its first answer');
sql('select pdpp_reconcile()');

# A client whose host dies is noticed soon: over TCP the keepalives are set, where nobody has configured them. What the kernel
# was told is what SHOW tells.
my $over_tcp = 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres';
sub over_tcp { return join ' ', split /\n/, $node->safe_psql('postgres', $_[0], connstr => $over_tcp) }
my $show = 'show tcp_keepalives_idle; show tcp_keepalives_interval; show tcp_keepalives_count; show tcp_user_timeout';
my $checks = $node->pg_version < 14 ? '' : '; show client_connection_check_interval';
my $boot = q{\o /dev/null
    select pdpp_controller_boot('far');
    \o
};
my $without_boot = over_tcp("$show$checks");
is(over_tcp("$boot $show$checks"), $checks ? '5 3 4 15000 5s' : '5 3 4 15000', 'a booted session over TCP');
unlike($without_boot, qr{^5 |15000| 5s$}, 'which a session without a boot has not');
is(over_tcp("begin; $boot rollback; $show$checks"), $without_boot, 'undone with the boot');
is(over_tcp("$boot discard all; $show$checks"), $without_boot, 'and by DISCARD ALL');
is(over_tcp("$boot reset all; $show"), '5 3 4 15000', 'RESET ALL brings them back');
is(over_tcp("set tcp_keepalives_idle = 60; set tcp_user_timeout = '1min'; $boot $show"), '60 3 4 60000', 'what somebody has set stays');
$node->append_conf('postgresql.conf', "tcp_keepalives_interval = 33\ntcp_keepalives_count = 7\ntcp_user_timeout = '2min'" . ($checks ? "\nclient_connection_check_interval = '1min'" : ''));
$node->reload;
$node->poll_query_until('postgres', q{select reset_val = '120000' from pg_settings where name = 'tcp_user_timeout'}) or die 'not reloaded';
is(over_tcp("$boot $show$checks"), $checks ? '5 33 7 120000 1min' : '5 33 7 120000', 'what is configured stays');
is(over_tcp("$boot reset all; $show$checks"), $checks ? '5 33 7 120000 1min' : '5 33 7 120000', 'also after RESET ALL');
is(sql("$boot show tcp_keepalives_idle"), '0', 'a Unix socket has none');

# a boot belongs to a session, not to a transaction that any session may commit
my $prepared = $node->background_psql('postgres', on_error_stop => 0);
$prepared->query(q{begin; select pdpp_controller_boot('prepared'); prepare transaction 'p'; rollback;});
like($prepared->{stderr}, qr/cannot PREPARE a transaction that has/, 'a boot cannot be prepared');

# The log names run and trace of each failed launch, on one line.
my $log = slurp_file($node->logfile);
for my $run ('terminated 1', 'gone 1', 'again 1') {
    my $trace = sql("select pdpp_run_status('$run')->>'trace_id'");
    (my $word = $run) =~ s/ /\\u0020/g; # a space in an id is escaped, so that it cannot forge the next pair
    like($log, qr/^[^\n]*WARNING:[^\n]*run_id=\Q$word\E trace_id=$trace [^\n]*$/m, "one log line for '$run'");
}

# the extension goes, and comes again, under a session that has booted
my $removed = $node->background_psql('postgres', on_error_stop => 0);
$removed->query_safe(q{select pdpp_controller_boot('removed')});
$_->quit for $alive, $undone, $reaching, $prepared, $second, $third;
sql('drop extension pdpp; create extension pdpp');
$unclaimed = is_dead($removed, 'no boot has this epoch', 'a boot that went with the extension');
is($removed->query_safe(q{select pdpp_controller_boot('removed')->>'seq'}), '1', 'and boots anew');
is($removed->query_safe("select pdpp_run_claim('$unclaimed')->>'run_id'"), $unclaimed, 'and claims');

# The whole server dies: nobody holds a lock any more.
my ($last) = controller_with_runs('last');
$node->stop('immediate');
$node->start;
like(reconciled(), qr/^\d+ [1-9]\d* [1-9]\d*$/, 'after a crash of the server every boot is dead');
is(status_of('last 1') . ', ' . status_of('last 2'),
    'failed launch_failed controller, abandoned controller_terminated_before_run_finished controller',
    'and what they left is settled');
is(sql('select count(*) from pdpp.controller_active_runs'), '0', 'nothing flies');

$node->stop;
done_testing();
