# Versions: a fresh database, one that was upgraded from 0.1.0 and one that was restored have the same objects and print the
# same; a library that is newer than the SQL works, one that is older is told from the start.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP;
use PostgreSQL::Test::Utils;
use PdppCluster;
use Programs;
use Test::More;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $scripts = abs_path(dirname(__FILE__) . '/../../sql');
my $current = '0.3.0';

my $node = PdppCluster->bare('upgrade', conf => "pdpp.liveness_grace = 0\nautovacuum_naptime = 1s");
my @connection = ('--host', $node->host, '--port', $node->port);

# Every object of the extension, its definition, its privileges and its comment.
sub objects
{
	my ($database) = @_;
	return $node->safe_psql($database, q{
		WITH members AS (
			SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
			WHERE d.deptype = 'e' AND e.extname = 'pdpp'
		), relations AS (
			SELECT c.* FROM pg_class AS c JOIN members AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
		), lines AS (
			SELECT 'object ' || i.type || ' ' || i.identity || ': ' || coalesce(obj_description(m.objid, m.classid::regclass::text::name), 'no comment') AS line
			FROM members AS m, pg_identify_object(m.classid, m.objid, 0) AS i
			UNION ALL
			SELECT 'relation ' || c.oid::regclass || ': ' || concat_ws(' ', c.relkind, c.relpersistence, c.reloptions::text, c.relacl::text) FROM relations AS c
			UNION ALL
			SELECT 'column ' || c.oid::regclass || ' ' || row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) || ' ' || a.attname || ': ' || concat_ws(' ', format_type(a.atttypid, a.atttypmod),
				a.attnotnull, a.attcollation::regcollation, a.attstorage, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum), a.attacl::text)
			FROM relations AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
			UNION ALL
			SELECT 'index ' || pg_get_indexdef(i.indexrelid) || ': ' || concat_ws(' ', i.indisvalid, i.indisunique, obj_description(i.indexrelid, 'pg_class'))
			FROM pg_index AS i JOIN relations AS c ON c.oid = i.indrelid
			UNION ALL
			SELECT 'constraint ' || c.oid::regclass || ' ' || n.conname || ': ' || pg_get_constraintdef(n.oid) FROM pg_constraint AS n JOIN relations AS c ON c.oid = n.conrelid
			UNION ALL
			SELECT 'trigger ' || pg_get_triggerdef(t.oid) || ': ' || t.tgenabled::text FROM pg_trigger AS t JOIN relations AS c ON c.oid = t.tgrelid
			UNION ALL
			SELECT 'view ' || c.oid::regclass || ': ' || pg_get_viewdef(c.oid) FROM relations AS c WHERE c.relkind = 'v'
			UNION ALL
			SELECT 'function ' || pg_get_functiondef(p.oid) || ': ' || p.proacl::text FROM pg_proc AS p JOIN members AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
			UNION ALL
			SELECT 'extension ' || concat_ws(' ', e.extversion, e.extnamespace::regnamespace, e.extrelocatable, array(SELECT c::regclass::text FROM unnest(e.extconfig) AS c ORDER BY 1), e.extcondition)
			FROM pg_extension AS e WHERE e.extname = 'pdpp'
		)
		SELECT line FROM lines ORDER BY line COLLATE "C"});
}

# What is on record, and what every handle says.
sub contents
{
	my ($database) = @_;
	return $node->safe_psql($database, q{
		SELECT 'event', to_jsonb(e) || jsonb_build_object('version', coalesce(e.version::text, '1')) FROM pdpp.spine_events AS e ORDER BY e.run_id, e.event_seq;
		SELECT 'flight', jsonb_strip_nulls(to_jsonb(f)) FROM pdpp.controller_active_runs AS f ORDER BY f.run_id;
		SELECT 'connection', jsonb_strip_nulls(to_jsonb(c)) FROM pdpp.connections AS c ORDER BY c.connector_instance_id;
		SELECT 'boot', to_jsonb(b) FROM pdpp.controller_boots AS b ORDER BY b.controller_id, b.seq;
		SELECT 'key', to_jsonb(k) FROM pdpp.idempotency_keys AS k ORDER BY k.key;
		SELECT 'status', pdpp_run_status(run_id), pdpp_run_timeline(run_id) FROM (SELECT DISTINCT run_id FROM pdpp.spine_events) AS r ORDER BY run_id;
	});
}

# What only this version says.
sub lists
{
	my ($database) = @_;
	return $node->safe_psql($database, q{SELECT pdpp_run_list(page_size => 500); SELECT to_jsonb(r) FROM pdpp_runs AS r ORDER BY run_id});
}

my $life = q{
	SELECT pdpp_run_now('gmail', 'c-' || word, 'ended ' || word, 'key-' || word, data => '{"n": 1.10}')
	FROM unnest(ARRAY['completed', 'failed', 'cancelled', 'abandoned']) AS word;
	SELECT pdpp_run_started('ended ' || word) FROM unnest(ARRAY['completed', 'failed', 'cancelled']) AS word;
	SELECT pdpp_run_event('ended completed', 'run.progress_reported', jsonb_build_object('count', i)) FROM generate_series(1, 20) AS i;
	SELECT pdpp_run_settle('ended ' || word, word, '{"reason": "because"}') FROM unnest(ARRAY['completed', 'failed', 'cancelled', 'abandoned']) AS word;
	SELECT pdpp_run_settle('ended failed', 'completed');
	SELECT pdpp_controller_boot('controller');
	SELECT pdpp_controller_offer('[{"connector_instance_id": "c-flying", "connector_id": "gmail"}]');
	SELECT pdpp_run_now('gmail', 'c-flying', 'flying');
	SELECT pdpp_run_claim();
	SELECT pdpp_run_started('flying');
	SELECT pdpp_run_cancel('flying', 'somebody');
	SELECT pdpp_run_launch_failed(pdpp_run_now('gmail', 'c-launch', 'launch')->>'run_id', 'no');
	SELECT pdpp_run_now('gmail', 'c-waiting', 'waiting');
};

$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(fresh old second restored restored_plain by_hand);
$node->safe_psql('fresh', 'CREATE EXTENSION pdpp');
my $wanted = objects('fresh');

subtest 'versions' => sub {
	is($node->safe_psql('fresh', q{SELECT extversion FROM pg_extension WHERE extname = 'pdpp'}), $current, 'what CREATE EXTENSION makes');
	is($node->safe_psql('fresh', 'SELECT pdpp.library_version()'), $current, 'the library');
	is((finish(start('', $pdpp, '--version')))[1], "pdpp $current\n", 'the program');
};

subtest 'the SQL of 0.1.0 with this library' => sub {
	$node->safe_psql('old', q{CREATE EXTENSION pdpp VERSION '0.1.0'});
	my ($code, $out, $err) = $node->psql('old', "\\set ON_ERROR_STOP 1\n$life");
	is($code, 0, 'runs live their lives') or diag $err;
	is($node->safe_psql('old', 'SELECT count(*) FROM pdpp_check()'), '0', 'all is well');
	is($node->safe_psql('old', q{CREATE ROLE somebody; SELECT pdpp_grant('somebody', 'owner'); SET ROLE somebody; SELECT pdpp_run_status('flying')->>'status';
		RESET ROLE; DROP OWNED BY somebody; DROP ROLE somebody}), "\nactive", 'grants');
	($code, $out, $err) = finish(start('', $pdpp, '--db', $node->connstr('old'), 'status', 'flying'));
	is($code, 0, 'the program reads statuses');
	($code, $out, $err) = finish(start('', $pdpp, '--db', $node->connstr('old'), 'runs'));
	is($code, 5, 'and is refused what the database does not have yet');
	is(decode_json($err)->{error}{code}, 'extension_outdated', 'which it says');
	like(decode_json($err)->{error}{hint}, qr/ALTER EXTENSION pdpp UPDATE/, 'and what to do');
};

subtest 'the upgrade' => sub {
	# ours write version 1; what somebody wrote by hand is kept
	$node->safe_psql('old', q{INSERT INTO pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, version) VALUES ('by hand', 1, 'h', 'note', now(), now(), 7)});
	my $before = contents('old');
	like($before, qr/late_outcome/, 'the database was used');
	# in a session that has used the old SQL: what it remembers must not confuse it
	my $session = $node->background_psql('old');
	is($session->query_safe(q{SELECT pdpp_run_timeline('ended completed')->>'event_count'}), 23, 'a session at work');
	# a writer that holds later tables and then wants an earlier one, as whoever settles and starts again does
	my $writer = $node->background_psql('old');
	$writer->query_safe(q{BEGIN; SELECT pdpp_run_now('gmail', 'c-writer', 'writer'); COMMIT; BEGIN; SELECT pdpp_run_settle('writer', 'completed')});
	my $reader = $node->background_psql('old');
	$reader->query_safe(q{BEGIN; SELECT pdpp_run_timeline('ended completed')}); # which keeps its lock
	my $upgrade = start('', 'psql', '--no-psqlrc', '--set', 'ON_ERROR_STOP=1', '--dbname', $node->connstr('old'), '--command', 'ALTER EXTENSION pdpp UPDATE');
	$node->poll_query_until('old', q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'pdpp.connections'::regclass AND mode = 'ShareRowExclusiveLock'})
		or die 'the upgrade has not begun';
	like($writer->query_safe(q{SELECT pdpp_run_now('gmail', 'c-writer', 'writes on')}), qr/run_ack/, 'a writer goes on in the other order');
	$writer->query_safe('ROLLBACK');
	is(($node->psql('old', "SET lock_timeout = '10s'; BEGIN; SELECT pdpp_run_now('gmail', 'c-beside'); ROLLBACK", on_error_stop => 1))[0], 0,
		'writers go on while the upgrade waits for a reader') for 1 .. 5;
	$reader->query_safe('COMMIT');
	$before = contents('old');
	my ($code, undef, $err) = finish($upgrade);
	is($code, 0, 'which it does before it keeps anybody waiting') or diag $err;
	$writer->quit;
	$reader->quit;
	is(objects('old'), $wanted, 'the same objects as a fresh one');
	is(contents('old'), $before, 'nothing lost, every handle says the same');
	is($session->query_safe(q{SELECT pdpp_run_timeline('ended completed')->>'event_count'}), 23, 'the session goes on');
	is($session->query_safe(q{SELECT jsonb_array_length(pdpp_run_list()->'data')}), 8, 'and can do what is new');
	$session->quit;
	is($node->safe_psql('old', q{SELECT string_agg(run_id || ' ' || status, ', ' ORDER BY run_id) FROM pdpp_runs}),
		'ended abandoned abandoned, ended cancelled cancelled, ended completed completed, ended failed failed, flying active, launch failed, waiting active, writer active', 'the view');
	is($node->safe_psql('old', q{SELECT pdpp_prune(clock_timestamp())->>'events'}), 20, 'retention');
	is($node->safe_psql('old', q{SELECT count(*) FROM pdpp_check()}), 0, 'all is well');
	my (undef, undef, $err) = $node->psql('old', q{DELETE FROM pdpp.spine_events WHERE event_type = 'run.late_outcome'});
	like($err, qr/"code": "append_only"/, 'the guard is the new one');
};

subtest 'from 0.2.0' => sub {
	$node->safe_psql('second', q{CREATE EXTENSION pdpp VERSION '0.2.0'});
	$node->safe_psql('second', $life);
	my $before = contents('second');
	# somebody who stays within a transaction keeps the upgrade waiting, and nobody else
	my $idle = $node->background_psql('second');
	$idle->query_safe(q{BEGIN; SELECT pdpp_run_now('gmail', 'c-idle', 'idle')});
	my $upgrade = start('', 'psql', '--no-psqlrc', '--dbname', $node->connstr('second'), '--command', q{SET lock_timeout = '1h'; ALTER EXTENSION pdpp UPDATE});
	$node->poll_query_until('second', q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'pdpp.connections'::regclass AND mode = 'ShareRowExclusiveLock' AND NOT granted})
		or die 'the upgrade does not wait';
	is($node->safe_psql('second', qq{SET lock_timeout = '10s'; BEGIN; SELECT pdpp_run_now('gmail', 'c-other-$_', 'other-$_') IS NOT NULL; ROLLBACK}), 't', 'writers go on while an upgrade waits for one that does not') for 1 .. 3;
	kill 'TERM', pid_of($upgrade);
	finish($upgrade);
	$node->safe_psql('second', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^SET lock_timeout = .1h'});
	my (undef, undef, $waited) = $node->psql('second', q{SET lock_timeout = '300ms'; ALTER EXTENSION pdpp UPDATE});
	like($waited, qr/lock timeout/, "nor longer than the caller's lock_timeout");
	$idle->query_safe('ROLLBACK');
	$idle->quit;
	my ($code, $out, $err) = $node->psql('second', q{SET lock_timeout = '50ms'; ALTER EXTENSION pdpp UPDATE; SHOW lock_timeout});
	is($out, '50ms', 'the upgrade leaves settings as they were') or diag $err;
	is(objects('second'), $wanted, 'the same objects as a fresh one');
	is(contents('second'), $before, 'nothing lost, every handle says the same');
};

# Who has read since the upgrade began to build, and then wants to write, waits for it, and it for him.
subtest 'a reader who wants to write' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE crossed');
	$node->safe_psql('crossed', qq{CREATE EXTENSION pdpp VERSION '0.2.0'; $life
		CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql AS \$\$BEGIN PERFORM pg_advisory_xact_lock_shared(1); END\$\$;
		CREATE EVENT TRIGGER hold ON ddl_command_start WHEN tag IN ('CREATE INDEX') EXECUTE FUNCTION hold()});
	my $before = contents('crossed');
	my $holder = $node->background_psql('crossed');
	$holder->query_safe('SELECT pg_advisory_lock(1)');
	my $upgrade = start('', 'psql', '--no-psqlrc', '--set', 'ON_ERROR_STOP=1', '--dbname', $node->connstr('crossed'), '--command', 'ALTER EXTENSION pdpp UPDATE');
	$node->poll_query_until('crossed', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'nothing is built';
	my $writer = $node->background_psql('crossed');
	$writer->query_safe(q{SET deadlock_timeout = '10min'; BEGIN; SELECT pdpp_run_timeline('ended completed')});
	$writer->query_until(qr/goes on/, "\\echo goes on\nSELECT pdpp_run_now('gmail', 'c-crossed', 'crossed');\n");
	$node->poll_query_until('crossed', q{SELECT count(*) > 0 FROM pg_locks WHERE mode = 'RowExclusiveLock' AND NOT granted}) or die 'the writer does not wait';
	$holder->quit;
	my ($code, undef, $err) = finish($upgrade);
	is($code, 1, 'the upgrade gives up');
	like($err, qr/deadlock detected/, 'and says why');
	$writer->query_safe('COMMIT');
	$writer->quit;
	is($node->safe_psql('crossed', q{SELECT extversion FROM pg_extension WHERE extname = 'pdpp'; SELECT pdpp_run_status('crossed')->>'status'}), "0.2.0\nactive", 'all is as it was, and the writer has written');
	$node->safe_psql('crossed', 'DROP EVENT TRIGGER hold; ALTER EXTENSION pdpp UPDATE');
	is(objects('crossed'), $wanted, 'once more, and it is done');
};

# Functions that got an argument are other functions to the server; whoever could call the old ones can call the new ones, for good.
subtest 'what was granted' => sub {
	my $may = q{SELECT string_agg(concat_ws(' ', r.rolname, p.proname, has_function_privilege(r.oid, p.oid, 'EXECUTE'), has_function_privilege(r.oid, p.oid, 'EXECUTE WITH GRANT OPTION')), E'\n'
		ORDER BY r.rolname, p.proname) FROM pg_roles AS r, pg_proc AS p WHERE r.rolname ~ '^gr_' AND p.proname ~ '^pdpp_(run_now|conn.*_run_now|run_started|run_extend)$'};
	$node->safe_psql('postgres', q{CREATE DATABASE granted; CREATE DATABASE granted_restored; CREATE ROLE gr_controller; CREATE ROLE "gr_odd ""; name"; CREATE ROLE gr_nobody});
	$node->safe_psql('granted', q{CREATE EXTENSION pdpp VERSION '0.2.0'; SELECT pdpp_grant('gr_controller', 'controller'), pdpp_grant('"gr_odd ""; name"', 'owner');
		GRANT EXECUTE ON FUNCTION pdpp_run_started TO gr_controller WITH GRANT OPTION; GRANT EXECUTE ON FUNCTION pdpp_connector_run_now TO PUBLIC});
	my $before = $node->safe_psql('granted', $may) =~ s/^.*pdpp_run_extend.*\n//mgr;
	like($before, qr/^gr_controller pdpp_run_started t t$/m, 'somebody may grant on');
	like($before, qr/^gr_nobody pdpp_connector_run_now t f$/m, 'everybody may call something');
	like($before, qr/^gr_nobody pdpp_run_now f f$/m, 'but not all');
	$node->safe_psql('granted', 'ALTER EXTENSION pdpp UPDATE');
	is($node->safe_psql('granted', $may) =~ s/^.*pdpp_run_extend.*\n//mgr, $before, 'stays so');
	my $dump = PostgreSQL::Test::Utils::tempdir . '/granted';
	$node->command_ok([ 'pg_dump', @connection, '--format=custom', '--file', $dump, 'granted' ], 'a dump of it');
	$node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--dbname', 'granted_restored', $dump ], 'restored');
	is($node->safe_psql('granted_restored', $may) =~ s/^.*pdpp_run_extend.*\n//mgr, $before, 'has it too');
	is($node->safe_psql('granted', 'SELECT jsonb_agg(to_jsonb(i) ORDER BY i.objoid::regprocedure::text) FROM pg_init_privs AS i JOIN pg_proc AS p ON p.oid = i.objoid') =~ s/"objoid": "\d+"//gr,
		$node->safe_psql('fresh', 'SELECT jsonb_agg(to_jsonb(i) ORDER BY i.objoid::regprocedure::text) FROM pg_init_privs AS i JOIN pg_proc AS p ON p.oid = i.objoid') =~ s/"objoid": "\d+"//gr,
		'what the extension itself brings along is what a fresh one does');
	for my $database (qw(granted granted_restored))
	{
		$node->safe_psql($database, qq{DROP OWNED BY "$_"}) for 'gr_controller', 'gr_odd ""; name', 'gr_nobody';
	}
	$node->safe_psql('postgres', qq{DROP ROLE "$_"}) for 'gr_controller', 'gr_odd ""; name', 'gr_nobody';
	pass('and the roles can be dropped');
};

# The functions of before have no deadline to give, and its rows none to judge.
subtest 'deadlines' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE timed');
	$node->append_conf('postgresql.conf', q{pdpp.run_timeout = '1h'});
	$node->reload;
	$node->poll_query_until('postgres', q{SELECT current_setting('pdpp.run_timeout', true) = '1h'}) or die;
	$node->safe_psql('timed', qq{CREATE EXTENSION pdpp VERSION '0.2.0'; $life});
	is($node->safe_psql('timed', q{SELECT pdpp_run_status('flying')->'deadline_at', pdpp_run_status('waiting')->'deadline_at'}), 'null|null', 'none in the old SQL, whatever the setting');
	is($node->safe_psql('timed', q{SELECT pdpp_controller_boot('timer') IS NOT NULL, pdpp_controller_offer('[{"connector_instance_id": "c-timed", "connector_id": "gmail", "timeout_seconds": 60}]')->'offered'}),
		't|1', 'a time that a controller offers is taken for what it is worth there');
	$node->safe_psql('timed', 'ALTER EXTENSION pdpp UPDATE');
	is($node->safe_psql('timed', q{SELECT pdpp_run_status('flying')->'deadline_at', pdpp_run_status('waiting')->'deadline_at'}), 'null|null', 'nor do old runs get one');
	is($node->safe_psql('timed', q{SELECT pdpp_run_extend('waiting', '1 minute')->'deadline_at', pdpp_reconcile()->'timed_out'}), 'null|0', 'they take as long as they take');
	is($node->safe_psql('timed', q{SELECT pdpp_run_now('gmail', 'c-new', 'new') IS NOT NULL; SELECT deadline_at - deadline_set_at FROM pdpp.controller_active_runs WHERE run_id = 'new'}), "t\n01:00:00", 'new ones have one');
	is($node->safe_psql('timed', q{SELECT pdpp_run_now('gmail', 'c-timed', 'timed') IS NOT NULL; SELECT deadline_at - deadline_set_at FROM pdpp.controller_active_runs WHERE run_id = 'timed'}), "t\n01:00:00", 'an old offer says nothing');
	$node->append_conf('postgresql.conf', 'pdpp.run_timeout = 0');
	$node->reload;
};

# a waiter tells it so once it looks for deadlocks, which is later than the upgrade waits by itself
subtest 'an autovacuum gives way to the upgrade' => sub {
	for my $from ('0.1.0', '0.2.0')
	{
		my $database = "vacuumed $from";
		$node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
		$node->safe_psql($database, qq{CREATE EXTENSION pdpp VERSION '$from';
			SELECT pdpp_run_now('gmail', run_id => 'long'); SELECT count(pdpp_run_event('long', 'note', jsonb_build_object('text', repeat('x', 500)))) FROM generate_series(1, 3000);
			ALTER TABLE pdpp.spine_events SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_insert_threshold = 0,
				autovacuum_vacuum_insert_scale_factor = 0)}, timeout => 60);
		$node->poll_query_until($database, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query ~ '^autovacuum: VACUUM.* pdpp.spine_events' AND datname = current_database()})
			or die 'nothing is vacuumed';
		my ($code, undef, $err) = $node->psql($database, q{SET lock_timeout = '10s'; ALTER EXTENSION pdpp UPDATE});
		is($code, 0, "from $from") or diag $err;
		is($node->safe_psql($database, q{SELECT extversion FROM pg_extension WHERE extname = 'pdpp'}), $current, 'to the present one');
	}
	like(slurp_file($node->logfile), qr/canceling autovacuum task/, 'which it was told to');
};

subtest 'dump and restore' => sub {
	my ($dir, $before, $lists) = (PostgreSQL::Test::Utils::tempdir, contents('old'), lists('old'));
	$node->command_ok([ 'pg_dump', @connection, '--format=custom', '--file', "$dir/custom", 'old' ], 'pg_dump, custom');
	$node->command_ok([ 'pg_restore', @connection, '--exit-on-error', '--dbname', 'restored', "$dir/custom" ], 'pg_restore');
	$node->command_ok([ 'pg_dump', @connection, '--file', "$dir/plain.sql", 'old' ], 'pg_dump, plain');
	$node->command_ok([ 'psql', @connection, '--no-psqlrc', '--set', 'ON_ERROR_STOP=1', '--quiet', '--file', "$dir/plain.sql", 'restored_plain' ], 'psql restores it');
	my $granted = objects('old');
	for my $database (qw(restored restored_plain))
	{
		is(objects($database), $granted, "$database: the same objects");
		is(contents($database), $before, "$database: every handle says the same");
		is(lists($database), $lists, "$database: so do lists and the view");
		is($node->safe_psql($database, q{SELECT pdpp_run_timeline('ended completed')->>'pruned'}), 'true', "$database: what was pruned is said to be");
	}
};

sub write_library
{
	my ($name, $bytes) = @_;
	my $path = abs_path(PostgreSQL::Test::Utils::tempdir) . "/$name";
	open my $file, '>:raw', $path or die "$path: $!";
	print {$file} $bytes;
	close $file;
	return $path;
}

subtest 'a library that is older than the SQL' => sub {
	my $library = slurp_file($node->config_data('--pkglibdir') . '/pdpp.so');
	# this library, less the one name that the scripts look for first: what 0.1.0 is to them; and as the version before says of itself
	my $nameless = write_library('nameless.so', $library =~ s/pdpp_library_version/pdpp_library_versioX/gr);
	my $earlier = write_library('earlier.so', $library =~ s/\Q$current\E/0.2.0/gr);
	my $function = q{CREATE FUNCTION pdpp.library_version() RETURNS text LANGUAGE c AS '%s', 'pdpp_library_version';};
	for my $case ([ "pdpp--$current.sql", $nameless ], [ "pdpp--$current.sql", $earlier ], [ 'pdpp--0.1.0--0.2.0.sql', $nameless, 'CREATE SCHEMA pdpp;' ],
		[ 'pdpp--0.2.0--0.3.0.sql', $earlier, 'CREATE SCHEMA pdpp; ' . sprintf $function, $earlier ])
	{
		my ($name, $older, $before) = (@$case, '');
		my ($version) = $name =~ /([\d.]+)\.sql$/;
		my $script = slurp_file("$scripts/$name") =~ s/\A\\echo.*\n//r =~ s/MODULE_PATHNAME/$older/gr;
		my ($code, $out, $err) = $node->psql('by_hand', "BEGIN;\n$before\n$script", on_error_stop => 1);
		like($err, qr/ERROR:  the installed library of pdpp is older than version \Q$version\E/, "$name: says so");
		like($err, qr/HINT:  Install the library of this version, and start a new session/, "$name: and what to do");
		unlike($err, qr/could not find function/, "$name: before anything else");
	}
};

$node->stop;
done_testing();
