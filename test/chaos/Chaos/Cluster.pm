# A private cluster that dies often. PostgreSQL::Test::Cluster gives up when a server does not start; here that is tried
# until it does, as after a SIGKILL of the postmaster, whose children take a moment to go.

package Chaos::Cluster;

use strict;
use warnings;

use Chaos::Session;
use Time::HiRes qw(sleep time);

my $patience = 120;

# folder, log (file), settings (name => value), environment (name => value, of the server alone)
sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		environment => $option{environment} // {}, data => "$option{folder}/data", socket_folder => $option{folder}, log => $option{log}, port => 5432,
		user => scalar getpwuid($>), database => 'chaos' }, $class;
	run_quietly('initdb', '-D', $self->{data}, '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--username', $self->{user});
	open my $file, '>>', "$self->{data}/postgresql.conf" or die "postgresql.conf: $!\n";
	my %setting = (%{ $option{settings} }, listen_addresses => '', unix_socket_directories => $self->{socket_folder});
	print {$file} map { "$_ = '$setting{$_}'\n" } sort keys %setting;
	close $file;
	$self->start;
	return $self;
}

sub conninfo { my ($self) = @_; return "host=$self->{socket_folder} port=$self->{port} user=$self->{user} dbname=$self->{database}" }

sub start
{
	my ($self) = @_;
	my $deadline = time + $patience;
	local @ENV{ keys %{ $self->{environment} } } = values %{ $self->{environment} };
	until (system("pg_ctl -D '$self->{data}' -l '$self->{log}' -w -t 60 start >/dev/null 2>&1") == 0)
	{
		die "the server does not start, see $self->{log}\n" if time > $deadline;
		sleep 0.1;
	}
	return;
}

sub postmaster
{
	my ($self) = @_;
	open my $file, '<', "$self->{data}/postmaster.pid" or return;
	my $pid = readline $file;
	return $pid && $pid + 0;
}

# A session that exists as soon as the server has one to give.
sub await_session
{
	my ($self, $name) = @_;
	my $deadline = time + $patience;
	while (1)
	{
		my $session = Chaos::Session->connect($self, $name);
		return $session if $session;
		die "the server does not come back, see $self->{log}\n" if time > $deadline;
		sleep 0.02;
	}
	return;
}

# What a statement says that must succeed: a list of rows, over as many crashes as there are.
sub rows
{
	my ($self, $sql) = @_;
	while (1)
	{
		my $answer = $self->await_session('judge')->query($sql);
		die "$answer->{error}{message}: $sql\n" if $answer->{error} && $answer->{error}{code} !~ /^57P/;
		return @{ $answer->{rows} } unless $answer->{lost} || $answer->{error};
	}
	return;
}

sub stop
{
	my ($self) = @_;
	system("pg_ctl -D '$self->{data}' -m immediate -w stop >/dev/null 2>&1") if $self->postmaster;
	return;
}

sub run_quietly
{
	my (@command) = @_;
	open my $output, '-|', @command or die "cannot run $command[0]: $!\n";
	my @lines = readline $output;
	close $output or die "$command[0] failed:\n@lines";
	return join '', @lines;
}

1;
