# Endings that PREPARE TRANSACTION holds: windows of pdpp_run_endings that are put together count each once, whenever it is
# committed, also over a crash of the server.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('prepared', conf => "max_prepared_transactions = 4\npdpp.notify = off\nautovacuum = off");
$node->safe_psql('postgres', 'create extension pdpp; create table other (n int)');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Windows from where the last one ended, until they have passed this moment, or would have by the clock: what they counted.
my $since = sql(q{select pdpp_run_endings()->>'until'});
sub count_on {
    my $moment = sql('select clock_timestamp()');
    my $count = 0;
    my $over;
    do {
        $over = sql("select clock_timestamp() > '$moment'::timestamptz + interval '1.5 s'");
        my ($until, $counted) = split /\|/, sql(qq{select r->>'until', (select coalesce(sum((d->>'count')::int), 0) from jsonb_array_elements(r->'data') as d) from pdpp_run_endings('$since') as r});
        $count += $counted;
        $since = $until;
    } until $over eq 't';
    return $count;
}
sub passed { return sql(qq{select '$since'::timestamptz > recorded_at from pdpp.spine_events where run_id = '$_[0]' and event_type in ('run.completed', 'run.failed')}) }
sub settle { my ($run, $end) = @_; sql("select pdpp_run_now('x', '$run', '$run')"); return sql("begin; select pdpp_run_settle('$run', 'completed'); $end") }

settle('before', 'commit');
settle('held', q{prepare transaction 'held'});
settle('undone', q{prepare transaction 'undone'});
settle('after', 'commit');
is(count_on(), 1, 'windows count what was committed before, and stay where the oldest prepared transaction began');
is(passed('after'), 'f', 'though an ending was committed since');
$node->stop('immediate');
$node->start;
is(count_on(), 0, 'also after a crash of the server');
sql(q{commit prepared 'held'});
is(count_on(), 1, 'one that is committed is counted, and the next still holds them');
is(passed('held'), 't', 'from where it began');
sql(q{rollback prepared 'undone'});
is(count_on(), 1, 'and all others');
is(passed('after'), 't', 'to the end');

# by hand, in a session that has the library
sql(q{select pdpp_run_status('x'); begin; insert into pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
    values ('by hand', 1, 'e', 'run.failed', clock_timestamp(), clock_timestamp()); prepare transaction 'by hand'});
is(count_on(), 0, 'one that was written by hand holds them too');
sql(q{commit prepared 'by hand'});
is(count_on(), 1, 'and is counted');

# what has nothing to do with runs holds nobody
sql(q{select pdpp_run_status('x'); begin; insert into other values (1); prepare transaction 'other'});
settle('last', 'commit');
is(count_on(), 1, 'a prepared transaction that wrote no event does not hold them');
sql(q{rollback prepared 'other'});

# by another's callback of PREPARE TRANSACTION, after ours
my $module = abs_path($PostgreSQL::Test::Utils::tmp_check) . '/late_writer.so';
system_or_bail('gcc', '-shared', '-fPIC', '-I' . $node->config_data('--includedir-server'), '-o', $module, dirname(__FILE__) . '/../lib/late_writer.c');
my $late = qq{load '$module'; load 'pdpp'; select pdpp_run_now('x', 'late', 'late'); begin; set local late_writer.sql = \$\$select pdpp_run_settle('late', 'completed')\$\$};
sql(qq{$late; insert into other values (2); prepare transaction 'late'});
settle('after late', 'commit');
is(count_on(), 0, 'one that was written last holds them too');
sql(q{commit prepared 'late'});
is(count_on(), 2, 'and is counted');
my ($status, undef, $error) = $node->psql('postgres', $late =~ s/late'/loud'/gr . q{; set local pdpp.notify = on; insert into other values (3); prepare transaction 'loud'}, on_error_stop => 1);
is($status, 3, 'PREPARE TRANSACTION fails');
like($error, qr/cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/, 'where it would be notified of, also by a callback');

$node->stop;
done_testing();
