# `pdpp doctor`: each finding is provoked, and gone when it is mended.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use PdppGateway;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs qw(:DEFAULT preloaded);
use Test::More;
use Upstream;

my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $pdpp = PdppServer::program();
delete @ENV{qw(PGDATABASE PGUSER PGSERVICE PDPP_OWNER_PASSWORD PDPP_OWNER_PASSWORD_FILE SUDO_USER)};
$ENV{XDG_CONFIG_HOME} = "$folder/config";
my $password_file = "$folder/config/pdpp/owner-password";

# a clock that can be set
my ($set_clock, $clock) = ("$folder/set_clock.so", "$folder/clock");
system_or_bail('gcc', '-shared', '-fPIC', '-o', $set_clock, dirname(__FILE__) . '/../lib/set_clock.c');
append_to_file($clock, pack 'q', 0);
sub set_clock { my ($seconds) = @_; open my $file, '+<', $clock or die; syswrite $file, pack 'q', 1e6 * $seconds; return close $file }

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', "fsync = on\nlisten_addresses = '127.0.0.1'\nmax_prepared_transactions = 1\nautovacuum = off\nmax_wal_senders = 5");
sub start_node { local @ENV{qw(LD_PRELOAD CLOCK_AHEAD)} = ($set_clock, $clock); return $node->start }
start_node();
sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'app', $sql) }
sub set { my ($setting, $value) = @_; sql("ALTER SYSTEM SET $setting = $value"); $node->reload; return }

sub conninfo { my (%more) = (dbname => 'app', host => $node->host, @_); return join ' ', 'port=' . $node->port, map { "$_=$more{$_}" } sort keys %more }

# What it says: the exit code and, by check, level and message with the hint of each finding.
sub doctor
{
	my ($conninfo, @arguments) = @_;
	my ($code, $out, $err) = finish(start('', $pdpp, 'doctor', '--db', $conninfo, @arguments));
	is($err, '', 'it says everything in findings');
	my %found;
	for my $finding (map { JSON::PP::decode_json($_) } split /\n/, $out)
	{
		push @{ $found{ $finding->{check} } }, "$finding->{level}: $finding->{message}" . (defined $finding->{hint} ? " -- $finding->{hint}" : '');
	}
	return ($code, \%found);
}

# One of the findings of a check is like this, and so is the exit code: 1 where it is wrong.
sub finds
{
	my ($check, $pattern, $name, $conninfo, @arguments) = @_;
	my ($code, $found) = doctor($conninfo // conninfo(), @arguments);
	my @said = @{ $found->{$check} // [] };
	ok((grep { $_ =~ $pattern } @said), $name) or diag(explain($found));
	is($code, (grep { /^wrong/ } map { @$_ } values %$found) ? 1 : 0, "$name: exit code");
	return;
}

subtest 'a server that is not to be reached' => sub {
	finds('server', qr/^wrong: .*No such file/, 'no server', conninfo(host => $folder));
	finds('server', qr/^wrong: .*database "app" does not exist -- .*--create-db/, 'no database');
	finds('server', qr/^wrong: .*role "nobody" does not exist -- .*PGUSER.*pdpp init --db postgres --role nobody/, 'no role', conninfo(dbname => 'postgres', user => 'nobody'));
};

subtest 'from nothing to an installation' => sub {
	$node->safe_psql('postgres', q{CREATE DATABASE app; CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0; CREATE ROLE stranger LOGIN});
	finds('extension', qr/^wrong: .*not installed.* -- pdpp init --db app/, 'no extension');
	finds('encoding', qr/^wrong: .*SQL_ASCII/, 'another encoding', conninfo(dbname => 'ascii'));
	finds('password', qr/^warning: .*no file .*owner-password.* -- pdpp init/, 'no password');

	sql(q{CREATE EXTENSION pdpp VERSION '0.2.0'});
	finds('extension', qr/^wrong: the extension is of version 0\.2\.0.* -- .*pdpp init/, 'an older extension');
	finds('library', qr/^warning: .*0\.2\.0.* -- alter extension pdpp update/, 'which is to be updated');
	finds('worker', qr/^wrong: nobody calls the launch guard: pdpp is not in shared_preload_libraries -- pdpp init .*restart; or .*shared_preload_libraries = 'pdpp'; pdpp\.databases = 'app'/, 'no worker');
	command_ok([ $pdpp, 'init', '--db', conninfo() ], 'pdpp init');
	finds('extension', qr/^ok: version 0\.3\.0/, 'it is up to date');
	finds('worker', qr/^wrong: .*from the next restart on -- Restart the server: pg_ctl restart/, 'the restart');
	finds('password', qr/^ok: .*\Q$password_file\E/, 'the password');
	$node->stop;
	start_node();
	ok($node->poll_query_until('app', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pdpp worker for app')}), 'the worker is there');
	sql('REVOKE CREATE ON SCHEMA public FROM PUBLIC'); # as it is from 15 on
	my ($code, $found) = doctor(conninfo());
	# but for the machine's disk, of which it says what there is
	my ($all, $free) = (split ' ', (split /\n/, `df -Pk @{[ $node->data_dir ]}`)[1])[1, 3];
	my $room = $free < 256 * 1024 ? 'wrong' : $free < 1024 * 1024 || $free < $all / 20 ? 'warning' : 'ok';
	is($found->{disk}[0] =~ /^(\w+)/ && $1, $room, 'disk');
	is($code, $room eq 'wrong' ? 1 : 0, 'all is well');
	delete $found->{disk};
	is_deeply([ grep { !/^ok/ } map { @$_ } values %$found ], [], 'no finding but ok') or diag(explain($found));
	is($found->{$_}[0] =~ /^(\w+)/ && $1, 'ok', $_) for qw(program server configuration writes extension schema library worker grants pooler keepalives clock durability notifications transactions password);
};

subtest 'a schema that everybody may create in' => sub {
	sql('GRANT CREATE ON SCHEMA public TO PUBLIC; CREATE ROLE mallory LOGIN');
	finds('schema', qr/^warning: everybody may create functions in the schema public, .* -- As a superuser: revoke create on schema public from public$/, 'is named');
	my $status = sub { return finish(start('', $pdpp, 'status', '--db', conninfo(), 'nobody')) };
	like(($status->())[2], qr/not_found/, 'a call');
	$node->safe_psql('app', q{CREATE FUNCTION public.pdpp_run_status(run_id text, more int DEFAULT 0) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{}'::jsonb $$}, extra_params => [ '-U', 'mallory' ]);
	like(($status->())[2], qr/not unique/, "mallory's function beside it: no call");
	$node->safe_psql('app', q{CREATE FUNCTION public.pdpp_run_settle(text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'mallory' $$}, extra_params => [ '-U', 'mallory' ]);
	is(sql(q{SELECT pdpp_run_settle('nobody', 'failed', '{}')}), 'mallory', 'another is taken for ours');
	sql('DROP FUNCTION public.pdpp_run_status(text, int), public.pdpp_run_settle(text, text, text); DROP ROLE mallory; REVOKE CREATE ON SCHEMA public FROM PUBLIC');
	like(($status->())[2], qr/not_found/, 'without it');
	finds('schema', qr/^ok/, 'mended');
};

subtest 'the worker' => sub {
	set('pdpp.databases', "'other'");
	ok($node->poll_query_until('app', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pdpp worker for app')}), 'no worker');
	finds('worker', qr/^wrong: nobody .* does not name the database app -- pdpp init .*pdpp\.databases = 'other, app'/, 'the database is not named');
	my $guard = $node->background_psql('app');
	$guard->query_safe(q{SET application_name = 'pdpp guard'});
	finds('worker', qr/^warning: only other programs call the launch guard/, 'others call the guard');
	$guard->quit;
	command_ok([ $pdpp, 'init', '--db', conninfo() ], 'pdpp init');
	ok($node->poll_query_until('app', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pdpp worker for app')}), 'a worker');
	finds('worker', qr/^ok/, 'mended');
};

subtest "the server's files" => sub {
	my $place = $node->data_dir;
	for my $case ([ 'postgresql.conf', 'bad line here !!', qr/syntax error/ ], [ 'postgresql.conf', q{work_mem = 'much'}, qr/work_mem: / ], [ 'pg_hba.conf', 'nonsense', qr/nonsense/ ])
	{
		my ($file, $line, $error) = @$case;
		my $kept = slurp_file("$place/$file");
		append_to_file("$place/$file", "$line\n");
		my $number = slurp_file("$place/$file") =~ tr/\n//;
		finds('configuration', qr/^wrong: the server would not start again: \S*\Q$place\/$file, line $number: \E.*$error.* -- Correct that line/, $line);
		append_to_file("$place/$file.new", $kept);
		rename "$place/$file.new", "$place/$file" or die;
		finds('configuration', qr/^ok/, 'mended');
	}
	# one that waits for its restart is none
	sql('ALTER SYSTEM SET max_connections = 57');
	finds('configuration', qr/^ok/, 'a restart that is due');
	sql('ALTER SYSTEM RESET max_connections');
};

subtest 'grants' => sub {
	finds('grants', qr/^wrong: there is no role nowhere -- .*pdpp init --db app --role nowhere/, 'no role', conninfo(), '--role', 'nowhere');
	finds('grants', qr/^wrong: stranger lacks what `owner` grants/, 'no grant', conninfo(), '--role', 'stranger');
	sql(q{CREATE ROLE "No Login"; SELECT pdpp_grant('"No Login"', 'owner'), pdpp_grant('"No Login"', 'controller')});
	finds('grants', qr/^wrong: No Login may not log in -- .*alter role "No Login" login\./, 'no login', conninfo(), '--role', 'No Login');
	sql(q{ALTER ROLE "No Login" LOGIN});
	finds('grants', qr/^ok: No Login has/, 'what it says mends it', conninfo(), '--role', 'No Login');
	finds('sight', qr/^warning: stranger may not see shared_preload_libraries/, 'what a role may not see', conninfo(user => 'stranger'));
	sql(q{SELECT pdpp_grant('stranger', 'owner')});
	finds('grants', qr/^warning: stranger lacks what `controller` grants/, 'a part', conninfo(), '--role', 'stranger');
	sql(q{SELECT pdpp_grant('stranger', 'controller'); REVOKE CONNECT ON DATABASE app FROM PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC});
	finds('grants', qr/^wrong: stranger may not connect/, 'no connection', conninfo(), '--role', 'stranger');
	finds('grants', qr/^wrong: stranger may not use the extension's schema public/, 'not the schema', conninfo(), '--role', 'stranger');
	finds('server', qr/^wrong: .*permission denied.* -- /, 'nor does it get in', conninfo(user => 'stranger'));
	command_ok([ $pdpp, 'init', '--db', conninfo(), '--role', 'stranger' ], 'pdpp init');
	finds('grants', qr/^ok: stranger has/, 'mended', conninfo(user => 'stranger'));
};

subtest 'what is promised of a commit' => sub {
	for my $setting ('fsync', 'full_page_writes')
	{
		set($setting, 'off');
		finds('durability', qr/^wrong: $setting is off/, "no $setting");
		set($setting, 'on');
	}
	finds('durability', qr/^ok/, 'mended');
	sql('ALTER DATABASE app SET default_transaction_read_only = on', 'postgres');
	finds('writes', qr/^wrong: .*default_transaction_read_only/, 'read-only');
	sql('ALTER DATABASE app RESET default_transaction_read_only', 'postgres');
	finds('writes', qr/^ok/, 'mended');
};

subtest 'replication' => sub {
	sql(q{SELECT pg_create_physical_replication_slot('gone', true)});
	finds('replication', qr/^warning: nobody uses the replication slot gone.* -- .*pg_drop_replication_slot\('gone'\)/, 'a slot');
	sql(q{SELECT pg_drop_replication_slot('gone')});
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', "listen_addresses = ''");
	$standby->start;
	ok($node->poll_query_until('app', 'SELECT count(*) = 1 FROM pg_stat_replication'), 'a standby');
	finds('replication', qr/^warning: the standby connected are asynchronous/, 'an asynchronous one');
	my $both = sprintf 'host=%s,%s port=%d,%d dbname=app', $standby->host, $node->host, $standby->port, $node->port;
	finds('host', qr/^ok: .*a standby/, 'each host is looked at', $both);
	my ($file, $kept) = ($standby->data_dir . '/postgresql.conf', slurp_file($standby->data_dir . '/postgresql.conf'));
	append_to_file($file, 'bad line here !!');
	finds('host', qr/^warning: .*a standby, which would not start again: .*syntax error/, 'one that a restart would end', $both);
	append_to_file("$file.new", $kept);
	rename "$file.new", $file or die;
	finds('server', qr/^ok: .*a primary/, 'and the primary is found', $both);
	finds('writes', qr/^warning: this is a standby/, 'a standby alone', 'host=' . $standby->host . ' port=' . $standby->port . ' dbname=app');
	$standby->append_conf('postgresql.auto.conf', q{shared_preload_libraries = ''});
	$standby->restart;
	finds('host', qr/^warning: .*a standby, which does not preload pdpp.* -- shared_preload_libraries = 'pdpp'/, 'one that would have no worker', $both);
	set('synchronous_standby_names', "'standby'");
	ok($node->poll_query_until('app', q{SELECT sync_state = 'sync' FROM pg_stat_replication}), 'a synchronous one');
	finds('replication', qr/^ok: 1 connected/, 'a synchronous one');
	$standby->stop;
	finds('host', qr/^warning: .*No such file/, 'a host that is away', $both);
	ok($node->poll_query_until('app', 'SELECT count(*) = 0 FROM pg_stat_replication'), 'no standby');
	finds('replication', qr/^wrong: .*no such standby is connected: every commit waits/, 'which is missed');
	sql('SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names');
	$node->reload;
	finds('server', qr/^ok/, 'mended');
};

subtest 'poolers and keepalives' => sub {
	my $tcp = conninfo(host => '127.0.0.1');
	finds('keepalives', qr/^ok: .* 30 seconds/, "the program's own", $tcp);
	finds('keepalives', qr/^warning: keepalives=0/, 'none', "$tcp keepalives=0");
	finds('keepalives', qr/^warning: .* 7215 seconds/, 'long ones', "$tcp keepalives_idle=7200");
	my ($bouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
	note('pgbouncer is not installed') unless $bouncer;
	for my $case ($bouncer ? ([ 'transaction', qr/^wrong: .*to several clients in turn/ ], [ 'session', qr/^warning: .*in session mode/ ]) : ())
	{
		my ($mode, $pattern) = @$case;
		my $place = PostgreSQL::Test::Utils::tempdir_short();
		my $user = getpwuid($>);
		append_to_file("$place/ini", "[databases]\napp = host=" . $node->host . ' port=' . $node->port . " user=$user\n[pgbouncer]\nlisten_addr =\n"
			  . "listen_port = 6432\nunix_socket_dir = $place\nauth_type = any\npool_mode = $mode\nignore_startup_parameters = extra_float_digits\n");
		my $process = start('', $bouncer, '-q', "$place/ini");
		ok(within(sub { -S "$place/.s.PGSQL.6432" }), 'a pooler listens');
		finds('pooler', $pattern, "a pooler in $mode mode", "host=$place port=6432 dbname=app user=$user");
		kill 'TERM', pid_of($process);
		finish($process);
	}
};

subtest 'clocks, and transactions that stay open' => sub {
	my $idle = $node->background_psql('app');
	$idle->query_safe('BEGIN; SELECT 1');
	finds('transactions', qr/^ok/, 'one that has just begun');
	set_clock(120);
	finds('clock', qr/^warning: the server's is 1\d\d seconds ahead/, 'a clock ahead');
	finds('transactions', qr/^warning: 1 .*a minute/, 'one that idles for longer');
	$idle->quit;
	sql(q{BEGIN; SELECT 1; PREPARE TRANSACTION 'p'});
	set_clock(240);
	finds('transactions', qr/^warning: 1 /, 'one that is prepared');
	sql(q{ROLLBACK PREPARED 'p'});
	finds('transactions', qr/^ok/, 'mended');
	set_clock(-7200);
	finds('clock', qr/^wrong: the server's is 7\d\d\d seconds behind/, 'a clock far behind');
	set_clock(0);
	finds('clock', qr/^ok/, 'mended');
};

subtest 'room for WAL' => sub {
	local @ENV{qw(LD_PRELOAD LITTLE_ROOM)} = (preloaded('little_room', $folder), 100 << 20);
	finds('disk', qr/^wrong: 100 MiB/, 'no room');
	$ENV{LITTLE_ROOM} = 1000 << 20;
	finds('disk', qr/^warning: 1000 MiB/, 'little room');
	$ENV{LITTLE_ROOM} = 900 << 30;
	finds('disk', qr/^ok/, 'room');
	delete @ENV{qw(LD_PRELOAD LITTLE_ROOM)};
	# what is not looked at is said
	finds('sight', qr/^warning: the room for WAL was not looked at: the server is reached over the network/, 'a server that may be elsewhere', conninfo(host => '127.0.0.1'));
	my $above = dirname($node->data_dir);
	chmod 0, $above;
	my ($code, $found) = doctor(conninfo());
	chmod oct 700, $above;
	like($found->{sight}[0] // '', qr/^warning: the room for WAL was not looked at: this user cannot enter .*pg_wal -- Run this as root/, 'a folder that cannot be entered');
	is($found->{disk}, undef, 'is not judged');
};

subtest 'notifications' => sub {
	set('pdpp.notify', 'off');
	finds('notifications', qr/^warning: pdpp\.notify is off/, 'none');
	set('pdpp.notify', 'on');
	finds('notifications', qr/^ok/, 'mended');
};

subtest "the owner's password" => sub {
	chmod oct 644, $password_file;
	finds('password', qr/^wrong: .*can be read by others -- .*chmod 600/, 'for all to read');
	chmod oct 600, $password_file;
	finds('password', qr/^ok/, 'mended');
	chmod 0, $password_file;
	finds('password', qr/^wrong: the owner's is in \Q$password_file\E, which this user may not read: pdpp serve would not start/, 'for others alone');
	chmod oct 600, $password_file;
	local $ENV{PDPP_OWNER_PASSWORD_FILE} = "$folder/none";
	finds('password', qr/^wrong: there is no file/, 'a file that is not there');
};

subtest 'the gateway' => sub {
	my $config = "$folder/gateway.conf";
	my $write = sub { unlink $config; append_to_file($config, join '', map { "$_\n" } @_); return };
	$write->('lisden = "127.0.0.1:1"');
	finds('config', qr/^wrong: .*there is no option lisden/, 'a file that is wrong', conninfo(), '--config', $config);
	$write->(qq{listen = "unix:$folder/gateway.sock"});
	finds('gateway', qr/^wrong: nothing answers at unix:\S*: No such file or directory -- .*pdpp serve/, 'no gateway', conninfo(), '--config', $config);
	$write->('listen = "127.0.0.1:' . IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)->sockport . '"');
	finds('gateway', qr/^wrong: nothing answers at 127\.0\.0\.1:\d+: Connection refused -- /, 'nobody there', conninfo(), '--config', $config);
	my $gateway = PdppGateway->start(conninfo => conninfo(user => 'stranger'), password => undef, admin => 1);
	$write->(map { $_ } 'listen = "127.0.0.1:' . $gateway->port . '"', 'admin = "127.0.0.1:' . $gateway->admin->port . '"');
	finds('gateway', qr/^ok: answers/, 'a gateway', conninfo(), '--config', $config);
	finds('ready', qr/^ok/, 'that is ready', conninfo(), '--config', $config);
	sql('REVOKE EXECUTE ON FUNCTION pdpp_run_status(text) FROM stranger');
	finds('ready', qr/^wrong: .*extension: .*lacks the grant `owner`/, 'that is not', conninfo(), '--config', $config);
	is($gateway->stop, 0, 'stops');
};

subtest 'the server behind the gateway' => sub {
	my $upstream = Upstream->start;
	my $url = $upstream->url;
	finds('upstream', qr/^ok: \Q$url\E answers \(200\)$/, 'it answers', conninfo(), '--upstream', $url);
	is($upstream->account, "GET /\n", 'and was asked for nothing more');
	my $config = "$folder/upstream.conf";
	append_to_file($config, qq{listen = "unix:$folder/gateway.sock"\nupstream = "$url"\n});
	finds('upstream', qr/^ok: \Q$url\E/, 'that of the file', conninfo(), '--config', $config);
	$upstream->stop;
	finds('upstream', qr/^wrong: \Q$url\E cannot be reached: Connection refused -- Start that server/, 'nobody is there', conninfo(), '--config', $config);
	finds('upstream', qr/^wrong: .*begins neither with http/, 'what is no URL', conninfo(), '--upstream', 'ftp://a');
	for my $case ([ "220 mail ESMTP\r\n", qr/^wrong: what answers at .* speaks no HTTP/, 'another protocol' ], [ '', qr/^wrong: .* takes the connection, and says nothing/, 'one that is stuck' ])
	{
		my ($says, $pattern, $name) = @$case;
		my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die $@;
		my $pid = Programs::child(sub { while (my $client = $listener->accept) { syswrite $client, $says; sysread $client, my $all, 65536; sysread $client, $all, 1 } });
		finds('upstream', $pattern, $name, conninfo(), '--upstream', 'http://127.0.0.1:' . $listener->sockport);
		kill 'TERM', $pid;
		waitpid $pid, 0;
	}
	return unless grep { -x "$_/openssl" } split /:/, $ENV{PATH};
	my @certificate = map { "$folder/$_" } qw(key.pem certificate.pem);
	PostgreSQL::Test::Utils::run_log([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost),
		'-keyout', $certificate[0], '-out', $certificate[1] ]) or die 'no certificate';
	my $free = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)->sockport; # closed again
	my $secure = IPC::Run::start([ qw(openssl s_server -quiet -www -4 -accept), "127.0.0.1:$free", '-key', $certificate[0], '-cert', $certificate[1] ],
		'<', \'', '>', '/dev/null', '2>', '/dev/null');
	Programs::within(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $free) }) or die 'it does not listen';
	finds('upstream', qr/^wrong: what answers at .* is not proved to be that server: certificate verify failed.* -- It needs a certificate/, 'a certificate that nobody knows', conninfo(),
		'--upstream', "https://localhost:$free");
	local $ENV{SSL_CERT_FILE} = $certificate[1];
	finds('upstream', qr/^ok: .* answers \(\d+\), with a good certificate$/, 'one that is known', conninfo(), '--upstream', "https://localhost:$free");
	finds('upstream', qr/^wrong: .* is not proved/, 'of another name', conninfo(), '--upstream', "https://127.0.0.1:$free");
	$secure->kill_kill;
};

subtest 'for people' => sub {
	my $out = '';
	my $handle = IPC::Run::start([ $pdpp, 'doctor', '--db', conninfo(), '--role', 'nowhere' ], '<pty<', \undef, '>pty>', \$out,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	IPC::Run::finish($handle);
	$out =~ s/\r//g;
	like($out, qr/^ok +program +pdpp 0\.3\.0, libpq \d+\.\d+$/m, 'a line for each finding');
	like($out, qr/^wrong +grants +there is no role nowhere\n {24}As a superuser: pdpp init --db app --role nowhere$/m, 'and what to do below it');
};

$node->stop;
done_testing();
