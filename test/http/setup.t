# A gateway whose database is not set up for it: no such role or database, no password, no grant, no extension. It says what is wrong, in its
# log and to clients as far as that is their business, and serves as soon as it is mended.

use strict;
use warnings;

use JSON::PP ();
use PdppGateway;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

delete @ENV{qw(PGDATABASE PGUSER PGSERVICE PGPASSWORD)};
my $passfile = $ENV{PGPASSFILE} = PostgreSQL::Test::Utils::tempdir() . '/passfile';
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_connections = on\nlisten_addresses = '127.0.0.1'");
my $hba = $node->data_dir . '/pg_hba.conf';
my $entries = slurp_file($hba);
unlink $hba;
append_to_file($hba, "local all knocks scram-sha-256\nlocal all hasty scram-sha-256\n$entries");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION pdpp; SELECT pdpp_run_now('c', run_id => 'run_1');
	SET password_encryption = 'scram-sha-256';
	CREATE ROLE late SUPERUSER; CREATE ROLE knocks SUPERUSER LOGIN PASSWORD 'geheim'; CREATE ROLE hasty SUPERUSER LOGIN PASSWORD 'geheim'});

sub start_as { my ($rest, %more) = @_; return PdppGateway->start(conninfo => 'host=' . $node->host . ' port=' . $node->port . " $rest", %more) }

# Requests that are all in flight at once: none is to be told of connections that are in use.
sub together
{
	my ($gateway, $number) = @_;
	my @clients = map { $gateway->connect } 1 .. $number;
	$_->send_request('GET', '/_ref/runs/run_1', [ Authorization => 'Bearer ' . PdppGateway::token() ]) for @clients;
	return map { $_->receive } @clients;
}

for my $case (
	[ 'role', 'dbname=postgres user=nobody', qr/role \\"nobody\\" does not exist.*pdpp init --db postgres --role nobody/, 'CREATE ROLE nobody SUPERUSER LOGIN' ],
	[ 'login of the role', 'dbname=postgres user=late', qr/role \\"late\\" is not permitted to log in.*alter role late login/, 'ALTER ROLE late LOGIN' ],
	[ 'password', 'dbname=postgres user=knocks', qr/no password supplied.*Give the password of the role knocks/, sub { append_to_file($passfile, "*:*:*:knocks:geheim\n"); chmod 0600, $passfile } ],
	[ 'database', 'dbname=nowhere', qr/database \\"nowhere\\" does not exist.*pdpp init --db nowhere --create-db/, 'CREATE DATABASE nowhere TEMPLATE postgres' ])
{
	my ($what, $conninfo, $cause, $mended) = @$case;
	subtest "no such $what" => sub {
		my $gateway = start_as($conninfo, admin => 1);
		$gateway->await_log(qr/\[warning\] answering 503 until the database is there: ".*$cause/);
		for my $answer (together($gateway, 12))
		{
			is($answer->{status}, 503, '503');
			is($answer->{json}{error}{code}, 'database_unavailable', 'typed');
			is($answer->{json}{error}{message}, 'The database does not let this server in, whose log says why.', 'what is so');
		}
		is($gateway->get_as_owner('/rpc/pdpp_run_status?run_id=run_1')->{status}, 503, '/rpc too');
		unlike($gateway->log, qr/in use/, 'no connection is in use, and none is said to be');
		my $ready = $gateway->admin->get('/ready');
		is($ready->{json}{checks}{database}{message}, 'the database does not let the gateway in', '/ready says so');
		ref $mended ? $mended->() : $node->safe_psql('postgres', $mended);
		is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'once it is there, it is asked');
		$gateway->await_log(qr/the database is there, and grants what is needed/);
		is($gateway->stop, 0, 'stops');
	};
}

# What is counted is connections that the server was asked for, beside the gateway's own looks; a request that tried on for two seconds
# would make twenty of them.
for my $case ([ 'no such role', 'dbname=postgres user=never' ], [ 'no password', 'dbname=postgres user=hasty' ], [ 'a wrong password', 'dbname=postgres user=hasty password=x' ],
	[ 'TLS that is not spoken', 'dbname=postgres host=127.0.0.1 sslmode=require' ])
{
	my ($what, $conninfo) = @$case;
	subtest "one attempt for a request, where trying again does not help: $what" => sub {
		my $attempts = sub { return scalar(() = slurp_file($node->logfile) =~ /connection received/g) };
		my $gateway = start_as($conninfo);
		$gateway->await_log(qr/answering 503 until/);
		my $before = $attempts->();
		my $asked = 5;
		for (1 .. $asked)
		{
			my $answer = $gateway->get_as_owner('/_ref/runs/run_1');
			is($answer->{status}, 503, '503');
			is($answer->{json}{error}{message}, 'The database does not let this server in, whose log says why.', 'what is so');
		}
		cmp_ok($attempts->() - $before, '<', 10 * $asked, 'a request is one attempt');
		is($gateway->stop, 0, 'stops');
	};
}

subtest 'a server that is away is waited for' => sub {
	$node->stop;
	my $gateway = start_as('dbname=postgres');
	$gateway->await_log(qr/answering 503 until/);
	my $answer = $gateway->get_as_owner('/_ref/runs/run_1');
	is($answer->{status}, 503, '503');
	like($answer->{json}{error}{message}, qr/cannot be reached just now/, 'not one that does not let in');
	$node->start;
	is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'once it is there, it is asked');
	is($gateway->stop, 0, 'stops');
};

subtest 'no grant' => sub {
	$node->safe_psql('postgres', 'CREATE ROLE "Or d" LOGIN');
	my $gateway = start_as(q{dbname=postgres user='Or d'}, admin => 1);
	my $grant = qr/select pdpp_grant\('"Or d"', 'owner'\)/;
	$gateway->await_log(qr/\[warning\] the role "Or d" lacks what a gateway needs.*42501.*pdpp init --db postgres --role 'Or d', or: $grant/);
	my $answer = $gateway->get_as_owner('/_ref/runs/run_1', 'Request-Id' => 'no-grant');
	is($answer->{status}, 503, '503');
	is($answer->{json}{error}{code}, 'not_granted', 'typed');
	is($answer->{json}{error}{message}, 'The database does not allow this server to do this: it lacks a grant, which its log names.', 'what is so');
	like($gateway->log =~ s/\\"/"/gr, qr/request_id=no-grant function=pdpp_run_status sqlstate=42501 "permission denied .*$grant/, 'the log has the grant');
	is($gateway->get_as_owner('/rpc/pdpp_run_status?run_id=run_1', 'Request-Id' => 'no-grant-rpc')->{status}, 403, '/rpc: 403, as PostgREST does');
	like($gateway->log =~ s/\\"/"/gr, qr/request_id=no-grant-rpc .*sqlstate=42501 .*$grant/, 'and in the log');
	my $extension = $gateway->admin->get('/ready')->{json}{checks}{extension};
	ok(!$extension->{ok}, 'it is not ready');
	like($extension->{message}, qr/grant `owner`/, 'which says why');
	my ($made) = $gateway->log =~ s/\\"/"/gr =~ /($grant)/;
	$node->safe_psql('postgres', $made);
	is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'the grant that the log names helps, at once');
	ok($gateway->admin->get('/ready')->{json}{checks}{extension}{ok}, 'and it is ready');
	is($gateway->stop, 0, 'stops');
};

subtest 'no extension' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE bare');
	my $gateway = start_as('dbname=bare');
	$gateway->await_log(qr/answering 503 until the database is there: .*not installed in database/);
	my $answer = $gateway->get_as_owner('/_ref/runs/run_1');
	is($answer->{status}, 503, '503');
	like($answer->{json}{error}{message}, qr/no extension pdpp/, 'what is so');
	is($gateway->stop, 0, 'stops');
};

$node->stop;
done_testing();
