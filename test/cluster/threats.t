# What those may do who have nothing, or another thing than they would need (docs/design/threats.md).
use strict;
use warnings;
use PdppCluster;
use PostgreSQL::Test::BackgroundPsql;
use Test::More;

my $node = PdppCluster->bare('threats', conf => q{
client_min_messages = error
});
$node->safe_psql('postgres', q{
    create extension pdpp;
    create role stranger login;
    create role holder login;
    create role launcher login;
    select pdpp_grant('launcher', 'controller');
    create database held owner holder;
});
$node->safe_psql('held', 'create extension pdpp');

sub refused_as {
    my ($role, $sql, $database) = @_;
    my ($status, $out, $err) = $node->psql($database // 'postgres', "set client_min_messages = error; $sql", extra_params => [ '--username', $role ]);
    return $status ? $err : '';
}

# --- a role that may connect, and so may listen
my $listener = $node->background_psql('postgres', extra_params => [ '--username', 'stranger' ]);
$listener->query_safe('listen pdpp_run');
$node->safe_psql('postgres', q{select pdpp_run_now('bank', 'account', 'run-of-somebody', data => '{"amount": 7}')});
my ($heard, $payload);
for (1 .. 600) {
    $heard   = $listener->query('select 1');
    $payload = $1 and last if $heard =~ /notification "pdpp_run" with payload "([^"]*)"/;
    select undef, undef, undef, 0.1;
}
like($payload, qr/^[0-9a-f]{16}$/, 'who listens hears a digest');
unlike($heard, qr/run-of-somebody|bank|account|amount/, 'and nothing of the run');
for my $call (q{pdpp_run_status('run-of-somebody')}, q{pdpp_run_timeline('run-of-somebody')}, q{pdpp_run_list()}, q{pdpp_run_cancel('run-of-somebody')},
    q{pdpp_run_key('run-of-somebody')}) {
    like(refused_as('stranger', "select $call"), qr/permission denied for function/, "who has nothing is refused $call");
}
for my $table (qw(spine_events controller_active_runs connections controller_boots idempotency_keys)) {
    like(refused_as('stranger', "table pdpp.$table"), qr/permission denied/, "who has nothing reads no $table");
}
is(refused_as('stranger', "notify pdpp_run, '$payload'"), '', 'anybody may send a hint');
is($node->safe_psql('postgres', q{select pdpp_run_status('run-of-somebody')->>'status'}), 'active', 'which ends nothing');
unlike($node->safe_psql('postgres', q{set role stranger; select string_agg(query, ' ') from pg_stat_activity where usename <> 'stranger'}) // '',
    qr/run-of-somebody/, 'nobody reads what the sessions of others are called with');

# Both kinds of advisory locks that SQL knows, with the number that a boot's lock is made of.
my $controller = $node->background_psql('postgres');
my $epoch = $controller->query_safe(q{select pdpp_controller_boot('somebody')->>'boot_epoch'});
my $pretender = $node->background_psql('postgres', extra_params => [ '--username', 'stranger' ]);
$pretender->query_safe("select pg_advisory_lock_shared(h), pg_advisory_lock_shared((h >> 32)::int, ((h << 32) >> 32)::int) from (select uuid_hash_extended('$epoch', 0)) as b(h)");
$controller->quit;
ok($node->poll_query_until('postgres', "select pdpp_reconcile() is not null and exists (select from pdpp.controller_boots where boot_epoch = '$epoch' and dead_at is not null)"),
    "a controller that is gone is found dead: nobody else's lock keeps it");
$pretender->quit;

# --- a controller writes by functions alone
for my $sql (q{delete from pdpp.spine_events}, q{update pdpp.controller_active_runs set boot_epoch = null}, q{truncate pdpp.idempotency_keys},
    q{alter table pdpp.spine_events disable trigger all}, q{select pdpp_prune(now())}, q{select pdpp_check()}, q{select pdpp_grant('stranger', 'owner')}) {
    like(refused_as('launcher', $sql), qr/permission denied|must be owner/, "a controller is refused: $sql");
}

# --- the owner of the database, who is not the extension's
for my $sql (q{table pdpp.spine_events}, q{drop extension pdpp}, q{drop schema pdpp cascade}, q{alter table pdpp.spine_events disable trigger all},
    q{alter extension pdpp update to '0.3.0'}, q{select pdpp_run_list()}, q{select pdpp_grant('holder', 'controller')}) {
    like(refused_as('holder', $sql, 'held'), qr/permission denied|must be owner/, "the database's owner is refused: $sql");
}
$listener->quit;
$node->stop;
done_testing();
