# What every command says of a connection that is not to be had: a connection string that is wrong ends it at once, without a
# server and without telling the password; a server that does not let in is told as such, with advice that helps.

use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use PdppCluster;
use PdppController;
use Programs;

my $pdpp = $ENV{PDPP_PROGRAM} // 'pdpp';
my $folder = PostgreSQL::Test::Utils::tempdir();
delete @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PGSERVICE PGAPPNAME PGTARGETSESSIONATTRS PGPASSWORD)};
$ENV{PGPASSFILE} = "$folder/no-passfile";
$ENV{PDPP_OWNER_PASSWORD} = 'correct horse battery staple';

sub pdpp { return finish(start('', $pdpp, @_)) }

# The exit code of a command, and what it says is wrong; all of its words in `words`.
sub failure
{
	my ($code, $out, $err) = pdpp(@_);
	my $error = eval { decode_json((split /\n/, $err)[-1] // '')->{error} } // {};
	return ($code, { %$error, words => "$out$err" });
}

my $connections = PdppController::connections_file("$folder/connections.json", mail => ['true']);
my %arguments = (
	cancel => ['x'], check => [], connections => [], controller => [ '--connections', $connections ], doctor => [],
	import => [ '--from', 'sqlite:/nowhere' ], init => ['--dry-run'], now => ['x'], prune => [ '--older-than', '1 day' ], retry => ['x'],
	run => [ '--', 'true' ], runs => [], serve => [ '--listen', '127.0.0.1:0' ], status => ['x'], timeline => ['x'], wait => ['x']);

subtest 'a connection string that is wrong ends every command at once' => sub {
	my @commands = map { $_->{name} } @{ decode_json((pdpp('--describe'))[1])->{commands} };
	is_deeply([ sort grep { $_ ne 'token' } @commands ], [ sort keys %arguments ], 'all commands but the one that asks no database');
	for my $command (sort keys %arguments)
	{
		my ($code, $error) = failure('--db', 'sslmode=bogus password=geheim', $command, @{ $arguments{$command} });
		is($code, 2, "$command: exit code");
		is($error->{code}, 'usage', "$command: code");
		like($error->{message}, qr/^the connection string is wrong: invalid sslmode value/, "$command: says what is wrong");
		like($error->{hint}, qr/^Check --db, or the environment: /, "$command: says where to look");
		unlike($error->{words}, qr/geheim/, "$command: tells no password");
	}
};

subtest 'whatever is wrong with it' => sub {
	my %wrong = (
		'foo=bar' => qr/"foo"/, 'port=abc' => qr/port is no number/, 'service=nosuch' => qr/nosuch/,
		'host=a,b,c port=1,2' => qr/2 port numbers to 3 hosts/, 'hostaddr=here' => qr/hostaddr/,
		'mysql://u:geheim@h/d' => qr/must be a list of/, 'postgresql://u:geheim@h/d?sslmode=bogus' => qr/invalid sslmode value/,
		'postgresql://u:ge/heim@h/d' => qr/an @ too many/, "password='geheim" => qr/must be a list of/);
	for my $conninfo (sort keys %wrong)
	{
		for my $command (qw(status serve controller))
		{
			my ($code, $error) = failure('--db', $conninfo, $command, @{ $arguments{$command} });
			is($code, 2, "$command, $conninfo: exit code");
			like($error->{message}, $wrong{$conninfo}, "$command, $conninfo: says what is wrong");
			unlike($error->{words}, qr/heim/, "$command, $conninfo: tells no password");
		}
	}
	for my $variable ([ PGSERVICE => 'nosuch' ], [ PGSSLMODE => 'bogus' ], [ PGPORT => 'abc' ])
	{
		my ($name, $value) = @$variable;
		local $ENV{$name} = $value;
		is((failure('serve', '--listen', '127.0.0.1:0'))[0], 2, "$name: serve");
		is((failure('status', 'x'))[0], 2, "$name: status");
		is((pdpp('token'))[0], 0, "$name: a token asks no database");
	}
	my ($code, $error) = failure('import', '--from', 'postgres:port=abc password=geheim', '--dry-run');
	is($code, 2, 'import: the source, too');
	like($error->{message}, qr/^--from: the connection string is wrong: port is no number/, 'and which it is');
	unlike($error->{words}, qr/geheim/, 'without its password');
};

subtest 'a server that is away is no mistake' => sub {
	for my $conninfo ('host=/nowhere', 'host=127.0.0.1 port=1', 'host=127.0.0.1,/nowhere port=1')
	{
		my ($code, $error) = failure('--db', $conninfo, 'status', 'x');
		is($code, 4, "$conninfo: exit code");
		is($error->{code}, 'cannot_connect', "$conninfo: code");
	}
};

my $node = PdppCluster->running('main', conf => "listen_addresses = '127.0.0.1'");
my $here = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
my $user = getpwuid($>);

# Has these entries of pg_hba.conf go before all others.
my $entries = slurp_file($node->data_dir . '/pg_hba.conf');
sub let_in
{
	my (@first) = @_;
	open my $file, '>', $node->data_dir . '/pg_hba.conf' or die $!;
	print {$file} map { "$_\n" } @first, $entries;
	close $file or die $!;
	my $loaded = $node->safe_psql('postgres', 'SELECT pg_conf_load_time()');
	$node->reload;
	$node->poll_query_until('postgres', "SELECT pg_conf_load_time() > '$loaded'") or die 'not reloaded';
	return;
}

$node->safe_psql('postgres', q{
	CREATE ROLE "No login" SUPERUSER NOLOGIN;
	CREATE ROLE barred SUPERUSER LOGIN;
	CREATE ROLE elsewhere SUPERUSER LOGIN;
	CREATE ROLE guest LOGIN;
	SET password_encryption = 'scram-sha-256';
	CREATE ROLE knocks SUPERUSER LOGIN PASSWORD 'geheim';
	SELECT pdpp_grant('guest', 'owner');
	SELECT pdpp_run_now('c', run_id => 'x')});
$node->safe_psql('postgres', 'CREATE DATABASE guarded TEMPLATE postgres');
$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE guarded FROM PUBLIC');
$node->safe_psql('postgres', 'CREATE DATABASE closed TEMPLATE postgres');
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS false');
my ($barred, $by_peer, $by_password) = ('local all barred reject', 'local all elsewhere peer', 'local all knocks scram-sha-256');
let_in($barred, $by_peer, $by_password);

# As the advice has it: what is run as a superuser, and what is done otherwise.
my $as_superuser = sub { my ($statement) = @_; return sub { $node->safe_psql('postgres', $statement) } };
my @cases = (
	[ 'a role that may not log in', "$here user='No login'", qr/(alter role "No login" login)$/ ],
	[ 'a database without CONNECT', "$here dbname=guarded user=guest", qr/(grant connect on database guarded to guest)$/ ],
	[ 'a database that is closed', "$here dbname=closed", qr/(alter database closed allow_connections true)$/ ],
	[ 'no entry in pg_hba.conf', "$here user=barred", qr/pg_hba\.conf .* have an entry of it let barred into postgres/, sub { let_in($by_peer, $by_password) } ],
	[ 'another unix user', "$here user=elsewhere", qr/run this as the unix user elsewhere \(runuser -u elsewhere -- /, sub { let_in($by_password) } ],
	[ 'no password', "$here user=knocks", qr/^Give the password of the role knocks: in a passfile/,
		sub { append_to_file($ENV{PGPASSFILE}, "*:*:*:knocks:geheim\n"); chmod 0600, $ENV{PGPASSFILE} } ],
	[ 'TLS that is not spoken', "$here host=127.0.0.1 sslmode=require user=$user", qr/^Have the server speak TLS \(ssl = on/ ],
	[ 'a certificate that is not there', "$here host=127.0.0.1 sslmode=verify-full sslrootcert=/nowhere user=$user", qr/^Have the server speak TLS/ ],
	[ 'more than a socket can do', "$here requirepeer=nobody", qr/requirepeer/ ]);

for my $case (@cases)
{
	my ($what, $conninfo, $advice, $mend) = @$case;
	subtest "not let in: $what" => sub {
		for my $command (qw(status run controller))
		{
			my ($code, $error) = failure('--db', $conninfo, $command, @{ $arguments{$command} });
			is($code, 4, "$command: exit code");
			is($error->{code}, 'cannot_connect', "$command: code");
			like($error->{hint}, $advice, "$command: what to do");
			unlike($error->{hint}, qr/pdpp init/, "$command: not what does not help");
			unlike($error->{words}, qr/geheim/, "$command: no password");
		}
		my $hint = (failure('--db', $conninfo, 'status', 'x'))[1]{hint} // '';
		if (!$mend && $hint =~ $advice && $hint =~ /\b((?:alter|grant) .*)$/)
		{
			$node->safe_psql('postgres', $1);
			$mend = sub { };
		}
		$mend->() if $mend;
		is((pdpp('--db', $conninfo, 'status', 'x'))[0], 0, 'which helps') if $mend;
	};
}

subtest 'a controller that is not let in any more says so, and goes on when it is again' => sub {
	my $controller = PdppController->start(conninfo => "$here user='No login'", connections => { mail => ['true'] });
	$node->safe_psql('postgres', 'ALTER ROLE "No login" NOLOGIN');
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'No login'});
	$controller->await_log(qr/no database.*not permitted to log in.*alter role \W+No login\W+ login/);
	$node->safe_psql('postgres', 'ALTER ROLE "No login" LOGIN');
	$controller->await_log(qr/rejoined/);
	is($controller->stop, 0, 'stops');
};

$node->stop;
done_testing();
