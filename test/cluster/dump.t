# A used database, dumped and restored: nothing is lost, every handle resolves to the same answer, and the guards are
# active afterwards. Plain, custom, directory (parallel), and schema and data apart.
use strict;
use warnings;
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('dump', conf => 'pdpp.liveness_grace = 0');

# What a database says of itself: every table's rows, every handle's answer.
sub contents {
    my ($database) = @_;
    return $node->safe_psql($database, q{
        select 'event', to_jsonb(e) from pdpp.spine_events as e order by e.run_id, e.event_seq;
        select 'flight', to_jsonb(f) from pdpp.controller_active_runs as f order by f.run_id;
        select 'connection', to_jsonb(c) from pdpp.connections as c order by c.connector_instance_id;
        select 'boot', to_jsonb(b) from pdpp.controller_boots as b order by b.controller_id, b.seq;
        select 'key', to_jsonb(k) from pdpp.idempotency_keys as k order by k.key;
        select 'status', pdpp_run_status(run_id) from (select distinct run_id from pdpp.spine_events) as r order by run_id;
        select 'timeline', pdpp_run_timeline(run_id) from (select distinct run_id from pdpp.spine_events) as r order by run_id;
    });
}

$node->safe_psql('postgres', 'create database used');
$node->safe_psql('used', q{
    create extension pdpp;
    -- a run of each ending, one in flight, one asked to stop, one that nobody launched
    select pdpp_run_now('gmail', 'c-' || word, 'ended ' || word, 'key-' || word, data => '{"n": 1.10, "big": 123456789012345678901234567890.0}')
    from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as word;
    select pdpp_run_started('ended ' || word) from unnest(array['completed', 'failed', 'cancelled']) as word;
    select pdpp_run_event('ended completed', 'run.progress_reported', jsonb_build_object('count', i)) from generate_series(1, 200) as i;
    select pdpp_run_settle('ended ' || word, word, jsonb_build_object('reason', 'because'))
    from unnest(array['completed', 'failed', 'cancelled', 'abandoned']) as word;
    select pdpp_run_settle('ended failed', 'completed');
    select pdpp_controller_boot('controller');
    select pdpp_controller_offer('[{"connector_instance_id": "c-flying", "connector_id": "gmail"}]');
    select pdpp_run_now('gmail', 'c-flying', 'flying');
    select pdpp_run_claim();
    select pdpp_run_started('flying');
    select pdpp_run_now('gmail', 'c-waiting', E'waiting \u00e9/%');
    select pdpp_run_cancel('flying', 'somebody');
});
my $before = contents('used');
like($before, qr/late_outcome/, 'the database was used');

my $dir = PostgreSQL::Test::Utils::tempdir;

sub restored_by {
    my ($how, $restore) = @_;
    (my $database = "restored $how") =~ s/\W/_/g;
    $node->safe_psql('postgres', "create database $database");
    $restore->($database);
    is(contents($database), $before, "$how: nothing lost, every handle resolves the same");

    # the guards
    for my $mistake (
        [ 'update',   'update pdpp.spine_events set status = null',               'append_only' ],
        [ 'delete',   q{delete from pdpp.spine_events where event_type = 'run.failed'}, 'append_only' ],
        [ 'truncate', 'truncate pdpp.spine_events',                                'append_only' ],
        [ 'flight',   'delete from pdpp.controller_active_runs',                   'run_not_settled' ],
        [ 'connections', 'truncate pdpp.connections',                              'guarded_state' ],
    ) {
        my ($name, $sql, $code) = @$mistake;
        my ($status, $out, $err) = $node->psql($database, $sql);
        like($err, qr/"code": "$code"/, "$how: $name is refused");
    }
    my ($status, $out, $err) = $node->psql($database, q{
        insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
        values ('ended failed', 99, 'x', 'run.completed', now(), now())});
    like($err, qr/spine_events_lifecycle/, "$how: a second ending is refused by the index");

    # and it works on: the key still answers, the boot is dead here, the connection is free afterwards
    is($node->safe_psql($database, q{select pdpp_run_now('gmail', 'c-failed', 'ended failed', 'key-failed', data => '{"n": 1.10, "big": 123456789012345678901234567890.0}')->>'run_id'}),
        'ended failed', "$how: the idempotency key answers");
    is($node->safe_psql($database, q{select pdpp_reconcile()->>'abandoned'; select pdpp_run_status('flying')->>'status'}),
        "1\nabandoned", "$how: the run whose controller stayed behind is settled");
    is($node->safe_psql($database, q{select run_generation from pdpp.connections where connector_instance_id = 'c-flying'}),
        '1', "$how: generations go on");
    is($node->safe_psql($database, q{select pdpp_run_now('gmail', 'c-flying', 'next')->>'run_id'}), 'next', "$how: a new run");
    is($node->safe_psql($database, q{select run_generation from pdpp.connections where connector_instance_id = 'c-flying'}),
        '2', "$how: its generation is the next");
}

my @connection = ('--host', $node->host, '--port', $node->port);

# the plain and custom dumps are taken while the controller's boot is gone but its run still flies
restored_by('plain', sub {
    my ($database) = @_;
    $node->command_ok([ 'pg_dump', @connection, '--file', "$dir/plain.sql", 'used' ], 'pg_dump, plain');
    $node->command_ok([ 'psql', @connection, '--no-psqlrc', '--set', 'ON_ERROR_STOP=1', '--quiet', '--file', "$dir/plain.sql", $database ], 'psql restores it');
});
restored_by('custom', sub {
    my ($database) = @_;
    $node->command_ok([ 'pg_dump', @connection, '--format=custom', '--file', "$dir/custom", 'used' ], 'pg_dump, custom');
    $node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--dbname', $database, "$dir/custom" ], 'pg_restore');
});
restored_by('parallel', sub {
    my ($database) = @_;
    $node->command_ok([ 'pg_dump', @connection, '--format=directory', '--jobs=2', '--file', "$dir/directory", 'used' ], 'pg_dump, directory');
    $node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--jobs=2', '--dbname', $database, "$dir/directory" ], 'pg_restore, parallel');
});
restored_by('schema and data apart', sub {
    my ($database) = @_;
    $node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--schema-only', '--dbname', $database, "$dir/custom" ], 'pg_restore, schema only');
    $node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--data-only', '--dbname', $database, "$dir/custom" ], 'pg_restore, data only');
});
restored_by('after drop extension', sub {
    my ($database) = @_;
    $node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--dbname', $database, "$dir/custom" ], 'a database in use');
    $node->command_ok([ 'pg_dump', @connection, '--format=custom', '--file', "$dir/kept", $database ], 'dumped before');
    $node->safe_psql($database, 'drop extension pdpp');
    is($node->safe_psql($database, q{select count(*) from pg_namespace where nspname = 'pdpp'}), '0', 'DROP EXTENSION takes all of it');
    $node->safe_psql($database, 'create extension pdpp');
    is($node->safe_psql($database, q{select pdpp_run_status('flying')->'error'->>'code'}), 'not_found', 'and a new one knows nothing');
    $node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--data-only', '--dbname', $database, "$dir/kept" ], 'until the data is back');
});

$node->stop;
done_testing();
