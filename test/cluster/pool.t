# A pool in session mode, a real one: its sessions outlive their clients. A boot does not.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $node = PdppCluster->bare('main', conf => "pdpp.liveness_grace = 1h\nidle_in_transaction_session_timeout = 20min");
sub sql { return $node->safe_psql('postgres', $_[0]) }
sql('create extension pdpp');

# With one session for all clients, one after the other.
my $folder = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $user = getpwuid($>);
sub start_pool {
    my ($reset) = @_;
    append_to_file("$folder/users.txt", qq{"$user" ""\n});
    open my $file, '>', "$folder/pgbouncer.ini" or die $!;
    print {$file} join "\n", '[databases]', '* = host=' . $node->host . ' port=' . $node->port, '[pgbouncer]', 'pool_mode = session', 'default_pool_size = 1',
        'listen_addr =', "listen_port = $port", "unix_socket_dir = $folder", 'auth_type = trust', "auth_file = $folder/users.txt", "server_reset_query = $reset",
        'ignore_startup_parameters = extra_float_digits,options', '';
    close $file;
    my $pool = start('', $pgbouncer, '-q', "$folder/pgbouncer.ini");
    within(sub { -S "$folder/.s.PGSQL.$port" }) or die "no pool: $pool->{err}";
    return $pool;
}
sub stop_pool { my ($pool) = @_; kill 'KILL', pid_of($pool); finish($pool); unlink "$folder/.s.PGSQL.$port"; return }
my $through = "host=$folder port=$port dbname=postgres user=$user";
sub pooled { my ($query) = @_; my ($ret, $out, $err) = $node->psql('postgres', $query, connstr => $through); return $ret ? $err : $out }

for my $reset ('DISCARD ALL', 'RESET ALL; SELECT pg_advisory_unlock_all(); UNLISTEN *; CLOSE ALL') {
    my $pool = start_pool($reset);
    my $run = "by $reset";
    my ($backend, $epoch) = split /\n/, pooled(qq{select pg_backend_pid(); select pdpp_controller_boot('pooled')->>'boot_epoch'});

    is(pooled("select pg_backend_pid() = $backend"), "t", "$reset: one session for all clients");
    like(pooled('select pdpp_run_claim()'), qr/has not booted/, 'whose next client is not the boot');
    is(pooled(q{select current_setting('idle_in_transaction_session_timeout')}), '20min', 'and has none of its settings');
    is(sql(q{select pdpp_reconcile()->>'lost_boots'}), '1', 'the boot is lost');
    is(pooled(qq{select pdpp_run_now('c', 'i', '$run') is null; select pdpp_controller_rejoin('$epoch')->>'seq' is null; select pdpp_run_claim('$run')->>'run_id'; select pdpp_reconcile()->>'lost_boots'}),
        "f\nf\n$run\n0", 'until its controller is back, through the pool as well');
    # the pool resets the session some time after its client has gone
    ok(within(sub { sql(q{select pdpp_reconcile()->>'lost_boots'}) eq '1' }), 'for as long as it is');
    sql(qq{select pdpp_run_settle('$run', 'completed')});
    stop_pool($pool);
}

$node->stop;
done_testing();
