# pdpp import: what another server recorded of runs, from PostgreSQL and from SQLite, with each trap that its tables have.

use strict;
use warnings;

use IPC::Run ();
use JSON::PP qw(decode_json);
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TheirServer;

$ENV{LC_MESSAGES} = 'C';
my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $node = PdppCluster->bare('main', conf => 'max_prepared_transactions = 5');
my $folder = PostgreSQL::Test::Utils::tempdir();

sub db { my ($name) = @_; return $node->connstr($name); }

# A fresh database with the extension, and one without.
sub fresh
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION pdpp');
	return $name;
}

sub run_pdpp
{
	my (@arguments) = @_;
	my ($output, $error) = ('', '');
	IPC::Run::run([ $pdpp, @arguments ], '<', \undef, '>', \$output, '2>', \$error);
	return ($? >> 8, $output, $error);
}

# Imports, and gives the exit code and the report.
sub import_from
{
	my ($theirs, $name, @options) = @_;
	my ($code, $report, $error) = TheirServer::import_from($theirs->source, db($name), @options);
	diag($error) if !%$report;
	return ($code, $report);
}

sub status { my ($name, $run_id) = @_; return decode_json($node->safe_psql($name, 'SELECT pdpp_run_status($$' . $run_id . '$$)')); }
sub events { my ($name, $run_id) = @_; return decode_json($node->safe_psql($name, 'SELECT pdpp_run_timeline($$' . $run_id . '$$)'))->{data}; }
sub types { my ($name, $run_id) = @_; return join ' ', map { $_->{event_type} } @{ events($name, $run_id) }; }
sub all_of { my ($name) = @_; return $node->safe_psql($name, 'SELECT * FROM pdpp.spine_events ORDER BY run_id, event_seq'); }

sub found
{
	my ($report, $kind, $run_id) = @_;
	return grep { $_->{kind} eq $kind && (!defined $run_id || $_->{run_id} eq $run_id) } @{ $report->{findings} };
}

my @cin = (connector_instance_id => 'cin_a');

sub fill
{
	my ($theirs) = @_;
	# what is no run's
	$theirs->event(undef, 'grant.issued');
	$theirs->event(undef, 'controller.booted', data => { controller_id => 'ctl', seq => 1, boot_epoch => 'x' });
	$theirs->event(undef, 'controller.booted', data => { controller_id => 'ctl', seq => 2, boot_epoch => 'y' });
	# a plain one
	$theirs->event('run_plain', 'run.started', @cin, data => { controller_id => 'ctl', seq => 2 });
	$theirs->event('run_plain', 'run.progress_reported', @cin, stream_id => 'mail', token_id => 'secret');
	$theirs->event('run_plain', 'run.completed', @cin, data => { records_emitted => 3, known_gaps => [1], known_gaps_summary => 'one' });
	# a shared id: two connections
	$theirs->event('run_shared', 'run.started', @cin, trace_id => 'trc_a', at => 100);
	$theirs->event('run_shared', 'run.started', connector_instance_id => 'cin_b', trace_id => 'trc_b', at => 99);
	$theirs->event('run_shared', 'run.completed', @cin, trace_id => 'trc_a', at => 101);
	$theirs->event('run_shared', 'run.failed', connector_instance_id => 'cin_b', trace_id => 'trc_b', at => 102, data => { reason => 'no' });
	# ended twice, and begun twice
	$theirs->event('run_twice', 'run.started', @cin);
	$theirs->event('run_twice', 'run.failed', @cin, data => { reason => 'first' });
	$theirs->event('run_twice', 'run.started', @cin);
	$theirs->event('run_twice', 'run.completed', @cin, data => { records_emitted => 1 });
	# ended by the repair of a boot, without connection, and in SQLite without a number
	my $start = $theirs->{count} + 1;
	$theirs->event('run_repaired', 'run.started', @cin);
	$theirs->event('run_repaired', 'run.progress_reported', @cin);
	$theirs->event('run_repaired', 'run.abandoned', actor_type => 'controller', actor_id => 'ctl',
		data => { caused_by_event_id => "evt_$start", reason => 'controller_terminated_before_run_finished' }, ($theirs->{path} ? (seq => undef) : ()));
	# what follows an ending
	$theirs->event('run_followed', 'run.started', @cin);
	$theirs->event('run_followed', 'run.cancelled', @cin);
	$theirs->event('run_followed', 'run.browser_surface_released', @cin, data => { browser_surface => { browser_surface_status => 'expired' } });
	# browsers
	my $surface = sub { return { browser_surface => { browser_surface_status => $_[0], browser_surface_wait_reason => 'no_room', browser_surface_profile_key => 'p:gmail:cin_s' } } };
	$theirs->event('run_surface', 'run.browser_surface_failed', data => $surface->('failed'));
	$theirs->event('run_lease', 'run.browser_surface_wait', data => $surface->('waiting_for_browser_surface'));
	$theirs->event('run_lease', 'run.browser_surface_wait', data => $surface->('expired'));
	$theirs->event('run_leased', 'run.browser_surface_wait', data => $surface->('leased'));
	$theirs->insert('controller_active_runs', connector_instance_id => 'cin_s', connector_id => 'gmail', run_id => 'run_leased', trace_id => 'trc_run_leased', started_at => TheirServer::at(1), run_generation => 4);
	# handles without events
	$theirs->insert('controller_active_runs', connector_instance_id => 'cin_f', connector_id => 'gmail', run_id => 'run_flying', trace_id => 'trc_f',
		scenario_id => 's', started_at => TheirServer::at(50), run_generation => 9);
	$theirs->insert('source_webhook_run_receipts', source_id => 's', event_id => 'w', connector_id => 'gmail', connector_instance_id => 'cin_w', run_id => 'run_receipt',
		trace_id => 'trc_w', started_at => TheirServer::at(60));
	$theirs->insert($theirs->{history} // 'run_history', run_id => 'run_history', connector_instance_id => 'cin_h', connector_id => 'gmail', status => 'failed', trace_id => 'trc_h',
		failure_reason => 'died', terminal_reason => 'connector_died', error => 'It died.', started_at => TheirServer::at(70), completed_at => TheirServer::at(75),
		records_emitted => 5, known_gaps_json => '{"a": 1}');
	$theirs->insert($theirs->{history} // 'run_history', run_id => undef, connector_instance_id => 'cin_n', connector_id => 'gmail', status => 'failed');
	# stranded: of a boot that is over, and of one that may go on
	$theirs->event('run_stranded', 'run.started', @cin, data => { controller_id => 'ctl', seq => 1 });
	$theirs->event('run_hanging', 'run.started', @cin, data => { controller_id => 'ctl', seq => 2 });
	# connections and connectors
	$theirs->event('run_by_data', 'run.started', data => { connector_instance_id => 'cin_d', connection_id => 'cin_e', source => { id => 'drive' } }, actor_id => '');
	$theirs->event('run_by_data', 'run.completed', data => { connection_id => 'cin_d' });
	$theirs->event('run_by_id', 'run.completed', data => { connection_id => 'cin_e' });
	$theirs->event('run_by_connector', 'run.completed');
	# any character
	$theirs->event("run \n'\\ % \xc3\xa4", 'run.completed', @cin, event_id => "evt\n'1");
	# order: by number, then by id
	$theirs->event('run_order', 'run.completed', @cin, seq => 2000, at => 5);
	$theirs->event('run_order', 'run.started', @cin, seq => 1000, at => 9);
	# times
	$theirs->event('run_bad_time', 'run.started', @cin, occurred_at => 'yesterday', event_id => 'evt_bad_time');
	$theirs->event('run_bad_time', 'run.completed', @cin);
	return;
}

sub tries
{
	my ($name, $theirs) = @_;
	fill($theirs);
	my $before = $theirs->do('SELECT count(*) FROM spine_events');
	my $whole = $theirs->digest;

	# the doctor needs nothing here
	my ($code, $output, $error) = run_pdpp('--db', db('nowhere'), 'import', '--from', $theirs->source, '--dry-run', '--json');
	is($code, 1, 'a doctor who finds something') or diag $error;
	my $told = decode_json($output);
	is($told->{dry_run}, JSON::PP::true, 'who copies nothing');
	is(join(' ', sort map { $_->{run_id} } found($told, 'stranded_run')), 'run_hanging run_receipt run_stranded', 'stranded runs');
	is_deeply([ found($told, 'several_endings') ], [ { kind => 'several_endings', run_id => 'run_twice', endings => [ 'failed', 'completed' ] } ], 'a run with two endings');
	is(join(' ', sort map { $_->{imported_as} } found($told, 'shared_id')), 'run_shared run_shared~cin_a', 'an id of two runs');
	is(join(' ', sort map { "$_->{run_id}=$_->{table}" } found($told, 'run_without_events')), 'run_flying=controller_active_runs run_history=run_history run_receipt=source_webhook_run_receipts', 'handles');
	is(scalar found($told, 'event_without_seq'), ($theirs->{path} ? 1 : 0), 'rows without a number');
	is_deeply([ map { $_->{row} } found($told, 'not_taken') ], ['evt_bad_time'], 'a time that is none');
	is($told->{tables}[0]{name}, 'spine_events', 'the sizes of the tables');
	is($told->{tables}[0]{rows}, $before, 'in rows');
	cmp_ok($told->{tables}[0]{bytes}, '>', 0, 'and bytes');
	like((run_pdpp('import', '--from', $theirs->source, '--dry-run'))[1], qr/^\{/, 'JSON where it is no terminal');

	fresh($name);
	my ($first, $report) = import_from($theirs, $name);
	is($first, 1, 'one row could not be taken as it was');
	is($report->{events_written}, $report->{events} + 1, 'all were taken, and an ending from the history of runs');
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	is($theirs->digest, $whole, 'the source is as it was');

	# a plain one
	my $status = status($name, 'run_plain');
	is($status->{status}, 'completed', 'a run that completed');
	is_deeply([ @$status{qw(connector_id connector_instance_id trace_id known_gaps known_gaps_summary)} ], [ 'gmail', 'cin_a', 'trc_run_plain', [1], 'one' ], 'whose it is');
	my $events = events($name, 'run_plain');
	is(join(' ', map { "$_->{event_seq} $_->{event_type}" } @$events), '1 run.admitted 2 run.started 3 run.progress_reported 4 run.completed', 'its events');
	is($events->[0]{data}{imported}, JSON::PP::true, 'the admission is made');
	is($events->[0]{source_kind}, 'import', 'and says so');
	is($events->[2]{stream_id}, 'mail', 'columns come along');
	is($events->[3]{version}, 'reference.spine.v1', 'the version is theirs');
	is($events->[3]{status}, 'theirs', 'and so is the word for its status');
	is($events->[3]{data}{records_emitted}, 3, 'the data is theirs');

	# a shared id
	is(status($name, 'run_shared')->{connector_instance_id}, 'cin_b', 'who began first keeps the id');
	is(status($name, 'run_shared')->{status}, 'failed', 'with its own ending');
	is(status($name, 'run_shared~cin_a')->{status}, 'completed', 'the other has one beside it');
	is_deeply(events($name, 'run_shared~cin_a')->[0]{data}{connector_instance_ids}, [ 'cin_b', 'cin_a' ], 'its admission names both');

	is(status($name, 'run_twice')->{status}, 'failed', 'the first ending stands');
	is(status($name, 'run_twice')->{terminal_reason}, 'first', 'with its reason');
	is(types($name, 'run_twice'), 'run.admitted run.started run.failed run.late_outcome run.late_outcome', 'what came again is evidence');
	is_deeply([ map { "$_->{here} $_->{there}" } found($report, 'ending_differs', 'run_twice') ], ['failed completed'], 'and is named');

	is(types($name, 'run_repaired'), 'run.admitted run.started run.progress_reported run.abandoned', 'a repaired one');
	is_deeply([ @{ status($name, 'run_repaired') }{qw(status connector_id connector_instance_id)} ], [ 'abandoned', 'gmail', 'cin_a' ], 'is of the connection that the run was of');
	is(types($name, 'run_followed'), 'run.admitted run.started run.cancelled run.browser_surface_released', 'what follows an ending stays');

	is_deeply([ @{ status($name, 'run_surface') }{qw(status terminal_reason connector_instance_id)} ], [ 'failed', 'no_room', 'cin_s' ], 'no browser was to be had');
	is(status($name, 'run_surface')->{failure}{origin}, 'browser_surface', 'and that was it');
	is(events($name, 'run_surface')->[1]{data}{imported_event_type}, 'run.browser_surface_failed', 'in its own words');
	is(status($name, 'run_lease')->{status}, 'failed', 'a lease that expired');
	is(status($name, 'run_leased')->{status}, 'active', 'one that did not');

	is(status($name, 'run_flying')->{status}, 'active', 'in flight');
	is($node->safe_psql($name, q{SELECT run_id, run_generation, boot_epoch IS NULL, launch_deadline IS NULL AND deadline_at IS NULL FROM pdpp.controller_active_runs ORDER BY run_id}),
		"run_flying|9|t|t\nrun_leased|4|t|t", 'with neither boot nor deadline');
	is($node->safe_psql($name, q{SELECT run_generation FROM pdpp.connections WHERE connector_instance_id = 'cin_f'}), 9, 'generations go on');
	is(status($name, 'run_receipt')->{status}, 'active', 'a receipt is a handle');
	$status = status($name, 'run_history');
	is_deeply([ @$status{qw(status terminal_reason completed_at known_gaps)} ], [ 'failed', 'connector_died', '2026-08-01T10:01:15.500Z', { a => 1 } ], 'the history of runs knows how one ended');
	is($status->{failure}{message}, 'It died.', 'and why');

	is(status($name, $_)->{status}, 'active', "$_ is left active") for qw(run_stranded run_hanging);
	is_deeply([ @{ status($name, 'run_by_data') }{qw(connector_id connector_instance_id)} ], [ 'drive', 'cin_d' ], 'a connection and a connector in the data');
	is(status($name, 'run_by_id')->{connector_instance_id}, 'cin_e', 'another word for it');
	is(status($name, 'run_by_connector')->{connector_instance_id}, 'gmail', 'none: the connector');
	is(status($name, "run \n'\\ % \xc3\xa4")->{status}, 'completed', 'an id of any character');
	is(types($name, 'run_order'), 'run.admitted run.started run.completed', 'the order is that of the numbers');
	is(status($name, 'run_order')->{admitted_at}, '2026-08-01T10:00:09.500Z', 'admitted before its first event');
	is(types($name, 'run_bad_time'), 'run.admitted run.started run.completed', 'a row that could not be taken as it was is here');
	is(events($name, 'run_bad_time')->[1]{data}{imported_columns}{occurred_at}, 'yesterday', 'with what it said');
	is($node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'grant.issued' OR run_id = ''}), 0, 'what is of no run stays there');

	# once is enough
	my $all = all_of($name);
	my ($second, $again) = import_from($theirs, $name);
	is($again->{events_written}, 0, 'a second time writes nothing');
	is($again->{imported} + $again->{extended}, 0, 'of no run');
	is(all_of($name), $all, 'all is as it was');

	# cut-over
	my (undef, $judged) = import_from($theirs, $name, '--adjudicate');
	is($judged->{events_written}, 1, 'one run is of a boot that is over');
	is_deeply([ @{ status($name, 'run_stranded') }{qw(status terminal_reason)} ], [ 'abandoned', 'controller_terminated_before_run_finished' ], 'it is abandoned');
	is(events($name, 'run_stranded')->[2]{data}{imported}, JSON::PP::true, 'which is said to be imported');
	is(status($name, 'run_hanging')->{status}, 'active', 'the one of the boot that lives is not');
	import_from($theirs, $name, '--adjudicate', '--source-is-stopped');
	is(status($name, $_)->{status}, 'abandoned', "with the server gone for good $_ is") for qw(run_hanging run_receipt run_flying run_leased);
	is($node->safe_psql($name, 'SELECT count(*) FROM pdpp.controller_active_runs'), 0, 'nothing is in flight');
	$all = all_of($name);
	import_from($theirs, $name, '--adjudicate', '--source-is-stopped');
	is(all_of($name), $all, 'once');
	$theirs->event('run_hanging', 'run.completed', @cin);
	import_from($theirs, $name);
	is(status($name, 'run_hanging')->{status}, 'abandoned', 'what was answered stays answered');
	is(types($name, 'run_hanging'), 'run.admitted run.started run.abandoned run.late_outcome', 'what its server says later is evidence');
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	is($theirs->do('SELECT count(*) FROM spine_events'), $before + 1, 'nothing was ever written to the source');
	return;
}

subtest 'PostgreSQL' => sub { tries('from_postgres', TheirServer->in_postgres($node, 'theirs')) };
subtest 'SQLite' => sub { tries('from_sqlite', TheirServer->in_sqlite("$folder/theirs.db")) };

subtest 'what only SQLite can hold' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/odd.db");
	$theirs->event('run_nul', 'run.started', @cin);
	$theirs->event('run_nul', 'run.failed', @cin, data => '{"reason": "a\\u0000b", "big": 12345678901234567890.10, "half": "\\ud800"}');
	$theirs->event('run_nul', 'run.odd', @cin, data => '{"huge": 1e999999}');
	$theirs->event('run_nul', 'run.odd', @cin, data => 'no JSON');
	$theirs->do(q{INSERT INTO spine_events (event_id, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status, version, run_id, data_json)
		SELECT 'evt_x' || char(0), event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status, version, run_id, data_json
		FROM spine_events WHERE event_id = 'evt_1'});
	fresh('odd');
	my ($code, $report) = import_from($theirs, 'odd');
	is($code, 1, 'an id with a NUL');
	is((found($report, 'not_taken', 'run_nul'))[0]{reason}, 'NUL in a text', 'is said');
	is(types('odd', 'run_nul'), 'run.admitted run.started run.failed run.odd run.odd run.late_outcome', 'the rest is taken, and its event by another id');
	is((import_from($theirs, 'odd'))[1]{events_written}, 0, 'once');
	my $events = events('odd', 'run_nul');
	is($events->[2]{data}{reason}, "a\x{fffd}b", 'a NUL is replaced');
	like($events->[2]{data}{imported_data_json}, qr/a\\u0000b/, 'and what was there is kept');
	is($node->safe_psql('odd', q{SELECT data_json->>'big' FROM pdpp.spine_events WHERE event_type = 'run.failed'}), '12345678901234567890.10', 'numbers keep their digits');
	is($events->[3]{data}{imported_data_json}, '{"huge": 1e999999}', 'a number that is too large stays text');
	is($events->[4]{data}{imported_data_json}, 'no JSON', 'and so does what is no JSON');
	is(join(' ', glob "$folder/odd.db*"), "$folder/odd.db", 'nothing is made beside the file');
};

subtest 'an older installation' => sub {
	my $theirs = TheirServer->in_postgres($node, 'older', map { $_ => 1 } qw(connector_instance_id source_kind source_id manifest_generation run_history));
	$theirs->event('run_old', 'run.started', data => { connection_id => 'cin_o' });
	$theirs->insert('scheduler_run_history', run_id => 'run_older', connector_id => 'gmail', status => 'succeeded', started_at => TheirServer::at(1), completed_at => TheirServer::at(2));
	fresh('from_older');
	is((import_from($theirs, 'from_older'))[0], 0, 'is taken');
	is(status('from_older', 'run_old')->{connector_instance_id}, 'cin_o', 'without the columns that it lacks');
	is(status('from_older', 'run_older')->{status}, 'completed', 'its history has another name');
};

subtest 'refusals' => sub {
	my $theirs = TheirServer->in_postgres($node, 'strange');
	$theirs->do('ALTER TABLE spine_events RENAME trace_id TO traceparent');
	my ($code, $output, $error) = run_pdpp('--db', db('from_postgres'), 'import', '--from', $theirs->source);
	is($code, 5, 'an unknown shape');
	my $refusal = decode_json($error)->{error};
	is($refusal->{code}, 'unknown_shape', 'is typed');
	like($refusal->{message}, qr/expected spine_events\.trace_id as text, found no such column; the table has .*traceparent text/, 'and says what was expected and what was found');
	($code, undef, $error) = run_pdpp('import', '--from', 'postgres:' . $node->connstr('postgres'), '--dry-run');
	like($error, qr/expected a table spine_events, found no table/, 'no table');
	($code, undef, $error) = run_pdpp('import', '--from', 'mysql:x', '--dry-run');
	is($code, 2, 'no source');
	($code, undef, $error) = run_pdpp('import', '--from', "sqlite:$folder/none.db", '--dry-run');
	is($code, 5, 'no file');
	ok(!-e "$folder/none.db", 'and none is made');
	($code, undef, $error) = run_pdpp('import', '--from', 'postgres:host=127.0.0.1 port=1 password=geheim', '--dry-run');
	is($code, 4, 'nobody there');
	unlike($error, qr/geheim/, 'a password is not said');
	for my $conninfo ('port=1 password = geheim', q{port=1 password = 'geh eheim'}, q{port=1 password='a\\' geheim'}, 'postgres://u:geheim@127.0.0.1:1/d', 'postgres://u:%67eheim@127.0.0.1:1/d',
		'postgres://127.0.0.1:1/d?password=geheim', q{port=1 password='geheim}, 'postgres://u:geheim@127.0.0.1:x/d', 'prot=1 password=geheim')
	{
		(undef, $output, $error) = run_pdpp('import', '--from', $conninfo =~ m{^postgres://} ? $conninfo : "postgres:host=127.0.0.1 $conninfo", '--dry-run');
		unlike($output . $error, qr/eheim/, "nor where it is written so: $conninfo");
		like($error, qr{the source: |--from: the connection string is wrong: }, 'but what is wrong');
		(undef, $output, $error) = run_pdpp('import', $conninfo);
		unlike($output . $error, qr/eheim/, 'nor where an option was forgotten');
	}
	is((run_pdpp('import', '--from', 'sqlite:x', '--source-is-stopped'))[0], 2, '--source-is-stopped is for --adjudicate');
	is((run_pdpp('import', '--from', 'sqlite:x', '--dry-run', '--follow'))[0], 2, 'a doctor does not follow');

	$node->safe_psql('from_postgres', 'CREATE ROLE importer LOGIN; CREATE ROLE stranger LOGIN');
	my $as = sub { return (run_pdpp('--db', db('from_postgres') . " user=$_[0]", 'import', '--from', 'postgres:' . db('theirs'))) };
	($code, undef, $error) = $as->('stranger');
	is($code, 5, 'who may not');
	like($error, qr/pdpp_grant\('ROLE', 'importer'\)/, 'is told what to grant');
	$node->safe_psql('from_postgres', q{SELECT pdpp_grant('importer', 'importer')});
	is(($as->('importer'))[0], 1, 'an importer may');
};

subtest 'views' => sub {
	for my $table (qw(spine_events run_history))
	{
		my $theirs = TheirServer->in_postgres($node, "viewed_$table");
		$theirs->event('run_seen', 'run.completed', @cin);
		$theirs->do("ALTER TABLE $table RENAME TO all_of_it; CREATE VIEW $table AS SELECT * FROM all_of_it");
		fresh("from_viewed_$table");
		is((import_from($theirs, "from_viewed_$table"))[0], 0, "$table as a view is read");
		my ($code, undef, $error) = run_pdpp('--db', db("from_viewed_$table"), 'import', '--from', $theirs->source, '--follow');
		is($code, 5, 'and not followed');
		like(decode_json($error)->{error}{message}, qr/expected $table as a table, which can be followed, found a view/, 'which is said before anything is done');
	}
};

subtest 'an id whose first run is gone' => sub {
	my $theirs = TheirServer->in_postgres($node, 'half_gone');
	my @other = (connector_instance_id => 'cin_b', trace_id => 'trc_b');
	$theirs->event('run_both', 'run.started', @cin);
	$theirs->event('run_both', 'run.started', @other);
	$theirs->event('run_alone', 'run.started', @cin);
	$theirs->event('run_unnamed', 'run.started');
	fresh('from_half_gone');
	import_from($theirs, 'from_half_gone');
	my $of_first = types('from_half_gone', 'run_both');
	is(status('from_half_gone', 'run_both~cin_b')->{connector_instance_id}, 'cin_b', 'two runs');
	$theirs->do(q{DELETE FROM spine_events WHERE connector_instance_id = 'cin_a'});
	$theirs->event('run_both', 'run.completed', @other);
	$theirs->event('run_alone', 'run.failed', @other);
	$theirs->event('run_unnamed', 'run.completed', @other);
	my (undef, $report) = import_from($theirs, 'from_half_gone');
	is(types('from_half_gone', 'run_both'), $of_first, 'the first, which is there no more, stays as it was');
	is(types('from_half_gone', 'run_both~cin_b'), 'run.admitted run.started run.completed', 'the other goes on under its own id');
	is(types('from_half_gone', 'run_alone'), 'run.admitted run.started', 'so does one whose id nobody shared before');
	is_deeply([ @{ status('from_half_gone', 'run_alone~cin_b') }{qw(status connector_instance_id)} ], [ 'failed', 'cin_b' ], 'the other is another');
	is(join(' ', sort map { $_->{imported_as} } found($report, 'shared_id')), 'run_alone~cin_b run_both~cin_b', 'which is said');
	is(types('from_half_gone', 'run_unnamed'), 'run.admitted run.started run.completed', 'one whose connection is told later is the same');
	is($node->safe_psql('from_half_gone', 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
};

# While a file of SQLite is read, its server writes: what is imported is of one state.
subtest 'a writer meanwhile' => sub {
	my $import_meanwhile = sub {
		my ($theirs, $name, $write) = @_;
		my $holder = $node->background_psql($name);
		$holder->query_safe('BEGIN; LOCK TABLE pdpp.connections IN EXCLUSIVE MODE');
		my ($output, $error) = ('', '');
		my $import = IPC::Run::start([ $pdpp, '--db', db($name), 'import', '--from', $theirs->source, '--json' ], '<', \undef, '>', \$output, '2>', \$error);
		$node->poll_query_until($name, q{SELECT count(*) = 3 FROM pg_stat_activity WHERE application_name = 'pdpp import' AND wait_event_type = 'Lock'}) or die 'it does not wait';
		$write->();
		$holder->query_safe('COMMIT');
		$holder->quit;
		$import->finish;
		return (($import->full_results)[0] >> 8, $error);
	};
	my $later = q{UPDATE spine_events SET data_json = '{"later": 1}'; DELETE FROM spine_events WHERE run_id LIKE 'run_9%';};
	for my $is_open (0, 1)
	{
		my $theirs = TheirServer->in_sqlite("$folder/written_$is_open.db");
		$theirs->do(q{CREATE INDEX by_run ON spine_events (run_id);
			INSERT INTO spine_events (run_id, event_id, event_seq, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status,
				version, connector_instance_id, data_json)
			WITH RECURSIVE n(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM n WHERE n < 3999)
			SELECT 'run_' || n, 'e' || n, n, 'run.completed', '2026-08-01T00:00:00.000Z', '2026-08-01T00:00:00.000Z', 's', 't' || n, 'runtime', 'gmail', 'run', 'run', 's', '1', 'cin_a',
				'{"text": "' || hex(zeroblob(1500)) || '"}' FROM n});
		my $name = fresh("from_written_$is_open");
		my ($input, $told) = ("SELECT count(*) FROM spine_events;\n", '');
		my $server = $is_open ? IPC::Run::start([ 'sqlite3', "$folder/written_$is_open.db" ], '<', \$input, '>', \$told) : undef;
		if ($is_open) { $server->pump until $told =~ /3000/; }
		my ($code, $error) = $import_meanwhile->($theirs, $name, sub { $theirs->do("$later PRAGMA wal_checkpoint(PASSIVE)") });
		is($node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE data_json ? 'later'}), 0, 'nothing that was written later is here');
		if ($is_open)
		{
			is($code, 0, 'beside an open log the snapshot is read to its end') or diag $error;
			is($node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.completed'}), 3000, 'all of it');
			$input .= ".quit\n";
			$server->finish;
			next;
		}
		is($code, 4, 'a file that is written to after all is given up');
		like($error, qr/somebody wrote to it while it was read/, 'and why');
		my $here = $node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.completed'});
		cmp_ok($here, '<', 3000, 'what had been read before is here');
		is((import_from($theirs, $name))[0], 0, 'another time');
		cmp_ok($node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.completed' AND data_json ? 'later'}), '>=', 3000 - 100 - $here, 'the rest comes');
		is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	}
};

# Runs are sent beside one another. What one says of its connection holds for those after it, whoever is quicker.
subtest 'the order of generations' => sub {
	my $theirs = TheirServer->in_postgres($node, 'ordered');
	$theirs->do(q{INSERT INTO spine_events (run_id, event_id, event_seq, event_type, occurred_at, recorded_at, scenario_id, trace_id, actor_type, actor_id, object_type, object_id, status,
			version, connector_instance_id, data_json)
		SELECT 'run_' || n, 'e' || n, n, CASE n WHEN 1600 THEN 'run.started' ELSE 'run.completed' END, '2026-08-01T00:00:00.000Z', '2026-08-01T00:00:00.000Z', 's', 't' || n, 'runtime',
			'gmail', 'run', 'run', 's', '1', 'cin_a',
			CASE WHEN n BETWEEN 1400 AND 1799 THEN (SELECT jsonb_build_object('numbers', jsonb_agg(i)) FROM generate_series(1, 1000) AS i) ELSE '{}' END
		FROM generate_series(1000, 2999) AS n;
		INSERT INTO controller_active_runs (connector_instance_id, connector_id, run_id, trace_id, scenario_id, started_at, run_generation)
		VALUES ('cin_a', 'gmail', 'run_1600', 't1600', 's', '2026-08-01T00:00:00.000Z', 10000)});
	my $name = fresh('from_ordered');
	is((import_from($theirs, $name))[1]{runs}, 2000, 'all are imported');
	# four hundred at a time: the second of five says 10,000, and takes long to read
	is($node->safe_psql($name, 'SELECT run_generation FROM pdpp.connections'), 11200, 'what one run says holds for those behind it');
};

# One bad row: the run is here all the same, and all of it.
subtest 'rows that cannot be taken as they are' => sub {
	my $long = 'x' x 300;
	my %column = (actor => [ actor_id => $long ], connection => [ connector_instance_id => $long ], import => [ source_kind => 'import' ], retried => [ source_kind => 'retried_run' ],
		id => [ event_id => $long ], no_id => [ event_id => '' ], ours => [ event_id => 'evt_run_ours_2' ], no_type => [ event_type => '' ],
		time => [ recorded_at => 'soon' ], times => [ occurred_at => '', recorded_at => 'infinity' ]);
	for my $kind (qw(postgres sqlite))
	{
		my $theirs = $kind eq 'sqlite' ? TheirServer->in_sqlite("$folder/bad.db") : TheirServer->in_postgres($node, 'bad');
		for my $name (sort keys %column)
		{
			$theirs->event("run_$name", 'run.started', @cin);
			$theirs->event("run_$name", 'run.note', @cin, @{ $column{$name} });
			$theirs->event("run_$name", 'run.completed', @cin);
			$theirs->event("alone_$name", 'run.started', @cin, @{ $column{$name} }) unless $name =~ /id|ours/;
		}
		$theirs->insert('controller_active_runs', connector_instance_id => $long, connector_id => $long, run_id => 'run_flying', trace_id => 't', started_at => 'then');
		my $here = fresh("bad_$kind");
		my ($code, $report) = import_from($theirs, $here);
		is($code, 1, "$kind: it is said");
		for my $name (sort keys %column)
		{
			my ($finding) = found($report, 'not_taken', "run_$name");
			is($finding->{kept_as}, $name eq 'no_type' ? 'run.imported_event' : 'run.note', "$name: as what it is kept");
			is(status($here, "run_$name")->{status}, 'completed', 'the run is here');
			my ($event) = grep { $_->{data}{imported_columns} } @{ events($here, "run_$name") };
			my %was = @{ $column{$name} };
			is_deeply($event->{data}{imported_columns}, \%was, 'with what the row said') unless $name eq 'connection'; # it is another's
			isnt($node->safe_psql($here, "SELECT count(*) FROM pdpp.spine_events WHERE run_id = 'alone_$name'"), 0, 'as is one that has no other row') unless $name =~ /id|ours/;
		}
		is(status($here, 'run_flying')->{status}, 'active', 'and one in flight of a connection with a long name');
		my $all = all_of($here);
		is((import_from($theirs, $here))[1]{events_written}, 0, 'another time writes nothing');
		is(all_of($here), $all, 'at all');
		is($node->safe_psql($here, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	}
};

# PostgreSQL keeps texts of JSON too, which nobody has read yet.
subtest 'data that is no jsonb' => sub {
	for my $type (qw(json text))
	{
		my $theirs = TheirServer->in_postgres($node, "of_$type");
		$theirs->do("ALTER TABLE spine_events ALTER data_json TYPE $type USING data_json::$type");
		my @odd = ('{"a": "x\u0000y"}', '{"a": 1e999999}', '{"a": "\ud800"}', $type eq 'text' ? ('{"a": 1}, "event_type": "run.completed", "x": {}', '{', 'no JSON') : ());
		$theirs->event('run_odd', 'run.note', @cin, data => $_) for @odd;
		my $name = fresh("from_$type");
		is((import_from($theirs, $name))[0], 0, "$type is taken");
		is(types($name, 'run_odd'), join(' ', 'run.admitted', ('run.note') x @odd), 'each of it');
		is_deeply([ map { $_->{data}{imported_data_json} // () } @{ events($name, 'run_odd') } ], \@odd, 'with its own words');
		is(events($name, 'run_odd')->[1]{data}{a}, "x\x{fffd}y", 'and mended');
	}
};

# Two runs that share an id where nothing, or not all of them, names a connection.
subtest 'shared ids without connections' => sub {
	my @drive = (actor_id => 'drive', trace_id => 'trc_d');
	my @gmail = (actor_id => 'gmail', trace_id => 'trc_g');
	my $theirs = TheirServer->in_sqlite("$folder/unnamed.db", connector_instance_id => 1);
	$theirs->event('both', 'run.started', @gmail);
	$theirs->event('both', 'run.started', @drive);
	$theirs->event('both', 'run.failed', @drive);
	$theirs->event('both', 'run.completed', @gmail);
	$theirs->event('begun', 'run.started', @gmail);
	$theirs->event('flown', 'run.started', @gmail);
	for my $run_id (qw(begun flown))
	{
		$theirs->insert('controller_active_runs', connector_instance_id => "cin_$run_id", connector_id => $run_id eq 'flown' ? 'gmail' : 'drive', run_id => $run_id,
			trace_id => $run_id eq 'flown' ? 'trc_g' : 'trc_d', started_at => TheirServer::at(1));
	}
	my $name = fresh('unnamed');
	my (undef, $report) = import_from($theirs, $name);
	is(join(' ', map { "$_=" . status($name, $_)->{status} } 'both', 'both~drive'), 'both=completed both~drive=failed', 'each has its own ending');
	is(status($name, 'begun')->{connector_id}, 'drive', 'a run in flight is not that of another connector');
	is(types($name, 'begun~gmail'), 'run.admitted run.started', 'which is beside it');
	is(join(' ', sort map { $_->{imported_as} } found($report, 'shared_id')), 'begun begun~gmail both both~drive', 'which is said');
	is(status($name, 'flown')->{connector_instance_id}, 'cin_flown', 'one that is of it knows the connection');
	$theirs->do('DELETE FROM controller_active_runs');
	$theirs->event('flown', 'run.completed', @gmail);
	$theirs->event('begun', 'run.completed', @gmail);
	import_from($theirs, $name);
	is(types($name, 'flown'), 'run.admitted run.started run.completed', 'and stays the same when nothing names it any more');
	is(types($name, 'begun~gmail'), 'run.admitted run.started run.completed', 'as the other does');
	is($node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.admitted'}), 5, 'there is no more of them');
	my $all = all_of($name);
	is((import_from($theirs, $name))[1]{events_written}, 0, 'another time writes nothing');
	is(all_of($name), $all, 'at all');
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
};

# A server that died between its tables: rows in flight that it left, and endings without their time.
subtest 'what the history of runs knows' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/knows.db");
	my $row = sub {
		my ($table, $run_id, %column) = @_;
		return $theirs->insert($table, run_id => $run_id, connector_instance_id => "cin_$run_id", connector_id => 'gmail', trace_id => "trc_$run_id", started_at => TheirServer::at(1), %column);
	};
	for my $run_id (qw(left left_begun)) { $row->('controller_active_runs', $run_id); }
	$theirs->event('left_begun', 'run.started', connector_instance_id => 'cin_left_begun', at => 2);
	for my $run_id (qw(left left_begun)) { $row->('run_history', $run_id, status => 'completed', completed_at => TheirServer::at(5)); }
	$row->('run_history', 'timeless', status => 'failed', terminal_reason => 'token');
	my $name = fresh('knows');
	import_from($theirs, $name);
	is(join(' ', map { status($name, $_)->{status} } qw(left left_begun timeless)), 'completed completed failed', 'counts more than a row in flight, with and without its time');
	is(status($name, 'left')->{completed_at}, TheirServer::at(5), 'at its time');
	is_deeply([ @{ status($name, 'timeless') }{qw(terminal_reason completed_at)} ], [ 'token', TheirServer::at(1) ], 'or when the run was last heard of');
	is($node->safe_psql($name, 'SELECT count(*) FROM pdpp.controller_active_runs'), 0, 'nothing is in flight');
	my $all = all_of($name);
	is((import_from($theirs, $name, '--adjudicate', '--source-is-stopped'))[1]{events_written}, 0, 'nothing is left to be judged');
	is(all_of($name), $all, 'nor changed');
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
};

# The ids of those that share one are made here, and are nobody else's.
subtest 'ids beside a shared one' => sub {
	my @other = (connector_instance_id => 'cin_b', trace_id => 'trc_b');
	my @third = (connector_instance_id => 'cin_c', trace_id => 'trc_c');
	my $theirs = TheirServer->in_postgres($node, 'beside');
	for my $run_id (qw(run_s run_t))
	{
		$theirs->event($run_id, 'run.started', @cin);
		$theirs->event($run_id, 'run.started', @other);
		$theirs->event($run_id, 'run.failed', @other);
	}
	$theirs->event('run_s~cin_b', 'run.started', @third);
	$theirs->event('run_s~cin_b', 'run.completed', @third);
	$theirs->event('run_long' . 'g' x 248, 'run.started', @$_) for \@cin, \@other;
	my $name = fresh('from_beside');
	my ($code) = import_from($theirs, $name);
	is($code, 0, 'all can be taken');
	my $told = sub { return join ' ', map { my $run = status($name, $_); "$_=$run->{connector_instance_id}:$run->{status}" } @_ };
	is($told->('run_s', 'run_s~cin_b', 'run_s~cin_b~2'), 'run_s=cin_a:active run_s~cin_b=cin_c:completed run_s~cin_b~2=cin_b:failed', 'an id that was handed out is of whom it was given to');
	is($node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.admitted' AND run_id LIKE 'run_long%'}), 2, 'one that has no room for another name beside it');
	my $all = all_of($name);
	is((import_from($theirs, $name))[1]{events_written}, 0, 'another time writes nothing');
	is(all_of($name), $all, 'at all');
	is($told->('run_t~cin_b'), 'run_t~cin_b=cin_b:failed', 'one was made');
	$theirs->event('run_t~cin_b', 'run.completed', @third);
	$theirs->event('run_t', 'run.note', @other);
	import_from($theirs, $name);
	is($told->('run_t~cin_b', 'run_t~cin_b~cin_c'), 'run_t~cin_b=cin_b:failed run_t~cin_b~cin_c=cin_c:completed', 'and stays whose it is when theirs comes later');
	is(types($name, 'run_t~cin_b'), 'run.admitted run.started run.failed run.note', 'which goes on');
	is((import_from($theirs, $name))[1]{events_written}, 0, 'another time writes nothing');
	is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
};

# What tells two runs apart where no event names a connection: the traces in which they began.
subtest 'a run whose connection a row told' => sub {
	my @a = (trace_id => 'tA', actor_id => 'gmail');
	for my $connector (qw(gmail slack))
	{
		my @b = (trace_id => 'tB', actor_id => $connector);
		my $theirs = TheirServer->in_postgres($node, "rows_of_$connector", connector_instance_id => 1);
		for my $run_id (qw(run_flown run_told))
		{
			$theirs->event($run_id, 'run.started', @a);
			$theirs->event($run_id, 'run.completed', @a);
		}
		my @row = (connector_instance_id => 'cin_b', connector_id => $connector, trace_id => 'tB', started_at => TheirServer::at(60));
		$theirs->insert('controller_active_runs', run_id => 'run_flown', @row);
		$theirs->insert('run_history', run_id => 'run_told', status => 'failed', @row, completed_at => TheirServer::at(70));
		$theirs->event('run_flown', 'run.started', @b);
		my $name = fresh("from_rows_of_$connector");
		my (undef, $report) = import_from($theirs, $name);
		is(join(' ', map { status($name, $_)->{status} } qw(run_flown run_flown~cin_b run_told run_told~cin_b)), 'completed active completed failed', "$connector: each is a run of its own");
		is(join(' ', sort map { $_->{imported_as} } found($report, 'shared_id')), 'run_flown run_flown~cin_b run_told run_told~cin_b', 'which is said');
		# the row goes, and nothing names the connection any more
		$theirs->do('DELETE FROM controller_active_runs');
		$theirs->event('run_flown', 'run.failed', @b);
		(undef, $report) = import_from($theirs, $name);
		is($report->{events_written}, 1, 'its ending is the only thing that is new');
		is(types($name, 'run_flown~cin_b'), 'run.admitted run.started run.failed', 'and its own');
		is(status($name, 'run_flown~cin_b')->{connector_instance_id}, 'cin_b', 'of the connection that it has');
		is(types($name, 'run_flown'), 'run.admitted run.started run.completed', 'the other stays what it was');
		is(join(' ', sort map { $_->{imported_as} } found($report, 'shared_id', 'run_flown')), 'run_flown run_flown~cin_b', 'that is said too');
		is($node->safe_psql($name, q{SELECT count(*) FROM pdpp.spine_events WHERE event_type = 'run.admitted'}), 4, 'there are no more of them');
		is((import_from($theirs, $name))[1]{events_written}, 0, 'another time writes nothing');
		is($node->safe_psql($name, 'SELECT * FROM pdpp_check()'), '', 'the check finds nothing');
	}
};

# The repair of a boot writes in a trace of its own. Whose an id is does not hang on that.
subtest 'a shared id after a repair' => sub {
	my $theirs = TheirServer->in_sqlite("$folder/repaired.db", connector_instance_id => 1);
	for my $run_id (qw(run_a run_b))
	{
		my $start = $theirs->{count} + 1;
		$theirs->event($run_id, 'run.started', trace_id => 'tA');
		$theirs->event($run_id, 'run.started', trace_id => 'tB') if $run_id eq 'run_b';
		$theirs->event($run_id, 'run.abandoned', trace_id => 'tBoot', actor_type => 'system', actor_id => 'boot', data => { caused_by_event_id => "evt_$start" });
	}
	my $name = fresh('from_repaired');
	import_from($theirs, $name);
	is(status($name, $_)->{trace_id}, 'tA', "$_ has the trace in which it began") for qw(run_a run_b);
	$theirs->event('run_b', 'run.started', trace_id => 'tBoot');
	import_from($theirs, $name);
	my $all = all_of($name);
	is((import_from($theirs, $name))[1]{events_written}, 0, 'another time writes nothing');
	is(all_of($name), $all, 'at all');
	is(types($name, 'run_b'), 'run.admitted run.started run.abandoned', 'the one that ended is the one that began first');
};

subtest 'ours' => sub {
	my $theirs = TheirServer->in_postgres($node, 'like_ours');
	$theirs->event('run_ours', 'run.failed', @cin);
	$theirs->event('run_theirs', 'run.failed', @cin);
	fresh('ours');
	$node->safe_psql('ours', q{SELECT pdpp_run_now('mine', 'cin_mine', 'run_ours')});
	my ($code, $report) = import_from($theirs, 'ours');
	is($code, 0, 'a run that we admitted');
	is((found($report, 'run_of_ours'))[0]{run_id}, 'run_ours', 'is named');
	is(status('ours', 'run_ours')->{status}, 'active', 'and stays as it is');
	is(status('ours', 'run_theirs')->{status}, 'failed', 'the others come');
	is(status('ours', 'run_ours~cin_a')->{status}, 'failed', 'theirs of that id too, beside it');
	$theirs->event('run_ours', 'run.completed', connector_instance_id => 'cin_b');
	$theirs->event('run_same', 'run.failed', connector_instance_id => 'cin_same');
	$node->safe_psql('ours', q{SELECT pdpp_run_now('mine', 'cin_same', 'run_same')});
	import_from($theirs, 'ours');
	is(join(' ', map { status('ours', $_)->{status} } qw(run_ours run_ours~cin_a run_ours~cin_b)), 'active failed completed', 'however many');
	(undef, $report) = import_from($theirs, 'ours');
	is(status('ours', 'run_same')->{status}, 'active', 'one of the same connection is ours');
	is(join(' ', sort map { $_->{run_id} } found($report, 'run_of_ours')), 'run_ours run_same', 'and both are named');
	is($report->{events_written}, 0, 'another time writes nothing');
};

subtest 'what a doctor counts' => sub {
	my $theirs = TheirServer->in_postgres($node, 'counted');
	$theirs->event('run_counted', 'run.started', @cin);
	my (undef, $report) = import_from($theirs, 'nowhere', '--dry-run', '--adjudicate', '--source-is-stopped');
	is($report->{events}, 1, 'are the events that are there');
};

$node->stop;
done_testing();
