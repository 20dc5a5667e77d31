# Three servers under Patroni and an etcd, on loopback: contrib/patroni/ as it is, with other addresses and shorter times. To whoever
# wants a session it is a cluster like any other, whose sessions are with whichever node is the primary.

package Chaos::Nodes;

use strict;
use warnings;

use Chaos::Cluster;
use Chaos::Relay;
use Chaos::Session;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(sleep time);

our @ISA = ('Chaos::Cluster');

# folder, logs (a folder), processes (Chaos::Processes, which keeps all of them), configuration (the folder contrib/patroni), settings
# (name => value, of PostgreSQL), times (name => seconds, of Patroni), synchronous (false: acknowledgements wait for no standby)
sub new
{
	my ($class, %option) = @_;
	my $self = bless { %option, user => scalar getpwuid($>), database => 'app', wants_primary => 1, patience => 10, nodes => [] }, $class;
	my $etcd = free_port();
	my $peers = free_port();
	$self->{processes}->add(kind => 'etcd', name => 'etcd', work => sub {
			quietly("$option{logs}/etcd.log");
			exec 'etcd', '--name', 'etcd', '--data-dir', "$option{folder}/etcd", '--listen-client-urls', "http://127.0.0.1:$etcd",
			  '--advertise-client-urls', "http://127.0.0.1:$etcd", '--listen-peer-urls', "http://127.0.0.1:$peers",
			  '--initial-advertise-peer-urls', "http://127.0.0.1:$peers", '--initial-cluster', "etcd=http://127.0.0.1:$peers" or die "cannot run etcd: $!\n";
		});
	$self->write_configuration;
	for my $number (1 .. 3)
	{
		my $node = { name => "node$number", data => "$option{folder}/node$number", relay => free_port(), port => free_port(), api => free_port() };
		push @{ $self->{nodes} }, $node;
		$self->{processes}->add(kind => 'relay', name => "relay-$number", work => sub { Chaos::Relay::run(port => $node->{relay}, to => $etcd) });
		my %environment = $self->environment_of($node);
		$self->{processes}->add(kind => 'patroni', name => $node->{name}, work => sub {
				quietly("$option{logs}/$node->{name}.log");
				@ENV{ keys %environment } = values %environment;
				exec 'patroni', "$option{folder}/patroni.yml" or die "cannot run patroni: $!\n";
			});
	}
	return $self;
}

# What is said there goes to a file.
sub quietly
{
	my ($file) = @_;
	open STDERR, '>>', $file or die "$file: $!\n";
	open STDOUT, '>&', \*STDERR or die "$file: $!\n";
	return;
}

# A port that a program keeps over its lives: none that the system hands out to clients, who might get it while it is away.
my $next_port = 0;

sub free_port
{
	for my $try (1 .. 1000)
	{
		my $port = 10_000 + ($$ * 20 + $next_port++) % 20_000;
		return $port if IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1);
	}
	die "no port is free\n";
}

# The file as it is for operators, but for what a test on one machine has to have otherwise. Each change finds its place, or the file is
# no longer what is tested.
sub write_configuration
{
	my ($self) = @_;
	open my $file, '<', "$self->{configuration}/patroni.yml" or die "patroni.yml: $!\n";
	my $text = do { local $/ = undef; readline $file };
	my %settings = %{ $self->{settings} };
	for my $name (sort keys %{ $self->{times} }) { $text =~ s/^( *\Q$name\E): \d+$/$1: $self->{times}{$name}/m or die "patroni.yml has no $name\n"; }
	for my $name (sort keys %settings)
	{
		$text =~ s/^( *\Q$name\E): .*$/$1: '$settings{$name}'/m or $text =~ s/^( *)(shared_preload_libraries: .*)$/$1$2\n$1$name: '$settings{$name}'/m
		  or die "patroni.yml has no place for $name\n";
	}
	$text =~ s/scram-sha-256$/trust/mg or die "patroni.yml has no pg_hba\n";
	$text =~ s/^( *- local all all) peer$/$1 trust/m or die "patroni.yml has no pg_hba\n";
	$text =~ s/^( *unix_socket_directories): .*$/$1: $self->{folder}/m or die "patroni.yml has no sockets\n";
	$text =~ s/password_encryption: trust/password_encryption: scram-sha-256/;
	$text =~ s/^( *mode): required$/$1: off/m or die "patroni.yml has no watchdog\n";
	if (!$self->{synchronous}) { $text =~ s/^( *synchronous_mode(?:_strict)?): true$/$1: false/mg == 2 or die "patroni.yml is not synchronous\n"; }
	open my $ours, '>', "$self->{folder}/patroni.yml" or die "patroni.yml: $!\n";
	print {$ours} $text;
	close $ours;
	return;
}

sub environment_of
{
	my ($self, $node) = @_;
	chomp(my $bin = Chaos::Cluster::run_quietly('sh', '-c', 'dirname "$(command -v postgres)"'));
	my $address = '127.0.0.1';
	return (
		PATRONI_NAME => $node->{name}, PATRONI_ETCD3_PROXY => "http://$address:$node->{relay}", PATRONI_RESTAPI_LISTEN => "$address:$node->{api}",
		PATRONI_RESTAPI_CONNECT_ADDRESS => "$address:$node->{api}", PATRONI_POSTGRESQL_LISTEN => "$address:$node->{port}",
		PATRONI_POSTGRESQL_CONNECT_ADDRESS => "$address:$node->{port}", PATRONI_POSTGRESQL_DATA_DIR => $node->{data},
		PATRONI_POSTGRESQL_BIN_DIR => $bin, PATRONI_POSTGRESQL_PGPASS => "$self->{folder}/pgpass-$node->{name}",
		PATRONI_SUPERUSER_USERNAME => $self->{user}, PATRONI_SUPERUSER_PASSWORD => 'unused', PATRONI_REPLICATION_USERNAME => 'replicator',
		PATRONI_REPLICATION_PASSWORD => 'unused');
}

# Where sessions are, in the order in which they are tried.
sub addresses { my ($self) = @_; return map { "127.0.0.1:$_->{port}" } @{ $self->{nodes} } }

sub conninfo
{
	my ($self) = @_;
	my @nodes = @{ $self->{nodes} };
	return sprintf 'host=%s port=%s user=%s dbname=%s', join(',', ('127.0.0.1') x @nodes), join(',', map { $_->{port} } @nodes), $self->{user}, $self->{database};
}

# A session with one node, whatever it is; its silence counts as its absence soon.
sub session_with
{
	my ($self, $node, $name) = @_;
	return Chaos::Session->connect({ %$self, addresses => ["127.0.0.1:$node->{port}"], wants_primary => 0, patience => 2 }, $name);
}

# What a node says, as a list of rows; nothing if it does not answer.
sub ask
{
	my ($self, $node, $sql) = @_;
	my $session = $self->session_with($node, 'judge') or return;
	my $answer = $session->query($sql);
	return if $answer->{lost} || $answer->{error};
	return @{ $answer->{rows} };
}

# The node that takes writes, its standbys that stream from it, and those that Patroni would promote; nothing while there is none.
sub standing
{
	my ($self) = @_;
	local $self->{database} = 'postgres';
	for my $node (@{ $self->{nodes} })
	{
		my ($row) = $self->ask($node, q(select pg_is_in_recovery(), coalesce(string_agg(application_name, ','), '') from pg_stat_replication where state = 'streaming'));
		next unless $row && $row->[0] eq 'f';
		my %of = map { $_->{name} => $_ } @{ $self->{nodes} };
		# the server alone does not know: with nobody to promote it waits for any standby
		my $answer = HTTP::Tiny->new(timeout => 2)->get("http://127.0.0.1:$node->{api}/cluster");
		my $members = $answer->{success} ? JSON::PP::decode_json($answer->{content})->{members} : [];
		my ($leader) = map { $_->{name} } grep { $_->{role} eq 'leader' } @$members;
		next unless ($leader // '') eq $node->{name};
		my @streaming = grep { $_ } map { $of{$_} } split /,/, $row->[1];
		my %is_promotable = map { $_->{name} => 1 } grep { $_->{role} eq ($self->{synchronous} ? 'sync_standby' : 'replica') } @$members;
		return { primary => $node, streaming => \@streaming, promotable => [ grep { $is_promotable{ $_->{name} } } @streaming ] };
	}
	return;
}

# Whether all three are there, and one to promote.
sub is_whole { my ($self, $standing) = @_; return $standing && @{ $standing->{streaming} } == 2 && @{ $standing->{promotable} } }

# Puts on record which node is the primary, each time that it is another one, and when there is none.
sub watch
{
	my ($self, $record) = @_;
	my $was = '';
	my $stop = 0;
	local $SIG{TERM} = sub { $stop = 1 };
	until ($stop)
	{
		my $standing = $self->standing;
		my $is = $standing ? $standing->{primary}{name} : '';
		$record->write('primary', $is) if $is ne $was;
		$was = $is;
		sleep 0.3;
	}
	return;
}

# Until all is well.
sub await_whole
{
	my ($self, $patience, @kinds) = @_;
	my $deadline = time + $patience;
	while (1)
	{
		$self->{processes}->tend(@kinds);
		return 1 if $self->is_whole($self->standing);
		return 0 if time > $deadline;
		sleep 0.1;
	}
	return;
}

# The processes of a node's server: the postmaster and what it has started.
sub server_processes
{
	my ($self, $node) = @_;
	my $postmaster = Chaos::Cluster::postmaster($node) or return;
	my @all = ($postmaster);
	for my $path (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $path or next;
		my ($pid, $parent) = (readline($file) // '') =~ /^(\d+) \(.*\) \S (\d+)/s or next;
		push @all, $pid if $parent == $postmaster;
	}
	return @all;
}

sub signal_server { my ($self, $signal, $node) = @_; my @all = $self->server_processes($node); return @all && kill $signal, @all }

sub stop
{
	my ($self) = @_;
	for my $node (@{ $self->{nodes} }) { $self->signal_server('KILL', $node); }
	return;
}

1;
