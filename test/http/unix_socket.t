# The gateway on a unix socket: who may connect, what becomes of the socket, and what is in its way.

use strict;
use warnings;

use IO::Socket::UNIX;
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->bare('unix_socket');
$node->safe_psql('postgres', q{CREATE EXTENSION pdpp; SELECT pdpp_run_now('c', run_id => 'run_1')});
my @database = (conninfo => $node->connstr('postgres'));
my $folder = PostgreSQL::Test::Utils::tempdir_short();
my $path = "$folder/gateway.sock";

sub refuses
{
	my ($listen, $message, $name, $code) = @_;
	local $ENV{PDPP_OWNER_PASSWORD} = 'x';
	IPC::Run::run([ 'pdpp', 'serve', '--listen', $listen ], '>', \my $out, '2>', \my $err);
	is($? >> 8, $code // 1, "$name: refused");
	like($err, $message, "$name: says why");
	return;
}

sub mode_of { return sprintf '%04o', (stat $_[0])[2] & 07777 }

my $gateway = PdppGateway->start(@database, path => $path);
ok(-S $path, 'the socket is there');
is(mode_of($path), '0660', 'for its owner and group');
is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'a status over it');
$gateway->get_as_owner('/_ref/runs/run_1', 'Request-Id' => 'seen');
$gateway->await_log(qr/request_id=seen .*peer=unix answered/);
my $login = sub {
	$gateway->request('POST', '/owner/login', [ 'Content-Type' => 'application/json' ], '{"password": "wrong"}')->{status};
};
is($login->(), 401, 'wrong passwords count') for 1 .. 5;
is($login->(), 429, 'for all who come that way together');
refuses("unix:$path", qr/Address already in use/, 'a second gateway');
is($gateway->get_as_owner('/_ref/runs/run_1')->{status}, 200, 'the first serves on');
is($gateway->stop, 0, 'stops');
ok(!-e $path, 'and takes the socket away');

$gateway = PdppGateway->start(@database, path => $path, args => [ '--socket-mode', '0600' ]);
is(mode_of($path), '0600', 'the mode is configurable');
is($gateway->stop('KILL'), 'signal 9', 'a gateway is killed');
ok(-S $path, 'its socket is left');
$gateway = PdppGateway->start(@database, path => $path, args => ['--insecure-no-owner'], password => undef);
is($gateway->get('/_ref/runs/run_1')->{status}, 200, 'the next one takes its place; without a password, since it is local');
my $stranger = PdppGateway::Client->of(IO::Socket::UNIX->new(Peer => $path), 'evil.example');
is($stranger->request('GET', '/_ref/runs/run_1')->{status}, 421, 'as long as it is addressed as such: a proxy may be in front');

# somebody moved in while it was running
unlink $path;
my $other = IO::Socket::UNIX->new(Local => $path, Listen => 1) or die "socket: $!";
is($gateway->stop, 0, 'a gateway whose socket was replaced stops');
ok(-S $path, 'and leaves the other alone');
undef $other;
unlink $path;

open my $file, '>', $path or die "$path: $!";
close $file;
refuses("unix:$path", qr/Address already in use/, 'a file in the way');
ok(-f $path, 'which stays');
unlink $path;
refuses("unix:$folder/nowhere/gateway.sock", qr/No such file or directory/, 'a folder that is missing');
refuses('unix:gateway.sock', qr/begins with/, 'a relative path', 2);
refuses('unix:/' . 'x' x 108, qr/cannot be that long/, 'a path beyond all limits', 2);

my $admin = "$folder/admin.sock";
$gateway = PdppGateway->start(@database, args => [ '--admin', "unix:$admin" ]);
$gateway->await_log(qr{admin listening on unix:\Q$admin\E});
my $client = PdppGateway::Client->of(IO::Socket::UNIX->new(Peer => $admin), 'localhost');
is($client->request('GET', '/live')->{status}, 200, 'the admin listener can be one too');
is($gateway->stop, 0, 'stops');
ok(!-e $admin, 'and takes it away');

done_testing();
