# The queries of docs/operating/ work as they stand there, for a role that may read and no more, and find what they are for.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = abs_path(dirname(__FILE__) . '/../../docs/operating');
my @queries = map { s/;\s*\z//r } map { split /(?<=;)\n/ } map { slurp_file($_) =~ /^```sql\n(.*?)^```$/gms } sort glob "$folder/*.md";

my $node = PdppCluster->bare('main');
$node->safe_psql('postgres', q{CREATE EXTENSION pdpp; CREATE ROLE monitor LOGIN; GRANT pg_read_all_data, pg_read_all_stats TO monitor;
	SELECT pdpp_controller_boot('alive');
	SELECT pdpp_run_launch_failed(pdpp_run_now('c')->>'run_id', 'no');
	SELECT pdpp_run_now('flying');
	INSERT INTO pdpp.controller_boots (controller_id, seq, boot_epoch, booted_at, lost_at)
	VALUES ('lost', 1, '00000000-0000-4000-8000-000000000001', now(), now() - interval '7 s');
	SELECT pdpp_run_settle(pdpp_run_now('lost')->>'run_id', 'abandoned', '{"original_boot_epoch": "00000000-0000-4000-8000-000000000001"}');
	SELECT pdpp_run_settle(pdpp_run_now('lost')->>'run_id', 'abandoned', '{"original_boot_epoch": "nonsense"}')});

sub answer { my ($query) = @_; return $node->safe_psql('postgres', $query, connstr => $node->connstr('postgres') . ' user=monitor'); }

# What the answers begin with, in the order of the page.
my @expected = (
	[ 'endings', qr/^run\.abandoned\|\|2\nrun\.failed\|launch_failed\|1$/ ],
	[ 'detection', qr/^\{00:00:07\.\d+,00:00:07\.\d+\}\|1$/ ],
	[ 'flight', qr/^1\|1\|0\|00:00:/ ],
	[ 'boots', qr/^alive\|1\|.*\nlost\|1\|/ ],
	[ 'the guard', qr/^pdpp guard\|/ ],
	[ 'idle in a transaction', qr/^\d+\|/ ],
	[ 'open for a while', qr/^\d+\|idle in transaction\|/m ]);
is(answer('SELECT current_user'), 'monitor', 'who asks');
is(scalar @queries, scalar @expected, 'the queries of the pages');

my $guard = $node->background_psql('postgres');
$guard->query_safe(q{SET application_name = 'pdpp guard'; BEGIN});
# the last query is about what has been open for a second
ok($node->poll_query_until('postgres', "SELECT EXISTS ($queries[-1])"), 'a transaction is open for a while');
for my $i (0 .. $#expected)
{
	like(answer($queries[$i]), $expected[$i][1], $expected[$i][0]);
}
$guard->quit;

# with statistics of a spine that is not small
$node->safe_psql('postgres', q{
	INSERT INTO pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at)
	SELECT 'r' || n / 5, n % 5 + 1, n % 5, (ARRAY['run.admitted', 'run.started', 'note', 'note', 'run.completed'])[n % 5 + 1], at, at
	FROM generate_series(0, 49999) AS n, LATERAL (SELECT now() - interval '2 days' - n * interval '1 s' AS at) AS a;
	ANALYZE pdpp.spine_events});
like(answer("EXPLAIN $queries[$_]"), qr/Index Scan.* (?:using|on) spine_events_endings/, "$expected[$_][0] by their index") for 0, 1;

$node->stop;
done_testing();
