# What a superuser, a restore under way or an unlucky moment can do to the writers: no crash, no endless loop, no deadlock,
# no run ended that should not be. Each test failed before the extension minded its case.
use strict;
use warnings;
use PdppCluster;
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('by_hand', conf => "autovacuum = off\ndeadlock_timeout = 100ms\nlog_min_messages = error\npdpp.liveness_grace = 0");

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub status_of { return sql("select pdpp_run_status('$_[0]')->>'status'") }

# Waits until somebody waits for a lock, which is when a race has come to its point.
sub await_waiter {
    $node->poll_query_until('postgres', q{select exists (select from pg_stat_activity where wait_event_type = 'Lock')})
        or die 'nobody waited';
}

sub event_by_hand {
    my ($run, $seq, $type, %more) = @_;
    return sprintf q{insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
        values ('%s', %d, '%s', '%s', now(), now())}, $run, $seq, $more{id} // "hand $seq", $type;
}

# 1. An event whose number is taken by an uncommitted row of somebody who holds no lock of ours.
{
    sql(q{select pdpp_run_now('x', run_id => 'numbered')});
    my $hand = $node->background_psql('postgres');
    $hand->query_safe('begin; ' . event_by_hand('numbered', 2, 'note'));
    my $writer = $node->background_psql('postgres');
    $writer->query_until(qr/writing/, "\\echo writing\nselect pdpp_run_event('numbered', 'my.event', '{}', 'mine')->>'event_seq';\n");
    await_waiter();
    $hand->query_safe('commit');
    $writer->query_safe('select 1');
    is(sql(q{select string_agg(event_seq || ' ' || event_id, ', ' order by event_seq) from pdpp.spine_events where run_id = 'numbered' and event_seq > 1}),
        '2 hand 2, 3 mine', 'an append whose number was taken takes the next');
}

# 2. A flight row whose admission is not on the spine: a restore loads tables one after the other.
{
    sql(q{insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation, launch_deadline)
          values ('half', 'x', 'half', 't', now(), 1, now() - interval '1 hour')});
    is(sql(q{select pdpp_reconcile()->>'launch_failed'}), '0', 'the guard leaves it alone');
    is(sql(q{select count(*) from pdpp.spine_events where run_id = 'half'}), '0', 'and writes nothing that the restore would stumble over');
    # by a clock that was ahead of ours, or is
    my $row = q{select xmin, launch_deadline from pdpp.controller_active_runs where run_id = 'half'};
    sql(q{set session_replication_role = replica; update pdpp.controller_active_runs set started_at = now() + interval '1 day', launch_deadline = now() + interval '25 hours' where run_id = 'half'});
    my $before = sql($row);
    sql('select pdpp_reconcile()');
    is(sql($row), $before, 'nor is its deadline set anew');
    sql(q{set session_replication_role = replica; update pdpp.controller_active_runs set started_at = now() where run_id = 'half'});
    my (undef, undef, $err) = $node->psql('postgres', q{set statement_timeout = '10s'; select pdpp_run_now('other', run_id => 'half')});
    like($err, qr/"code": "run_id_taken"/, 'its id is taken');
    sql(q{update pdpp.controller_active_runs set launch_deadline = now() + interval '1 hour' where run_id = 'half'});
    is(sql(q{select pdpp_controller_boot('restored') is null; select pdpp_run_claim('half')->'data'}), "f\nnull", 'it can be claimed');
}

# 3. A run that was started by hand, past a deadline that still stands, owned by nobody: no launch failed, nobody died.
{
    sql(q{select pdpp_run_now('x', 'unowned', 'unowned')});
    sql(event_by_hand('unowned', 2, 'run.started'));
    sql(q{update pdpp.controller_active_runs set launch_deadline = now() where run_id = 'unowned'});
    is(sql(q{select pdpp_reconcile() - 'object' - 'lost_boots'}), '{"abandoned": 0, "cancelled": 0, "timed_out": 0, "launch_failed": 0}', 'the guard has no proof of anything');
    is(status_of('unowned'), 'active', 'and the run is left alone');
}

# 4. One statement that writes the ending and removes the row.
{
    sql(q{select pdpp_run_now('x', 'one statement', 'one statement')});
    sql(q{with ended as (} . event_by_hand('one statement', 2, 'run.completed') . q{ returning run_id)
        delete from pdpp.controller_active_runs as f using ended as e where f.run_id = e.run_id});
    is(status_of('one statement'), 'completed', 'the guard of flight state sees the ending of its own statement');
}

# 5. Plans made while the tables were small and analyzed: appends must not walk the table.
{
    sql('analyze');
    sql(q{select pdpp_run_now('x', 'long', 'long')});
    my $appender = $node->background_psql('postgres');
    $appender->query_safe(q{do $$ begin for i in 1..300 loop perform pdpp_run_event('long', 'note'); end loop; end $$});
    $appender->query_safe('select pg_stat_force_next_flush()');
    my $scans = "select seq_scan from pg_stat_user_tables where relname = 'spine_events'";
    my $before = $appender->query_safe($scans);
    $appender->query_safe(q{do $$ begin for i in 1..300 loop perform pdpp_run_event('long', 'note'); end loop; end $$});
    $appender->query_safe('select pg_stat_force_next_flush()');
    is($appender->query_safe($scans), $before, 'no sequential scan in 300 appends');
}

# 6. Two passes that probe one boot at the same moment must not take each other for it. One holds its probe (a lock in the
#    same mode on the same tag) while the other looks.
{
    my $controller = $node->background_psql('postgres');
    $controller->query_safe(q{select pdpp_controller_boot('probed')});
    sql(q{select count(pdpp_run_now('x', 'probed ' || i, 'probed ' || i)) from generate_series(1, 400) as i});
    $controller->query_safe(qq{select count(pdpp_run_started('probed ' || i)) from generate_series(1, 400) as i});
    my $pid = $controller->query_safe('select pg_backend_pid()');
    $controller->quit;
    $node->poll_query_until('postgres', "select not exists (select from pg_stat_activity where pid = $pid)");
    # each cancel of a run of a dead boot probes it and settles the run at once
    my @sessions = map { $node->background_psql('postgres') } 1 .. 4;
    for my $s (0 .. 3) {
        $sessions[$s]->query_until(qr/go/, "\\echo go\nselect count(pdpp_run_cancel('probed ' || i)) from generate_series("
            . ($s * 100 + 1) . ', ' . ($s * 100 + 100) . ") as i;\n");
    }
    $_->query_safe('select 1') for @sessions;
    is(sql(q{select count(*) from pdpp.controller_active_runs where run_id like 'probed%'}), '0', '400 cancels from four sessions found the boot dead');
}

# 7. Two boots that take each other's connections over at the same moment.
{
    my @boots = map { $node->background_psql('postgres') } 1, 2;
    my $offer = sub {
        my ($name) = @_;
        return qq{select pdpp_controller_offer((select jsonb_agg(jsonb_build_object('connector_instance_id', '$name ' || i, 'connector_id', 'x')) from generate_series(1, 300) as i))->>'offered'};
    };
    $boots[$_]->query_safe("select pdpp_controller_boot('swap $_')") for 0, 1;
    for my $round (1 .. 5) {
        my @names = $round % 2 ? ('left', 'right') : ('right', 'left');
        $boots[$_]->query_until(qr/go/, "\\echo go\n" . $offer->($names[$_]) . ";\n") for 0, 1;
        $_->query_safe('select 1') for @boots;    # an error would have ended the session
    }
    is(sql(q{select count(distinct boot_epoch) from pdpp.connections where connector_instance_id like 'left %'}), '1', 'offers that cross do not deadlock');
}

# 8. Settle and admit again in one transaction, while another session admits on the same connection.
{
    sql(q{select pdpp_run_now('again', run_id => 'again 1')});
    my $a = $node->background_psql('postgres');
    $a->query_safe(q{begin; select pdpp_run_settle('again 1', 'completed')});
    my (undef, undef, $err) = $node->psql('postgres', q{set lock_timeout = '5s'; select pdpp_run_now('again', run_id => 'again b')});
    like($err, qr/"code": "run_already_active"/, 'an admission does not wait for a settle that has not committed');
    $a->query_safe(q{select pdpp_run_now('again', run_id => 'again 2'); commit});
    is(status_of('again 1') . ' ' . status_of('again 2'), 'completed active', 'and whoever settles may admit the next run');
}

# 9. The time of the admission is one time, wherever it stands.
{
    sql(qq{select pdpp_run_now('t $_', run_id => 'time $_')}) for 1 .. 50;
    is(sql(q{select count(*) from pdpp.spine_events as e join pdpp.controller_active_runs as f using (run_id)
        where e.event_type = 'run.admitted' and (e.occurred_at, e.admitted_at) is distinct from (f.started_at, f.started_at)}), '0', 'occurred_at, admitted_at and flight state agree');
}

# 10. TRUNCATE in a transaction whose snapshot is older than what the tables hold.
{
    sql('create database truncated');
    my $there = sub { return $node->safe_psql('truncated', $_[0]) };
    $there->('create extension pdpp');
    my $old = $node->background_psql('truncated', on_error_stop => 0);
    $old->query_safe('begin isolation level repeatable read; select count(*) from pdpp.connections');
    $there->(q{select pdpp_controller_boot('t'); select pdpp_run_now('t', 't', 't', 't')});
    for my $table ('controller_active_runs', 'connections', 'controller_boots', 'idempotency_keys', 'spine_events') {
        $old->query("savepoint s; truncate pdpp.$table");
        like($old->{stderr}, qr/"code": "(run_not_settled|guarded_state|append_only)"/, "$table has rows that the snapshot does not show");
        $old->{stderr} = '';
        $old->query_safe('rollback to s');
    }
    $old->query_safe('rollback');
    $old->quit;
}

# 11. A flight row on the connection that somebody writes by hand while the connection is admitted on.
{
    my $hand = $node->background_psql('postgres');
    $hand->query_safe(q{begin; insert into pdpp.controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, started_at, run_generation)
        values ('crossed', 'x', 'crossed by hand', 't', now(), 1)});
    my $writer = $node->background_psql('postgres', on_error_stop => 0);
    $writer->query_until(qr/admitting/, "\\echo admitting\nselect pdpp_run_now('x', 'crossed', 'crossed');\n");
    await_waiter();
    $hand->query_safe('commit');
    $writer->query('select 1');
    like($writer->{stderr}, qr/"code": "run_already_active".*"active_run_id": "crossed by hand"/, 'the connection has an active run');
    $writer->{stderr} = '';
    $_->quit for $hand, $writer;
    sql(q{alter table pdpp.controller_active_runs disable trigger user; delete from pdpp.controller_active_runs where run_id = 'crossed by hand';
        alter table pdpp.controller_active_runs enable trigger user});
}

# 12. What is known of the tables does not depend on the settings of the session that looked first, nor what is checked.
{
    sql(q{create schema shadow; create function shadow.jsonb_typeof(jsonb) returns text language sql as 'select null'; select pdpp_run_now('x', 'settings', 'settings')});
    my $locks = q{select string_agg(mode, ', ' order by mode) from pg_locks where pid = pg_backend_pid() and relation = 'pdpp.spine_events'::regclass};
    for my $setting ('quote_all_identifiers = on', 'search_path = shadow, pg_catalog, public', 'standard_conforming_strings = off') {
        is(sql(qq{set $setting; select pdpp_run_status('settings') is null; begin; select pdpp_run_event('settings', 'note') is null; $locks; commit}), "f\nf\nRowExclusiveLock",
            "an event is inserted directly with $setting");
        is(sql(qq{set $setting; select count(*) from pdpp_check() where invariant = 'tables_as_made'}), '0', 'and the tables are as they were made');
    }
    sql('create table grown (more text) inherits (pdpp.spine_events)');
    like(sql(q{select detail from pdpp_check() where detail like 'not made by%'}), qr/^not made by pdpp: table spine_events .* with children$/, 'a table of children is told');
    sql('drop table grown');
}

# 13. Times that never come, or never were, by hand.
{
    my $controller = $node->background_psql('postgres');
    $controller->query_safe(q{select pdpp_controller_boot('timeless'); select pdpp_controller_offer('[{"connector_instance_id": "timeless", "connector_id": "x"}]')});
    for my $times ("launch_deadline = '-infinity', started_at = '2000-01-01'", "launch_deadline = '-infinity', started_at = '-infinity'", "launch_deadline = now(), started_at = '-infinity'") {
        my $run = "timeless $times" =~ s/'//gr;
        sql(qq{select pdpp_run_now('x', 'timeless', '$run'); set session_replication_role = replica; update pdpp.controller_active_runs set $times where run_id = '$run'});
        is($controller->query_safe(q{select pdpp_run_claim() is null}), 't', "claimed is nothing with $times");
        is(sql(q{select pdpp_reconcile()->>'launch_failed'}), '1', 'and it is overdue');
    }
    sql(q{select pdpp_run_now('x', 'timeless', 'timeless'); update pdpp.controller_active_runs set launch_deadline = 'infinity' where run_id = 'timeless'});
    is(sql(q{select pdpp_reconcile()->>'launch_failed'}), '0', 'an infinite deadline never comes');
    is($controller->query_safe(q{select pdpp_run_claim()->>'run_id'}), 'timeless', 'and can be claimed');
    sql(q{select pdpp_run_settle('timeless', 'completed')});
    $controller->quit;
}

# 14. Somebody's trigger that has the guard judge another boot while it writes its verdict about one.
{
    my @epochs = map {
        my $session = $node->background_psql('postgres');
        my $epoch = $session->query_safe("select pdpp_controller_boot('nested $_')->>'boot_epoch'");
        my $pid = $session->query_safe('select pg_backend_pid()');
        $session->quit;
        $node->poll_query_until('postgres', "select not exists (select from pg_stat_activity where pid = $pid)");
        $epoch } 1 .. 2;
    sql(q{create function nested() returns trigger language plpgsql as $$ begin if pg_trigger_depth() = 1 then perform public.pdpp_reconcile(); end if; return null; end $$;
        create trigger a_nested after update on pdpp.controller_boots for each row execute function nested()});
    my (undef, undef, $err) = $node->psql('postgres', 'select pdpp_reconcile()');
    is($err, '', 'both verdicts are the guard\'s');
    is(sql(q{select count(*) from pdpp.controller_boots where controller_id like 'nested%' and dead_at is null}), '0', 'and both stand');
    sql('drop trigger a_nested on pdpp.controller_boots; drop function nested()');
}

unlike(slurp_file($node->logfile), qr/terminated by signal|deadlock detected/, 'no crash and no deadlock in the log');

$node->stop;
done_testing();
