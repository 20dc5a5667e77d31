# pg_upgrade, as by whoever goes on to another version of PostgreSQL: handles, keys and grants are what they were, and the guard
# goes on. Both servers are of the version under test, which is all that one machine has.

use strict;
use warnings;

use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "shared_preload_libraries = 'pdpp'\npdpp.databases = 'postgres'\npdpp.liveness_grace = 0\npdpp.reconcile_interval = 100ms";
my $before = PdppCluster->running('before', conf => $conf);
$before->safe_psql('postgres', q{
	CREATE ROLE reader LOGIN; SELECT pdpp_grant('reader', 'owner');
	SELECT pdpp_run_now('gmail', 'c-' || word, 'ended ' || word, 'key-' || word, data => '{"n": 1.10}') FROM unnest(ARRAY['completed', 'failed', 'cancelled']) AS word;
	SELECT pdpp_run_event('ended failed', 'note', '{"count": 1}');
	SELECT pdpp_run_settle('ended ' || word, word, '{"reason": "because"}') FROM unnest(ARRAY['completed', 'failed', 'cancelled']) AS word});
# as the role that was granted it
sub handles
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT pdpp_run_status(id), pdpp_run_timeline(id) FROM unnest(ARRAY['ended completed', 'ended failed', 'ended cancelled']) AS id;
		SELECT pdpp_run_now('gmail', 'c-failed', 'ended failed', 'key-failed', data => '{"n": 1.10}')}, connstr => $node->connstr('postgres') . ' user=reader');
}
my $handles = handles($before);
like($handles, qr/"ended failed"/, 'the database was used');
# one in flight, whose controller is gone with its server
my $controller = $before->background_psql('postgres');
$controller->query_safe(q{SELECT pdpp_controller_boot('controller')});
$controller->query_safe(q{SELECT pdpp_controller_offer('[{"connector_instance_id": "flying", "connector_id": "gmail"}]')});
$controller->query_safe($_) for q{SELECT pdpp_run_now('gmail', 'flying', 'flying')}, 'SELECT pdpp_run_claim()', q{SELECT pdpp_run_started('flying')};
is($before->safe_psql('postgres', q{SELECT pdpp_run_status('flying')->>'status'}), 'active', 'a run is in flight');
$before->stop;
eval { $controller->quit };

my $after = PdppCluster->new('after');
$after->init;
$after->append_conf('postgresql.conf', $conf); # which is nothing that pg_upgrade would carry over
my $bin = $before->config_data('--bindir');
command_ok([ 'pg_upgrade', '--old-datadir', $before->data_dir, '--new-datadir', $after->data_dir, '--old-bindir', $bin, '--new-bindir', $bin, '--socketdir', $before->host,
		'--old-port', $before->port, '--new-port', $after->port ], 'pg_upgrade');
$after->start;
is(handles($after), $handles, 'every handle says the same, to whom it did, and a key is known');
is($after->safe_psql('postgres', 'SELECT count(*) FROM pdpp_check()'), '0', 'all is well');
ok($after->poll_query_until('postgres', q{SELECT pdpp_run_status('flying')->>'status' = 'abandoned'}), 'the guard ends what its controller left');
is($after->safe_psql('postgres', q{SELECT pdpp_run_now('gmail', 'flying', 'next')->>'run_id'; SELECT pdpp_run_settle('next', 'completed')->>'settled'}), "next\ntrue", 'and runs go on');
$after->stop;
done_testing();
