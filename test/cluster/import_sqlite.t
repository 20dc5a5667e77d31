# pdpp import from a file of SQLite: what else than its types say its columns may hold, other encodings, writers that come
# and go, and copies of which something is missing.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Copy qw(copy);
use IPC::Run ();
use PdppCluster;
use PdppServer;
use POSIX ();
use PostgreSQL::Test::Utils;
use Programs qw(within);
use Test::More;
use TheirServer;
use Time::HiRes qw(sleep);

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $node = PdppCluster->bare('main');
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my @cin = (connector_instance_id => 'cin_a');

sub fresh
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION pdpp');
	return $name;
}

sub import_from { my ($theirs, $name, @options) = @_; return TheirServer::import_from($theirs->source, $node->connstr($name), @options); }
sub status { my ($name, $run_id) = @_; return $node->safe_psql($name, "SELECT coalesce((SELECT pdpp_run_status('$run_id')->>'status' WHERE EXISTS (SELECT FROM pdpp.spine_events WHERE run_id = '$run_id')), 'none')"); }
sub comes { my ($what, $name, $run_id, $expected) = @_; within(sub { status($name, $run_id) eq $expected }); return is(status($name, $run_id), $expected, $what); }
sub found { my ($report, $kind, $run_id) = @_; return scalar grep { $_->{kind} eq $kind && $_->{run_id} eq $run_id } @{ $report->{findings} }; }

sub follow
{
	my ($theirs, $name, @options) = @_;
	return PdppServer->launch(
		name => 'import',
		arguments => [ '--db', $node->connstr($name), 'import', '--from', $theirs->source, '--follow', @options ],
		ready => qr/^following/m);
}

# A program that does this, and then keeps the file open.
sub open_by
{
	my ($path, $sql) = @_;
	my ($input, $output) = ("$sql; SELECT 'done';\n", '');
	my $server = IPC::Run::start([ 'sqlite3', $path ], '<', \$input, '>', \$output);
	$server->pump until $output =~ /done\n/;
	return $server;
}

sub crash { my ($server) = @_; $server->signal('KILL'); $server->finish; return }

# What stays a text is not looked into when it is served.
subtest 'credentials' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/secret.db");
	my $n = 0;
	$theirs->event('run_1', 'run.started', @cin);
	$theirs->event('run_1', 'run.note', @cin, event_id => 'evt_secret_' . ++$n, data => $_)
	  for '{"device_code": "SECRET", "note": "a\u0000b"}', '{"device_code": "SECRET", "n": 1e99999}', '{"inner": [{"user_code": "SECRET"}], "half": "\ud800"}', '[{"request_uri": "SECRET"}]',
		'{"device\u005Fcode": "SECRET", "n": 1e99999}', "{'user_code': 'SECRET'}", '{"device_code": "SECRET"';
	$theirs->event('run_1', 'run.note', @cin, event_id => 'evt_kept', data => '{"note": "a\u0000b"}');
	for my $type ('token', 'pending_consent', 'owner_device_auth', 'grant')
	{
		my $sql = $theirs->event_sql('run_1', 'run.note', @cin, event_id => "evt_$type", object_type => $type, object_id => '#', token_id => '#');
		$theirs->do($sql =~ s/'#'/'SECRET' || char(0)/gr);
	}
	$theirs->insert('run_history', run_id => 'run_2', connector_instance_id => 'cin_2', connector_id => 'gmail', status => 'failed', started_at => TheirServer::at(1), completed_at => TheirServer::at(2),
		known_gaps_json => '[{"user_code": "SECRET"');
	my $name = fresh('from_secret');
	import_from($theirs, $name);
	my $event = sub { return $node->safe_psql($name, "SELECT e FROM jsonb_array_elements(pdpp_run_timeline('run_1')->'data') AS e WHERE e->>'event_id' = '$_[0]'") };
	for my $m (1 .. $n)
	{
		unlike($event->("evt_secret_$m"), qr/SECRET/, "data $m");
		like($event->("evt_secret_$m"), qr/"imported_data_json": "<redacted-bearer>"/, 'which is said');
	}
	like($event->('evt_kept'), qr/"imported_data_json": "\{\\"note\\"/, 'what has none is kept');
	like($event->("evt_$_"), qr/^(?!.*SECRET).*evt_$_/, "the id of an object that is one: $_") for 'token', 'pending_consent', 'owner_device_auth';
	like($event->('evt_grant'), qr/"imported_columns": \{"object_id": "SECRET[^{}]*"\}/, 'that of another is kept, and of a token none');
	unlike($node->safe_psql($name, q{SELECT pdpp_run_timeline('run_2'), pdpp_run_status('run_2')}), qr/SECRET/, 'gaps that are no JSON');
};

$node->stop;
done_testing();
