# What a server of contrib/containers does with the volume that it is given: it makes its cluster in an empty one, goes on with
# its own, whose extension becomes as new as the image, and begins nothing beside the cluster of another PostgreSQL. And the
# services are given as long to stop as the units of the same programs. What a whole set of services does, packages and all,
# is in test/packages/containers.pl.

use strict;
use warnings;

use Cwd qw(abs_path);
use CPAN::Meta::YAML;
use File::Basename qw(dirname);
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $contrib = abs_path(dirname(__FILE__) . '/../../contrib');
my $sockets = '/var/run/postgresql'; # where Debian's servers have them, that of a container too
plan skip_all => "$sockets cannot be written to" unless -w $sockets;

delete @ENV{grep { /^PG(?!_)/ } keys %ENV};
$ENV{PGPORT} = PostgreSQL::Test::Cluster::get_free_port();
$ENV{PDPP_DATABASE_PASSWORD} = 'battery staple';
my $postgres = `postgres --version` =~ /\(PostgreSQL\) (\d+)/ ? $1 : die;

sub volume { my $volume = abs_path(PostgreSQL::Test::Utils::tempdir()); make_path("$volume/$_") for @_; return $volume }
sub start_server { return start('', "$contrib/containers/start-server", $_[0]) }
sub listens { return system("pg_isready --quiet --host=127.0.0.1 --port=$ENV{PGPORT}") == 0 }

sub query
{
	my ($sql, @options) = @_;
	my ($code, $out, $err) = finish(start('', 'psql', '-XAtq', '--set=ON_ERROR_STOP=1', '--dbname=app', @options, '--command', $sql));
	diag($err) if $code;
	chomp $out;
	return $out;
}

# As the gateway of another container.
sub ask { return query($_[0], '--host=127.0.0.1', '--username=pdpp') }

sub stops
{
	my ($server) = @_;
	kill 'INT', pid_of($server); # STOPSIGNAL
	my ($code, undef, $err) = finish($server);
	is($code, 0, 'the server stops') or diag($err);
	return;
}

sub refuses
{
	my ($volume, $name) = @_;
	my ($code, $out, $err) = finish(start_server($volume));
	is($code, 1, "$name: refused");
	return $err;
}

my $volume = volume();
my $cluster = "$volume/$postgres/main";
local $ENV{PGPASSWORD} = $ENV{PDPP_DATABASE_PASSWORD};

subtest 'an empty volume' => sub {
	make_path("$cluster.new/base"); # and one that was not finished
	append_to_file("$cluster.new/PG_VERSION", "$postgres\n");
	my $server = start_server($volume);
	ok(within(\&listens), 'gets a cluster');
	like(ask(q{SELECT pdpp_run_now('gmail', 'c', 'before')}), qr/"run_ack"/, 'in which the role may ask for a run');
	stops($server);
	ok(-e "$cluster/PG_VERSION" && !-e "$cluster.new", 'it is where it belongs');
};

subtest 'its own, with an extension of before' => sub {
	my $server = start_server($volume);
	ok(within(\&listens), 'is gone on with');
	is(ask(q{SELECT pdpp_run_status('before')->>'run_id'}), 'before', 'the handle resolves');
	# as it were with an image of before
	query(q{DROP EXTENSION pdpp; CREATE EXTENSION pdpp VERSION '0.2.0'; SELECT pdpp_grant('pdpp', 'owner'), pdpp_grant('pdpp', 'controller')});
	like(ask(q{SELECT pdpp_controller_boot('compose'); SELECT pdpp_run_now('gmail', 'c', 'older')}), qr/"run_ack"/, 'a run of an older version');
	stops($server);
	$server = start_server($volume);
	ok(within(\&listens), 'a newer image starts over it');
	is(query(q{SELECT installed_version = default_version FROM pg_available_extensions WHERE name = 'pdpp'}), 't', 'the extension is as new');
	is(ask(q{SELECT pdpp_run_status('older')->>'run_id'}), 'older', 'the handle resolves');
	like(ask('SELECT pdpp_run_list()'), qr/"older"/, 'and the role may do what is new');
	is(query('SHOW pdpp.databases'), 'app', 'the guard is there');
	stops($server);
};

# What the page says is run in the server's container, before and after its image is another.
subtest 'moved to another volume' => sub {
	my ($dump, @restore) = slurp_file("$contrib/../docs/operating/upgrades.md") =~ /^podman compose exec -T server (.*?) *(?:#.*)?$/mg;
	is(scalar @restore, 4, 'what the page says');
	my $other = volume();
	my $run = sub { my ($code, undef, $err) = finish(start('', 'bash', '-c', "cd $other && $_[0]")); is($code, 0, $_[0]) or diag($err) };
	my $server = start_server($volume);
	ok(within(\&listens), 'the server');
	ask(q{SELECT pdpp_run_settle('older', 'completed')});
	my $status = ask(q{SELECT pdpp_run_status('older')});
	$run->($dump);
	stops($server);
	mkdir "$other/volume";
	$server = start_server("$other/volume");
	ok(within(\&listens), 'another');
	$run->($_) for @restore;
	is(ask(q{SELECT pdpp_run_status('older')}), $status, 'the handle resolves as it did');
	like(ask(q{SELECT pdpp_run_now('gmail', 'c', 'moved')}), qr/"run_ack"/, 'and runs go on');
	ok(within(sub { query(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pdpp worker for app'}) eq '1' }), 'so does the guard');
	stops($server);
};

subtest 'an extension that is newer than the image' => sub {
	my $server = start_server($volume);
	ok(within(\&listens), 'the server');
	query(q{UPDATE pg_extension SET extversion = '99.0.0' WHERE extname = 'pdpp'});
	stops($server);
	like(refuses($volume, 'over it'), qr/^start-server: the extension in the database app cannot be brought/m, 'says so');
	ok(!-e "$cluster/postmaster.pid", 'nothing is left running');
};

subtest 'the cluster of another PostgreSQL' => sub {
	for my $place ('9.6/main', "$postgres/docker", 'data', '.')
	{
		my $other = volume("$place");
		append_to_file("$other/$place/PG_VERSION", "9.6\n");
		my $err = refuses($other, $place);
		like($err, qr/^start-server: \Q$other\E.* is a cluster of PostgreSQL 9\.6, and this image would have \Q$other\E\/$postgres\/main\./m, 'which is named');
		like($err, qr{PostgreSQL 9\.6, or move the database: docs/operating/upgrades\.md, "In containers"}, 'and what to do');
		ok(!-e "$other/$postgres/main" && !-e "$other/$postgres/main.new", 'nothing is made');
	}
	for my $place ('9.6', '9.6/main', 'data') # of an image whose user has another number
	{
		my $other = volume($place);
		append_to_file("$other/$place/PG_VERSION", "9.6\n");
		chmod 0, "$other/$place";
		like(refuses($other, "$place, unreadable"), qr{^start-server: \Q$other/$place\E is not for \S+ \(user $>\) to read}m, 'which is named');
		ok(!-e "$other/$postgres/main" && !-e "$other/$postgres/main.new", 'nothing is made');
		chmod 0700, "$other/$place";
	}
	make_path("$volume/9.6/main");
	append_to_file("$volume/9.6/main/PG_VERSION", "9.6\n");
	like(refuses($volume, 'beside its own'), qr/take it out of the volume/, 'and what to do');
};

subtest 'time to stop' => sub {
	my $services = CPAN::Meta::YAML->read("$contrib/containers/compose.yaml")->[0]{services};
	for my $name (qw(gateway controller))
	{
		my ($unit) = slurp_file("$contrib/systemd/pdpp-$name.service") =~ /^TimeoutStopSec=(\d+)$/m;
		is($services->{$name}{stop_grace_period}, "${unit}s", "$name: as its unit");
	}
	ok($services->{server}{stop_grace_period}, 'the server: for its checkpoint');
};

done_testing();
