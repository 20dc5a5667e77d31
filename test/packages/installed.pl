#!/usr/bin/env perl
# What becomes of an installation by packages, in a root tree that has nothing else (.ci/check-packages makes it): the version
# before is used, upgraded, removed, purged and installed again, and every handle resolves as it did. No network, no systemd;
# what maintainer scripts tell systemd is written down.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use HTTP::Tiny;
use JSON::PP;
use Steps;
use Test::More;

my ($server) = glob('/packages/postgresql-*-pdpp_*.deb') =~ /postgresql-(\d+)-pdpp/;
my ($version, $before) = map { my ($deb) = glob "$_/pdpp_*.deb"; $deb =~ /pdpp_([^_]+)_/ } '/packages', '/packages-before';
my @names = ('pdpp', "postgresql-$server-pdpp");
my $conninfo = 'dbname=app';
$ENV{DEBIAN_FRONTEND} = 'noninteractive';
$| = 1;

# ---- doing things ---------------------------------------------------------------------------------------------------

sub query { return (result_of(as('postgres', 'psql', '-XAtqd', 'app', '-c', $_[0])))[0] }

sub status_of { return (result_of(as('pdpp-gateway', 'pdpp', '--db', $conninfo, 'status', $_[0])))[0] }

sub installed { return (result_of('dpkg-query', '-W', '-f', '${Version} ${db:Status-Status}', $_[0]))[0] }

# Runs true under the program, and gives the handle.
sub run_true
{
	my $output = succeeds('pdpp run -- true', as('pdpp-gateway', 'pdpp', '--db', $conninfo, 'run', '--', 'true'));
	my ($run_id) = $output =~ /"run_id":\s*"([^"]+)"/;
	like(status_of($run_id // ''), qr/"status":\s*"completed"/, 'its handle resolves to completed');
	return $run_id;
}

# ---- the version before ---------------------------------------------------------------------------------------------

is(installed($_), "$before installed", "$_ $before is installed") for @names;
is((getpwnam $_)[8], '/usr/sbin/nologin', "user $_") for 'pdpp-gateway', 'pdpp-controller';

succeeds('a cluster', 'pg_createcluster', $server, 'packaged', '--', '--encoding=UTF8', '--locale=C.UTF-8');
succeeds('with the library preloaded', 'pg_conftool', $server, 'packaged', 'set', $_->[0], $_->[1])
  for [ 'shared_preload_libraries', 'pdpp' ], [ 'pdpp.databases', 'app' ], [ 'max_connections', 50 ];
succeeds('starts', 'pg_ctlcluster', $server, 'packaged', 'start');
succeeds('a database', as('postgres', 'createdb', 'app'));
is(query(q{CREATE EXTENSION pdpp; CREATE ROLE "pdpp-gateway" LOGIN; CREATE ROLE "pdpp-controller" LOGIN;
	SELECT pdpp_grant('pdpp-gateway', 'owner'), pdpp_grant('pdpp-gateway', 'controller'), pdpp_grant('pdpp-controller', 'controller')}),
	'||', 'the extension, and the users of the units as roles');
is(query(q{SELECT extversion FROM pg_extension WHERE extname = 'pdpp'}), $before =~ s/-.*//r, "of version $before");
my @runs = run_true();

# what the administrator makes
write_file('/etc/pdpp/owner-password', "correct horse\n", 0600);
write_file('/etc/pdpp/connections.json', '[{"connector_instance_id": "waits", "connector_id": "waits",
	"command": ["/bin/sh", "-c", "until [ -e go ]; do sleep 0.1; done"], "cwd": "/var/lib/pdpp-controller"}]', 0644);
mkdir '/var/lib/pdpp-controller';
chown((getpwnam 'pdpp-controller')[2, 3], '/var/lib/pdpp-controller');
my $gateway_conf = content('/etc/pdpp/gateway.conf') . qq{log-level = "debug"\n};
write_file('/etc/pdpp/gateway.conf', $gateway_conf, 0644);
write_file('/etc/postgresql-common/pg_service.conf', content('/usr/share/doc/pdpp/examples/pg_service.conf'), 0644);

# a run that goes on
$ENV{PGSERVICE} = 'pdpp';
my $controller = start('pdpp-controller', '/tmp/controller.log', '/usr/bin/pdpp', 'controller', '--connections', '/etc/pdpp/connections.json');
until_true('a controller offers a connection', sub { query(q{SELECT count(*) FROM pdpp.connections WHERE boot_epoch IS NOT NULL}) eq '1' })
  or diag(content('/tmp/controller.log'));
my ($going) = succeeds('a run of it', as('pdpp-gateway', 'pdpp', '--db', $conninfo, 'now', 'waits')) =~ /"run_id":\s*"([^"]+)"/;
until_true('that has started', sub { query("SELECT count(*) FROM pdpp.spine_events WHERE run_id = '$going' AND event_type = 'run.started'") eq '1' });

# ---- upgrade --------------------------------------------------------------------------------------------------------

# a systemd that writes down what it is told
mkdir '/run/systemd';
mkdir '/run/systemd/system';
for my $tool (qw(systemctl deb-systemd-invoke))
{
	write_file("/usr/local/bin/$tool", qq{#!/bin/sh\necho "$tool \$*" >>/tmp/systemd.log\n}, 0755);
}
write_file('/etc/apt/apt.conf.d/path', qq{DPkg::Path "$ENV{PATH}";\n}, 0644); # apt has maintainer scripts look elsewhere otherwise
my @packages = map { glob "/packages/${_}_*.deb" } @names;
succeeds("upgrade to $version", 'apt-get', 'install', '-y', '-q', '-o', 'Dpkg::Options::=--force-confdef', @packages);
is(installed($_), "$version installed", "$_ $version is installed") for @names;
is(content('/etc/pdpp/gateway.conf'), $gateway_conf, 'what the administrator changed stays');
my $told = content('/tmp/systemd.log');
like($told, qr/^deb-systemd-invoke try-restart .*pdpp-gateway\.service/m, 'the gateway is started anew');
unlike($told, qr/stop/, 'nothing is stopped');
unlike($told, qr/pdpp-controller/, 'the controller is left alone');
like(status_of($going), qr/"status":\s*"active"/, 'its run goes on');
like(status_of($_), qr/"status":\s*"completed"/, 'the handle from before resolves') for @runs;
write_file('/var/lib/pdpp-controller/go', '', 0644);
until_true('the run ends by itself', sub { status_of($going) =~ /"status":\s*"completed"/ });
is(stop($controller), 0, 'and the controller of the version before when it is told to');
push @runs, $going;

succeeds('the server starts with the new library', 'pg_ctlcluster', $server, 'packaged', 'restart');
like(status_of($_), qr/"status":\s*"completed"/, 'a handle from before resolves') for @runs;
is(query('ALTER EXTENSION pdpp UPDATE'), '', 'the extension is updated');
is(query(q{SELECT extversion FROM pg_extension WHERE extname = 'pdpp'}), $version =~ s/-.*//r, "to $version");
query(q{SELECT pdpp_grant('pdpp-gateway', 'owner'), pdpp_grant('pdpp-gateway', 'controller')});
push @runs, run_true();

# ---- what is installed ----------------------------------------------------------------------------------------------

is(succeeds('pdpp --version', 'pdpp', '--version'), 'pdpp ' . $version =~ s/-.*//r, 'is the version');
my $help = succeeds('pdpp --help', 'pdpp', '--help');
my ($list) = $help =~ /^subcommands:\n(.*?)^\S/msi;
for my $page ('pdpp', map { "pdpp-$_" } $list =~ /^  ([a-z-]+)/mg)
{
	ok(-s "/usr/share/man/man1/$page.1.gz", "$page(1)");
}
ok(-s $_, $_)
  for '/usr/share/bash-completion/completions/pdpp', '/usr/share/zsh/vendor-completions/_pdpp', '/usr/share/fish/vendor_completions.d/pdpp.fish';
for my $name (qw(gateway controller))
{
	my $unit = content((grep { -e } map { "$_/lib/systemd/system/pdpp-$name.service" } '', '/usr')[0]);
	my ($program, $arguments) = $unit =~ /^ExecStart=(\S+) (.*)/m;
	ok(-x ($program // ''), "the program of the unit pdpp-$name");
	like($unit, qr/^User=pdpp-$name$/m, 'and its user');
	is((result_of('deb-systemd-helper', '--quiet', 'is-enabled', "pdpp-$name.service"))[1], 1, 'it is not enabled');
}

# the gateway as its unit starts it
$ENV{PDPP_OWNER_PASSWORD_FILE} = '/tmp/owner-password';
write_file('/tmp/owner-password', content('/etc/pdpp/owner-password'), 0600);
chown((getpwnam 'pdpp-gateway')[2, 3], '/tmp/owner-password');
my $gateway = start('pdpp-gateway', '/tmp/gateway.log', '/usr/bin/pdpp', 'serve', '--config', '/etc/pdpp/gateway.conf');
until_true('a gateway of the packaged configuration', sub { content('/tmp/gateway.log') =~ /listening on/ });
my $token = succeeds('pdpp token', as('pdpp-gateway', 'pdpp', 'token'));
my $answer = HTTP::Tiny->new->get("http://127.0.0.1:8080/_ref/runs/$runs[0]", { headers => { Authorization => "Bearer $token" } });
is($answer->{status}, 200, 'answers') or diag(content('/tmp/gateway.log'));
is(eval { decode_json($answer->{content})->{status} }, 'completed', 'the first handle over HTTP');
is(stop($gateway), 0, 'and stops');

# ---- remove, purge, and again ---------------------------------------------------------------------------------------

my %status = map { $_ => status_of($_) } @runs;
my $rows = query('SELECT count(*) FROM pdpp.spine_events');
unlink '/tmp/systemd.log';
succeeds('remove', 'apt-get', 'remove', '-y', '-q', @names);
like(content('/tmp/systemd.log'), qr/deb-systemd-invoke stop .*pdpp-$_/, "stops $_") for 'gateway', 'controller';
is(content('/etc/pdpp/gateway.conf'), $gateway_conf, 'configuration stays');
ok(!-e '/usr/bin/pdpp', 'the program is gone');
succeeds('purge', 'apt-get', 'purge', '-y', '-q', @names);
ok(!-e '/etc/pdpp/gateway.conf', 'configuration of the package goes');
is(content('/etc/pdpp/owner-password'), "correct horse\n", 'the password of the administrator stays');
ok(-s '/etc/pdpp/connections.json', 'and so do connections');
ok(-d '/var/lib/pdpp-controller', 'and what controllers left');
is(query('SELECT count(*) FROM pdpp.spine_events'), $rows, 'and every event');
succeeds('install again', 'apt-get', 'install', '-y', '-q', @packages);
succeeds('restart', 'pg_ctlcluster', $server, 'packaged', 'restart');
is(status_of($_), $status{$_}, "$_ resolves as before") for @runs;
run_true();
succeeds('stop', 'pg_ctlcluster', $server, 'packaged', 'stop');

done_testing();
