#!/usr/bin/env perl
# What contrib/containers/compose.yaml starts, started without a container engine: in a root tree, in which the script of the
# Containerfiles has installed the packages (.ci/check-packages makes it). Services are as the file has them: their commands,
# users, environments, health checks and volumes.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use CPAN::Meta::YAML;
use HTTP::Tiny;
use JSON::PP;
use Steps;
use Test::More;

chdir "$FindBin::Bin/../.." or die $!;
my $containers = 'contrib/containers';
my %secret = (PDPP_DATABASE_PASSWORD => 'battery staple', PDPP_OWNER_PASSWORD => 'correct horse');
my $compose = CPAN::Meta::YAML->read("$containers/compose.yaml") or die CPAN::Meta::YAML->errstr;
my $services = $compose->[0]{services};
is_deeply([ sort keys %{$services} ], [qw(controller gateway server)], 'services');

# ---- Containerfiles -------------------------------------------------------------------------------------------------

my %installs = (server => 'server', program => 'program');
my %image;
for my $name (sort keys %installs)
{
	my $text = content("$containers/Containerfile.$name");
	my ($copied) = $text =~ /^COPY (.*) \/usr\/local\/bin\/$/m;
	ok(-x $_, "$name: $_ can be copied") for split ' ', $copied;
	like($text, qr{^RUN install-packages /packages $installs{$name}( \$PG_MAJOR)? &&}m, "$name: packages are installed by the script");
	my %has = $text =~ /^(USER|ENTRYPOINT|CMD) (.*)$/mg;
	$image{$name} = { user => $has{USER}, entrypoint => decode_json($has{ENTRYPOINT} // '[]'), command => decode_json($has{CMD}) };
	succeeds("$name: they are copied", 'install', '-m', '755', split(' ', $copied), '/usr/local/bin');
}

# of the packages for several servers one is installed, or each would bring its server along
mkdir $_ for '/tmp/several', '/tmp/apt';
write_file("/tmp/several/postgresql-$_-pdpp_1_amd64.deb", '', 0644) for 9, 15, 17;
write_file('/tmp/apt/apt-get', qq{#!/bin/sh\necho "\$*"\n}, 0755);
for ([ 17 ], [ 9, 9 ])
{
	my ($wanted, @said) = @{$_};
	my ($output) = result_of('env', "PATH=/tmp/apt:$ENV{PATH}", 'install-packages', '/tmp/several', 'server', @said);
	is(join(' ', $output =~ /(postgresql-\S+)\.deb/g), "postgresql-$wanted-pdpp_1_amd64", "for PostgreSQL $wanted");
}

# ---- services -------------------------------------------------------------------------------------------------------

sub image_of { return $image{ $services->{ $_[0] }{image} eq 'pdpp-server' ? 'server' : 'program' } }

sub environment_of
{
	my ($service) = @_;
	my $environment = $services->{$service}{environment};
	return 'env', map { my $value = $environment->{$_}; "$_=" . $value =~ s/\$\{(\w+):\?\}/$secret{$1}/r } sort keys %{$environment};
}

sub start_service
{
	my ($service) = @_;
	my $image = image_of($service);
	return start($services->{$service}{user} // $image->{user}, "/tmp/$service.log", environment_of($service), @{ $image->{entrypoint} },
		@{ $services->{$service}{command} // $image->{command} });
}

sub is_healthy
{
	my ($service) = @_;
	my ($kind, @test) = @{ $services->{$service}{healthcheck}{test} };
	die "$service: a test of kind $kind" unless $kind eq 'CMD';
	return (result_of(as(image_of($service)->{user}, environment_of($service), @test)))[1] == 0;
}

for my $service (sort keys %{$services})
{
	for (@{ $services->{$service}{volumes} // [] })
	{
		my ($from, $to) = split /:/;
		succeeds("$service: $from", 'install', '-D', '-m', '644', "$containers/$from", $to) if $from =~ /\//;
	}
}
# the volume of the server: what the test of the packages left is none of it
succeeds('an empty volume', 'sh', '-c', 'rm -rf /var/lib/postgresql/*');
# what the network of the services would know
write_file('/etc/hosts', "127.0.0.1 localhost server\n", 0644);

my %pid = (server => start_service('server'));
until_true('the server is healthy', sub { is_healthy('server') }) or diag(content('/tmp/server.log'));
ok(!is_healthy('gateway'), 'the gateway is not, before it is there');
$pid{$_} = start_service($_) for 'gateway', 'controller';
until_true('the gateway is healthy', sub { is_healthy('gateway') }) or diag(content('/tmp/gateway.log'));

my $token = succeeds('a token', environment_of('gateway'), 'pdpp', 'token');
my $http = HTTP::Tiny->new(default_headers => { Authorization => "Bearer $token", Prefer => 'wait=60' }, timeout => 120);
my $run;
until_true('the first connection is offered', sub {
	$run = $http->post('http://127.0.0.1:8080/_ref/connections/hello/run');
	return $run->{status} < 300;
}) or diag($run->{content});
my $run_id = decode_json($run->{content})->{run_id};
my $status = sub { return eval { decode_json($http->get("http://127.0.0.1:8080/_ref/runs/$run_id")->{content})->{status} } // '' };
until_true('its run completes', sub { $status->() eq 'completed' }) or diag(content('/tmp/controller.log'));

# the cluster is in the volume
stop($pid{server}, 'INT');
$pid{server} = start_service('server');
until_true('the server is healthy again', sub { is_healthy('server') });
until_true('the handle resolves', sub { $status->() eq 'completed' });
is(stop($pid{$_}), 0, "$_ stops") for 'controller', 'gateway';
is(stop($pid{server}, 'INT'), 0, 'and the server');

done_testing();
