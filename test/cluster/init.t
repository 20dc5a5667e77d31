# From nothing to a handle that resolves over HTTP, by `pdpp init`, a restart, `pdpp serve` and `pdpp run`; and what becomes of
# `pdpp init` where it may not, need not, or cannot.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();
use JSON::PP ();
use PdppGateway;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $pdpp = PdppServer::program();
delete @ENV{qw(PGDATABASE PGUSER PGSERVICE PDPP_OWNER_PASSWORD PDPP_OWNER_PASSWORD_FILE SUDO_USER)};
# the files of a user who has none yet
$ENV{XDG_CONFIG_HOME} = "$folder/config";
my $password_file = "$folder/config/pdpp/owner-password";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'auto_explain'\nlog_statement = all\npdpp.reconcile_interval = 200ms");
$node->start;
my $me = getpwuid($>);

sub conninfo { my ($database, %more) = @_; return join ' ', "host=" . $node->host, 'port=' . $node->port, "dbname=$database", map { "$_=$more{$_}" } keys %more }

# `pdpp init` with a database and arguments: exit code, and what it says in JSON: the plan and the result, or the error. Whatever
# it does, the password that there is stands nowhere.
sub run_init
{
	my ($database, @arguments) = @_;
	my ($code, $out, $err) = finish(start('', $pdpp, 'init', '--db', $database =~ /=/ ? $database : conninfo($database), @arguments));
	my @said = map { JSON::PP::decode_json($_) } split /\n/, $out . $err;
	my $password = -e $password_file ? slurp_file($password_file) =~ s/\s//gr : '';
	ok($password eq '' || index($out . $err . slurp_file($node->logfile), $password) < 0, 'the password is not said');
	return ($code, @said);
}

sub steps { my ($plan) = @_; return [ map { $_->{what} } @{ $plan->{steps} } ] }

# Everything that init could change.
sub state_of
{
	my $auto = slurp_file($node->data_dir . '/postgresql.auto.conf');
	my $catalogue = $node->safe_psql('postgres', 'SELECT datname FROM pg_database ORDER BY 1; SELECT rolname, rolsuper, rolcanlogin FROM pg_roles ORDER BY 1');
	my $password = -e $password_file ? slurp_file($password_file) : 'none';
	return "$auto$catalogue$password";
}

subtest 'a database that is not there is made when that is wanted' => sub {
	my ($code, $error) = run_init('app');
	is($code, 4, 'not without --create-db');
	like($error->{error}{hint}, qr/--create-db/, 'which is named');
	my $before = state_of();
	($code, my @said) = run_init('app', '--create-db', '--role', 'gate', '--dry-run');
	is($code, 0, '--dry-run');
	is(scalar @said, 1, 'a plan, and no result');
	is(state_of(), $before, 'nothing is changed');
	($code, my ($plan, $result)) = run_init('app', '--create-db', '--role', 'gate');
	is($code, 0, 'done');
	is_deeply($plan, $said[0], 'what the dry run said');
	is_deeply(steps($plan), [ 'database app', 'extension pdpp 0.3.0', 'role gate', 'grant owner, for gate', 'grant controller, for gate',
			'setting shared_preload_libraries', 'setting pdpp.databases', q{the owner's password, a random one} ], 'its steps');
	is($result->{steps_done}, 8, 'all of them');
	ok($result->{restart_needed}, 'a restart is needed');
	like($result->{restart}, qr/^pg_ctl restart -D /, 'and named');
	is($result->{password_file}, $password_file, 'so is the file of the password');
	is_deeply($result->{next}, [ "pdpp serve --db '" . conninfo('app') . " user=gate'", "pdpp run --db '" . conninfo('app') . " user=gate' -- true", "pdpp doctor --db '" . conninfo('app') . "' --role gate" ],
		'and what comes next');
	like(slurp_file($password_file), qr/^[0-9a-f]{48}\n\z/, 'which holds a password');
	is((stat $password_file)[2] & oct 7777, oct 600, 'for its owner alone');
	is((stat "$folder/config/pdpp")[2] & oct 7777, oct 700, 'in a folder of theirs');
	is($node->safe_psql('app', q{SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolpassword IS NULL FROM pg_authid WHERE rolname = 'gate'}),
		'f|f|f|f|t', 'the role may nothing else, and has no password');
};

subtest 'again it does nothing, and says so' => sub {
	my $before = state_of();
	my ($code, $plan, $result) = run_init('app', '--create-db', '--role', 'gate');
	is($code, 0, 'exit code');
	is_deeply(steps($plan), [], 'no step');
	is($result->{steps_done}, 0, 'nothing done');
	ok($result->{restart_needed}, 'the restart is still needed');
	is(state_of(), $before, 'nothing is changed');
	$node->restart;
	($code, $plan, $result) = run_init('app', '--role', 'gate');
	is_deeply([ steps($plan), $result->{restart_needed} ? 1 : 0 ], [ [], 0 ], 'nor after it');
	is($node->safe_psql('app', 'SHOW shared_preload_libraries'), 'auto_explain, pdpp', 'what was preloaded still is');
};

subtest 'then a run resolves over HTTP' => sub {
	ok($node->poll_query_until('app', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pdpp worker for app')}), 'the worker serves');
	# as a role that may no more than was granted, with the password from where init put it
	my $as_gate = conninfo('app', user => 'gate');
	my $gateway = PdppGateway->start(conninfo => $as_gate, password => undef, admin => 1);
	my ($code, $out, $err) = finish(start('', $pdpp, 'run', '--db', $as_gate, '--', 'true'));
	is($code, 0, 'the run completes') or diag($err);
	my $next = (run_init('app', '--role', 'gate'))[2]{next};
	local $ENV{PATH} = dirname($pdpp) . ":$ENV{PATH}";
	is((finish(start('', 'sh', '-c', $next->[1])))[0], 0, "as it says: $next->[1]");
	like((finish(start('', 'sh', '-c', $next->[2])))[1], qr/"grants","level":"ok","message":"gate has/, "and $next->[2]");
	my ($run) = $err =~ /"run_id": "(run_\w+)"/;
	($code, my $token) = finish(start('', $pdpp, 'token'));
	chomp $token;
	my $answer = $gateway->get("/_ref/runs/$run", Authorization => "Bearer $token");
	is($answer->{status}, 200, 'its handle resolves');
	is($answer->{json}{status}, 'completed', 'to its ending');
	is($gateway->get("/_ref/runs/$run")->{status}, 401, 'to nobody without the session');
	ok(within(sub { $gateway->admin->get('/ready')->{status} == 200 }), 'the gateway is ready for all');
	like($gateway->log, qr/the owner's password is that of \Q$password_file\E/, 'the log names the file');
	is($gateway->stop, 0, 'stops');
};

# With a line that the server could not read at its next start, it is not known what its files say.
subtest 'where the configuration has errors, no setting is changed' => sub {
	$node->safe_psql('postgres', q{CREATE DATABASE second});
	my $main = $node->data_dir . '/postgresql.conf';
	my $access = $node->data_dir . '/pg_hba.conf';
	for my $case ([ $main, 'bad line here !!', qr/syntax error/ ], [ $main, 'no_such_setting = 1', qr/no_such_setting: unrecognized configuration parameter/ ],
		[ $main, q{work_mem = 'much'}, qr/work_mem: / ], [ $main, q{max_connections = 'many'}, qr/max_connections: / ], [ $main, q{include 'nowhere.conf'}, qr/nowhere\.conf/ ],
		[ $access, 'nonsense', qr/nonsense/ ])
	{
		my ($file, $line, $error) = @$case;
		my $kept = slurp_file($file);
		append_to_file($file, "$line\n");
		my $number = slurp_file($file) =~ tr/\n//;
		my $before = state_of();
		my ($code, $failure) = run_init('second', '--role', 'second');
		is_deeply([ $code, $failure->{error}{code} ], [ 5, 'configuration_wrong' ], $line) or diag(JSON::PP::encode_json($failure));
		like($failure->{error}{message}, qr/\Q$file, line $number: \E.*$error/, 'the file, the line and the error');
		is(state_of(), $before, 'nothing is changed');
		PostgreSQL::Test::Utils::append_to_file("$file.new", $kept);
		rename "$file.new", $file or die;
	}
	# what waits for its restart is no error, nor is what a start warns of (a standby starts with it below)
	$node->append_conf('postgresql.conf', "max_connections = 57\npdpp.no_such = 1\npdpp.run_timeout = 'much'");
	my ($code, $plan) = run_init('second', '--role', 'second');
	is($code, 0, 'done');
	is_deeply([ grep { /setting/ } @{ steps($plan) } ], ['setting pdpp.databases'], 'with its setting');
	is($node->safe_psql('postgres', 'SHOW pdpp.databases'), 'app, second', 'beside what was there');
	$node->safe_psql('postgres', q{DROP OWNED BY second});
	$node->safe_psql('second', q{DROP OWNED BY second});
	$node->safe_psql('postgres', q{DROP ROLE second; ALTER SYSTEM SET pdpp.databases = 'app'});
	$node->reload;
};

subtest 'names that need quoting' => sub {
	my ($database, $role) = (q{My "db", it's}, q{Gate "r" it's});
	my $quoted = q{'My "db", it\\'s'};
	my ($code, $plan, $result) = run_init(conninfo($quoted), '--create-db', '--role', $role);
	is($code, 0, 'done') or diag(JSON::PP::encode_json($plan));
	ok(!$result->{restart_needed}, 'where the library is preloaded, no restart is needed');
	is($node->safe_psql('postgres', q{SHOW pdpp.databases}), q{app, "My ""db"", it's"}, 'the databases that were served still are');
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'pdpp worker'}), 'and the new one is');
	($code, $plan) = run_init(conninfo($quoted), '--create-db', '--role', $role);
	is_deeply([ $code, steps($plan) ], [ 0, [] ], 'again: nothing');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname = 'Gate "r" it''s'}), 1, 'one role');
};

subtest 'who may not' => sub {
	$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN; CREATE DATABASE theirs OWNER nobody; CREATE DATABASE made');
	my $before = state_of();
	my ($code, $plan, $error) = run_init(conninfo('theirs', user => 'nobody'));
	is($code, 5, 'a role that is no superuser');
	is($error->{error}{code}, 'permission_denied', 'typed');
	like($error->{error}{hint}, qr/superuser .* create extension pdpp$/, 'what to ask whom');
	is(state_of(), $before, 'nothing is changed');
	is($node->safe_psql('theirs', q{SELECT count(*) FROM pg_extension WHERE extname = 'pdpp'}), 0, 'no extension');
	# one that may part of it leaves none of it
	$node->safe_psql('made', 'CREATE EXTENSION pdpp; CREATE ROLE maker LOGIN CREATEROLE');
	($code, $plan, $error) = run_init(conninfo('made', user => 'maker'), '--role', 'made_role');
	is($code, 5, 'one that may make roles, and grant nothing');
	is($node->safe_psql('made', q{SELECT count(*) FROM pg_roles WHERE rolname = 'made_role'}), 0, 'all or nothing');
};

subtest 'settings that may not be seen or set are lines for a file' => sub {
	# its own grants are there; the launcher runs, so the library is preloaded; but the database is not served
	$node->safe_psql('made', q{SELECT pdpp_grant('maker', 'owner'), pdpp_grant('maker', 'controller')});
	my ($code, $plan, $result) = run_init(conninfo('made', user => 'maker'));
	is($code, 0, 'what could be done was done');
	is_deeply($result->{by_hand}, [ q{pdpp.databases = 'app, "My ""db"", it''s", made'} ], 'the rest is said')
	  or diag(JSON::PP::encode_json($result));
	is($result->{steps_done}, 0, 'and not counted');
  SKIP:
	{
		skip 'allow_alter_system is from 17 on', 2 if $node->safe_psql('postgres', 'SHOW server_version_num') < 170000;
		$node->append_conf('postgresql.conf', 'allow_alter_system = off');
		$node->reload;
		($code, $plan, $result) = run_init('made');
		is_deeply([ $code, $result->{by_hand} ], [ 0, [ q{pdpp.databases = 'app, "My ""db"", it''s", made'} ] ], 'ALTER SYSTEM is not allowed');
		$node->append_conf('postgresql.conf', 'allow_alter_system = on');
		$node->reload;
	}
};

subtest 'what is there already is built upon' => sub {
	$node->safe_psql('postgres', q{CREATE ROLE partly LOGIN; CREATE ROLE folder_only; CREATE DATABASE elsewhere});
	$node->safe_psql('elsewhere', q{CREATE SCHEMA "Ex t"; CREATE EXTENSION pdpp SCHEMA "Ex t"; SELECT "Ex t".pdpp_grant('partly', 'owner')});
	my ($code, $plan) = run_init('elsewhere', '--role', 'partly');
	is_deeply(steps($plan), [ q{the extension's schema, for partly}, 'grant controller, for partly', 'setting pdpp.databases', 'the configuration, read again' ],
		'another schema, and a part of the grants');
	is($code, 0, 'done');
	is((finish(start('', $pdpp, 'run', '--db', conninfo('elsewhere', user => 'partly'), '--', 'true')))[0], 0, 'the role can launch');
	is_deeply(steps((run_init('elsewhere', '--role', 'partly'))[1]), [], 'again: nothing');
	($code, $plan) = run_init('elsewhere', '--role', 'folder_only');
	like($plan->{remarks}[0], qr/may not log in, which is left so: .* alter role "?folder_only"? login$/, 'a role that may not log in');
	is($node->safe_psql('postgres', q{SELECT rolcanlogin FROM pg_roles WHERE rolname = 'folder_only'}), 'f', 'is left so');
	($code, $plan) = run_init('elsewhere');
	like($plan->{remarks}[0], qr/$me is a superuser and needs no grants/, 'without --role it is whom the next commands log in as');

	$node->safe_psql('postgres', 'CREATE DATABASE older');
	$node->safe_psql('older', q{CREATE EXTENSION pdpp VERSION '0.2.0'; SELECT pdpp_run_now('c', run_id => 'kept')});
	($code, $plan) = run_init('older', '--role', 'gate');
	is($plan->{steps}[0]{sql}, 'alter extension pdpp update', 'an older version is brought up to date');
	is($node->safe_psql('older', q{SELECT extversion, pdpp_run_status('kept')->>'status' FROM pg_extension WHERE extname = 'pdpp'}), '0.3.0|active', 'with its runs');
};

subtest 'a server whose locale is of another encoding' => sub {
	my $locales = "$folder/locales";
	mkdir $locales;
	plan skip_all => 'no locale can be made here'
	  if !PostgreSQL::Test::Utils::run_log([ qw(localedef -i en_US -f ISO-8859-1), "$locales/en_US.ISO-8859-1" ]);
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	my $latin = PostgreSQL::Test::Cluster->new('latin');
	{
		local $ENV{LOCPATH} = $locales; # the server's alone: whoever sets a locale by it loses some bytes in glibc, and a sanitizer minds
		$latin->init(extra => [qw(--locale en_US.ISO-8859-1)]);
		$latin->start;
	}
	my $to = 'host=' . $latin->host . ' port=' . $latin->port;
	my ($code, $error) = run_init("$to dbname=postgres");
	is($error->{error}{code}, 'wrong_encoding', 'its own database will not do');
	like($error->{error}{hint}, qr/pdpp init --db NAME --create-db/, 'another one is to be made');
	($code, my $plan, my $result) = run_init("$to dbname=app", '--create-db');
	is($code, 0, 'which is') or diag(JSON::PP::encode_json($result));
	is($latin->safe_psql('app', q{SELECT pg_encoding_to_char(encoding), datctype FROM pg_database WHERE datname = 'app'}), 'UTF8|C', 'in UTF8');
	like($plan->{remarks}[0], qr/UTF8 does not go with .* en_US\.ISO-8859-1/, 'the locale is said');
	$latin->stop;
};

# Both begin where nothing is there; what the first has not committed yet, the second cannot see.
subtest 'two at once' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE being_renamed');
	for my $case ([ 'twice', q{ALTER DATABASE being_renamed RENAME TO twice}, 'postgres', 'database twice' ],
		[ 'app', 'CREATE ROLE at_once LOGIN', 'app', 'role at_once' ])
	{
		my ($in, $sql, $where, $what) = @$case;
		my $first = $node->background_psql($where);
		$first->query_safe("BEGIN; $sql");
		my $second = start('', $pdpp, 'init', '--db', conninfo($in), '--create-db', '--role', 'at_once');
		ok($node->poll_query_until('app', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pdpp init' AND wait_event_type = 'Lock')}), 'it waits');
		$first->query_safe('COMMIT');
		$first->quit;
		my ($code, $out, $err) = finish($second);
		my ($error) = map { $_->{error} // () } map { JSON::PP::decode_json($_) } split /\n/, $out . $err;
		is_deeply([ $code, $error->{code}, $error->{message} ], [ 5, 'made_meanwhile', "$what: somebody else did that at the same time" ], $what) or diag($err);
		($code) = run_init($in, '--role', $in eq 'app' ? 'at_once' : 'gate');
		is($code, 0, 'again it is done');
	}
};

subtest 'where it cannot be' => sub {
	$node->safe_psql('postgres', q{CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0; CREATE DATABASE still;
		ALTER DATABASE still SET default_transaction_read_only = on});
	my ($code, $error) = run_init('ascii');
	is_deeply([ $code, $error->{error}{code} ], [ 5, 'wrong_encoding' ], 'another encoding');
	($code, $error) = run_init('still');
	is_deeply([ $code, $error->{error}{code} ], [ 4, 'no_primary' ], 'read-only');
	($code, $error) = run_init("host=$folder port=1");
	is_deeply([ $code, $error->{error}{code} ], [ 4, 'cannot_connect' ], 'no server');

	# a server that has no files of the extension: the same programs, with a folder of extensions of its own
	my $bin = $node->config_data('--bindir');
	my $root = "$folder/bare";
	my ($lib, $share) = map { $node->config_data($_) } '--pkglibdir', '--sharedir';
	system_or_bail('mkdir', '-p', "$root$bin", "$root$share/extension");
	system_or_bail('sh', '-c', "cp $bin/* $root$bin/; for f in \$(ls $lib/..); do [ \$f = bin ] || ln -s $lib/../\$f $root$bin/../; done");
	system_or_bail('sh', '-c', "for f in \$(ls $share | grep -v ^extension); do ln -s $share/\$f $root$share/; done; "
		  . "for f in \$(ls $share/extension | grep -v ^pdpp); do ln -s $share/extension/\$f $root$share/extension/; done");
	my $bare = PostgreSQL::Test::Cluster->new('bare', install_path => "$root" . ($bin =~ s{/bin$}{}r));
	$bare->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
	$bare->start;
	($code, $error) = run_init('host=' . $bare->host . ' port=' . $bare->port . ' dbname=postgres');
	is_deeply([ $code, $error->{error}{code} ], [ 5, 'extension_missing' ], 'a server without its files') or diag(JSON::PP::encode_json($error));
	like($error->{error}{hint}, qr/postgresql-\d\d-pdpp/, 'which package');
	$bare->stop;
};

subtest 'a standby has its own settings, and all else from the primary' => sub {
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	# as it may be that was set up before the primary was
	unlink $standby->data_dir . '/postgresql.auto.conf';
	$standby->append_conf('postgresql.auto.conf', "primary_conninfo = 'host=" . $node->host . ' port=' . $node->port . "'");
	$standby->start;
	my $to_standby = 'host=' . $standby->host . ' port=' . $standby->port . ' dbname=app';
	my ($code, $plan, $result) = run_init($to_standby);
	is($code, 0, 'done');
	is_deeply(steps($plan), [ 'setting shared_preload_libraries', 'setting pdpp.databases' ], 'two settings');
	$standby->restart;
	is($standby->safe_psql('app', 'SHOW shared_preload_libraries'), 'auto_explain, pdpp', 'which it has');
	is_deeply(steps((run_init($to_standby))[1]), [], 'again: nothing');
	# of both, the primary is set up
	my $both = sprintf 'host=%s,%s port=%d,%d dbname=app', $standby->host, $node->host, $standby->port, $node->port;
	($code, $plan) = run_init($both, '--role', 'late');
	is_deeply([ $code, steps($plan)->[0] ], [ 0, 'role late' ], 'of several hosts it is the primary');
	$standby->stop;
};

subtest 'on a terminal it asks' => sub {
	my $on_terminal = sub {
		my ($answer, @more) = @_;
		my $out = '';
		my $handle = IPC::Run::start([ $pdpp, 'init', '--db', conninfo('app'), '--role', 'asked', @more ], '<pty<', \$answer, '>pty>', \$out,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		IPC::Run::finish($handle);
		return (($handle->full_results)[0] >> 8, $out =~ s/\r//gr);
	};
	my $exists = sub { return $node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname = 'asked'}) };
	my ($code, $out) = $on_terminal->("n\n");
	is($code, 1, 'no');
	like($out, qr/^  role asked +create role "asked" login\n.*^Do this\? \[y\/N\] nothing was done$/ms, 'what would be done is shown first');
	is($exists->(), 0, 'nothing is');
	($code, $out) = $on_terminal->('', '--dry-run');
	like($out, qr/^nothing was done: --dry-run$/m, '--dry-run does not ask');
	($code, $out) = $on_terminal->("y\n");
	is($code, 0, 'yes');
	like($out, qr/done: role asked\n.*^next.*pdpp serve.*pdpp run/ms, 'what was done, and what comes next');
	is($exists->(), 1, 'is done');

	# the settings are changed by somebody else before the answer
	$node->safe_psql('postgres', 'CREATE DATABASE third');
	my ($answer, $shown) = ('', '');
	my $asking = IPC::Run::start([ $pdpp, 'init', '--db', conninfo('third') ], '<pty<', \$answer, '>pty>', \$shown,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	IPC::Run::pump($asking) until $shown =~ /Do this/;
	my $others = $node->safe_psql('postgres', q{ALTER SYSTEM SET pdpp.databases = 'app, theirs'}) . slurp_file($node->data_dir . '/postgresql.auto.conf');
	$answer = "y\n";
	IPC::Run::finish($asking);
	is(($asking->full_results)[0] >> 8, 5, 'changed meanwhile');
	like($shown, qr/somebody else changed the settings meanwhile/, 'is said');
	is(slurp_file($node->data_dir . '/postgresql.auto.conf'), $others, 'and not lost');
	$node->safe_psql('postgres', q{DROP DATABASE third});

	($code, $out) = $on_terminal->('');
	like($out, qr/nothing to do: all of it is there/, 'again it does not ask');
};

$node->stop;
done_testing();
