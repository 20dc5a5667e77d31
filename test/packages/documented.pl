#!/usr/bin/env perl
# What the pages say to set an installation up, done as it stands there in a root tree that has the packages (.ci/check-packages
# makes it): the first run, the services of the packages, and those by hand. The server lets everybody in by their names (`peer`) and
# by nothing else; there is no systemd, so what it would do with a unit is done here.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use HTTP::Tiny;
use JSON::PP;
use Steps;
use Test::More;

chdir "$FindBin::Bin/../.." or die $!;
my ($server) = glob('/packages/postgresql-*-pdpp_*.deb') =~ /postgresql-(\d+)-pdpp/;
my %going; # what was started, by name
delete @ENV{qw(PGSERVICE PDPP_OWNER_PASSWORD PDPP_OWNER_PASSWORD_FILE SUDO_USER)};
$| = 1;
rmdir $_ for '/run/systemd/system', '/run/systemd'; # what installed.pl pretends

# The commands of a section of a page, a line each, without what is said about them.
sub commands
{
	my ($page, $section) = @_;
	my ($text) = content("docs/operating/$page.md") =~ /^## \Q$section\E\n(.*?)(?=^## |\z)/ms;
	return map { s/ +# .*//r } map { split /\n/ } ($text // '') =~ /^```\n(.*?)^```$/gms;
}

# ---- in the place of systemd ----------------------------------------------------------------------------------------

sub start_unit
{
	my ($name) = @_;
	my $unit = content((grep { -e } map { "$_/systemd/system/$name.service" } '/etc', '/lib', '/usr/lib')[0]);
	my %has = $unit =~ /^(User|ExecStart|LoadCredential|StateDirectory)=(.*)$/mg;
	my ($user, $group) = (getpwnam $has{User})[2, 3];
	my $credentials = "/run/credentials-$name";
	mkdir $credentials;
	mkdir '/var/lib/' . $has{StateDirectory} and chown $user, $group, "/var/lib/$has{StateDirectory}" if $has{StateDirectory};
	my @environment = map { s/%d/$credentials/r } map { split ' ' } $unit =~ /^Environment=(.*)$/mg;
	if (my ($credential, $from) = split /:/, $has{LoadCredential} // '')
	{
		write_file("$credentials/$credential", content($from), 0400);
		chown $user, $group, "$credentials/$credential";
		chown $user, $group, $credentials;
	}
	unlink "/tmp/$name.log";
	$going{$name} = start($has{User}, "/tmp/$name.log", 'env', @environment, split ' ', $has{ExecStart});
	# as Type=notify
	until_true("$name is up", sub { content("/tmp/$name.log") =~ /listening on|"message":"booted/ }) or diag(content("/tmp/$name.log"));
	return;
}

# Does what a line says, as root.
sub do_line
{
	my ($line) = @_;
	if ($line =~ /^systemctl enable --now (.*)/) { start_unit($_) for split ' ', $1 }
	elsif ($line eq 'systemctl restart postgresql') { succeeds($line, 'pg_ctlcluster', $server, 'main', 'restart') }
	elsif ($line =~ /^apt(-get)? /) { pass("$line: not here") }
	else { diag($_) for grep { /^(warning|wrong)/ } split /\n/, succeeds($line, 'bash', '-c', $line) }
	return;
}

# Takes away what was set up.
sub clear_away
{
	stop(delete $going{$_}) for keys %going;
	my ($clusters) = result_of('pg_lsclusters', '--no-header');
	succeeds("without the cluster $_->[1]", 'pg_dropcluster', '--stop', @{$_}) for map { [ (split)[ 0, 1 ] ] } split /\n/, $clusters;
	succeeds('nor data of one', 'rm', '-rf', "/var/lib/postgresql/$server/main");
	unlink glob('/etc/pdpp/owner-password /etc/pdpp/connections.json /etc/postgresql-common/pg_service.conf /etc/systemd/system/pdpp-*');
	return;
}

# A machine on which nothing was set up but a server.
sub begin_anew
{
	clear_away();
	succeeds('a cluster', 'pg_createcluster', '--start', $server, 'main', '--', '--encoding=UTF8', '--locale=C.UTF-8', '--auth-local=peer', '--auth-host=reject');
	is((stat '/var/run/postgresql/.s.PGSQL.5432')[4], scalar getpwnam('postgres'), 'in the usual place');
	return;
}

# ---- what is to be so -----------------------------------------------------------------------------------------------

# A handle over HTTP, from its acknowledgement to its ending.
sub runs_over_http
{
	my $token = succeeds('a token', 'pdpp', 'token');
	return if $token =~ /error/;
	my $http = HTTP::Tiny->new(default_headers => { Authorization => "Bearer $token", Prefer => 'wait=60' }, timeout => 120);
	my $run;
	until_true('the connection is offered', sub {
		$run = $http->post('http://127.0.0.1:8080/_ref/connections/hello/run');
		return $run->{status} < 300;
	}) or diag($run->{content});
	my $run_id = eval { decode_json($run->{content})->{run_id} } // return fail('a handle');
	until_true('its run completes', sub {
		return (eval { decode_json($http->get("http://127.0.0.1:8080/_ref/runs/$run_id")->{content})->{status} } // '') eq 'completed';
	}) or diag(content('/tmp/pdpp-controller.log'));
	return;
}

subtest 'the first run' => sub {
	begin_anew();
	result_of('useradd', '--create-home', 'anna');
	my ($init, $serve, $run) = commands('packages', 'The first run');
	like($init, qr/^sudo pdpp init /, 'as the page says');
	# what sudo tells whom it runs
	my $said = succeeds($init, 'bash', '-c', 'SUDO_USER=anna ' . $init =~ s/^sudo //r);
	like($said, qr/"restart_needed":true/, 'and names the restart');
	like($said, qr/"pdpp serve --db app","\Q$run\E"/, 'and what comes next');
	do_line('systemctl restart postgresql');
	$going{serve} = start('anna', '/tmp/serve.log', 'env', 'HOME=/home/anna', split ' ', $serve =~ s/ &$//r);
	until_true('serves', sub { content('/tmp/serve.log') =~ /listening on/ });
	my ($run_id) = succeeds($run, as('anna', 'env', 'HOME=/home/anna', split ' ', $run)) =~ /"run_id": *"([^"]+)"/;
	my $token = succeeds('a token', as('anna', 'env', 'HOME=/home/anna', 'pdpp', 'token'));
	my $answer = HTTP::Tiny->new->get("http://127.0.0.1:8080/_ref/runs/$run_id", { headers => { Authorization => "Bearer $token" } });
	is(eval { decode_json($answer->{content})->{status} }, 'completed', 'the handle over HTTP') or diag($answer->{content}, content('/tmp/serve.log'));
	succeeds('all is well', as('anna', 'env', 'HOME=/home/anna', 'pdpp', 'doctor', '--db', 'app'));
};

subtest 'the services of the packages' => sub {
	begin_anew();
	do_line($_) for commands('packages', 'As services');
	runs_over_http();
	is_deeply([ (stat '/etc/pdpp/owner-password')[ 2, 4 ] ], [ oct 100600, 0 ], "the password is root's alone");
	# what root is told comes next can be run as it stands
	my ($said) = result_of('pdpp', 'init', '--db', 'app', '--role', 'pdpp-gateway');
	my $next = decode_json((split /\n/, $said)[-1])->{next};
	succeeds($_, 'bash', '-c', $_) for @{$next}[ 1, 2 ];
	like($next->[0], qr/^PDPP_OWNER_PASSWORD="\$\(cat \S+\)" runuser -u pdpp-gateway -- pdpp serve --db app$/, 'a gateway by hand gets the password too');
};

subtest 'the services by hand' => sub {
	begin_anew();
	symlink '/usr/bin/pdpp', '/usr/local/bin/pdpp';
	do_line($_) for grep { !/^useradd/ } commands('gateway', 'systemd'), commands('controller', 'systemd');
	is($going{"pdpp-$_"} ? 1 : 0, 1, "a $_") for 'gateway', 'controller';
	runs_over_http();
	unlink '/usr/local/bin/pdpp';
};

clear_away();
done_testing();
