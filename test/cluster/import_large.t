# pdpp import of runs, and of events, that a jsonb has no room for: 256 MB.

use strict;
use warnings;

use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TheirServer;

plan skip_all => 'PDPP_LARGE=yes tries it, with gigabytes of memory and minutes' unless $ENV{PDPP_LARGE};
$ENV{LC_MESSAGES} = 'C';
my $node = PdppCluster->bare('main');
my $folder = PostgreSQL::Test::Utils::tempdir();
my @cin = (connector_instance_id => 'cin_a');

sub import_from
{
	my ($source) = @_;
	return TheirServer::import_from($source, $node->connstr('postgres'));
}

sub status { my ($run_id) = @_; return $node->safe_psql('postgres', "SELECT pdpp_run_status('$run_id')->>'status'"); }

$node->safe_psql('postgres', 'CREATE EXTENSION pdpp');
my $theirs = TheirServer->in_sqlite("$folder/large.db");
my $wide = sub {
	my ($run_id, $first, $count, $bytes) = @_;
	return $theirs->do(qq{INSERT INTO spine_events (run_id, event_id, event_seq, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id,
			status, version, connector_instance_id, data_json)
		WITH RECURSIVE n(n) AS (SELECT $first UNION ALL SELECT n + 1 FROM n WHERE n < $first + $count - 1)
		SELECT '$run_id', 'wide_' || n, n, 'run.note', '2026-08-01T10:00:00.000Z', '2026-08-01T10:00:00.000Z', 's', 't', 'runtime', 'gmail', 'run', 'run', 's', '1', 'cin_$run_id',
			'{"text": "' || hex(zeroblob($bytes / 2)) || '"}' FROM n});
};
$theirs->event('run_1_long', 'run.started', connector_instance_id => 'cin_run_1_long', seq => 99);
$wide->('run_1_long', 100, 29, 9_600_000);
$theirs->event('run_1_long', 'run.completed', connector_instance_id => 'cin_run_1_long');
$theirs->event('run_2_wide', 'run.started', connector_instance_id => 'cin_run_2_wide', seq => 199);
$wide->('run_2_wide', 200, 1, 270_000_000);
$theirs->event('run_2_wide', 'run.failed', connector_instance_id => 'cin_run_2_wide');
$theirs->event('run_3_behind', 'run.completed', @cin);
my ($code, $report, $error) = import_from($theirs->source);
is($code, 1, 'an event that jsonb has no room for') or diag $error;
is_deeply([ map { "$_->{run_id} $_->{row}" } grep { $_->{kind} eq 'not_taken' } @{ $report->{findings} } ], ['run_2_wide wide_200'], 'is named');
is(status('run_1_long'), 'completed', 'a run whose events together have none is taken');
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT xmin::text), count(*) FILTER (WHERE length(data_json->>'text') = 9600000) FROM pdpp.spine_events WHERE run_id = 'run_1_long'}), '32|1|29',
	'all of it, in one transaction');
is(status('run_2_wide'), 'failed', 'the rest of the run of the other');
is(status('run_3_behind'), 'completed', 'and the runs behind them');
is($node->safe_psql('postgres', 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
(undef, $report) = import_from($theirs->source);
is($report->{events_written}, 0, 'a second time writes nothing');
is($report->{unchanged}, 3, 'of no run');

$node->stop;
done_testing();
