# What befalls three servers under Patroni: they are killed, frozen beyond their lease, cut from etcd, switched over; standbys stop
# replaying or receiving. A seeded generator deals each once before any comes a second time.

package Chaos::Failures;

use strict;
use warnings;

use Chaos::Cluster;
use HTTP::Tiny;
use JSON::PP ();
use List::Util qw(shuffle);
use Time::HiRes qw(sleep time);

my %often = (kill_primary_server => 2, kill_primary_node => 3, kill_lagging_primary => 2, kill_standby_node => 1, freeze_primary_node => 3,
	freeze_standby_node => 2, cut_primary_from_etcd => 2, cut_standby_from_etcd => 1, switch_over => 3, pause_replay => 2, kill_gateway => 1);

# nodes (Chaos::Nodes), processes, record, lease (seconds), watchdog (whether a primary that stood still is reset), gap (seconds between faults, on
# average), faults (names of those that strike; all if there are none)
sub new
{
	my ($class, %option) = @_;
	my $self = bless { %option, counts => {}, undo => [] }, $class;
	my @chosen = @{ $self->{faults} };
	for my $name (@chosen) { die "no such fault: $name\n" unless $often{$name}; }
	$self->{faults} = [ map { ($_) x $often{$_} } sort { $a cmp $b } @chosen ? @chosen : keys %often ];
	# the first ones move the primary each in its own way: the shortest of runs has seen these
	my %moves = map { $_ => 1 } qw(kill_lagging_primary freeze_primary_node switch_over);
	my %all = map { $_ => 1 } @{ $self->{faults} };
	my @all = shuffle sort keys %all;
	$self->{deck} = [ grep({ $moves{$_} } @all), grep { !$moves{$_} } @all ];
	return $self;
}

sub next_gap { my ($self) = @_; return -$self->{gap} * log(1 - rand) }

# Strikes if all is well again: two nodes of three that are lost at once are more than is promised.
sub strike
{
	my ($self) = @_;
	return 0 if @{ $self->{undo} };
	my $standing = $self->{nodes}->standing;
	return 0 unless $self->{nodes}->is_whole($standing);
	$self->{deck} = [ shuffle @{ $self->{faults} } ] unless @{ $self->{deck} };
	my $fault = shift @{ $self->{deck} };
	$self->{record}->write('fault', $fault, $standing->{primary}{name});
	$self->$fault($standing);
	$self->{counts}{$fault}++;
	return 1;
}

sub undo_after { my ($self, $seconds, $by) = @_; push @{ $self->{undo} }, { at => time + $seconds, by => $by }; return }

# What is due; with `all` everything.
sub mend
{
	my ($self, $all) = @_;
	my @later;
	for my $undo (@{ $self->{undo} })
	{
		if ($all || time > $undo->{at}) { push @later, { at => time + 1, by => $undo->{by} } unless $undo->{by}->(); }
		else { push @later, $undo; }
	}
	$self->{undo} = \@later;
	return !@later;
}

sub place { my ($self, $node) = @_; my ($slot) = grep { $_->{name} eq $node->{name} } $self->{processes}->running('patroni'); return $slot }

# Beyond the lease, and what the others take to agree.
sub a_while { my ($self) = @_; return $self->{lease} * (2 + rand) }

sub kill_primary_server { my ($self, $standing) = @_; return $self->{nodes}->signal_server('KILL', $standing->{primary}) }

# With its Patroni: as if the machine had lost its power.
sub kill_node
{
	my ($self, $node) = @_;
	my $slot = $self->place($node);
	if ($slot) { $slot->{away} = rand() < 0.5 ? rand 1 : $self->a_while; kill 'KILL', $slot->{pid}; }
	return $self->{nodes}->signal_server('KILL', $node);
}

sub kill_primary_node { my ($self, $standing) = @_; return $self->kill_node($standing->{primary}) }
sub kill_standby_node { my ($self, $standing) = @_; return $self->kill_node(some($standing->{streaming})) }

sub some { my ($list) = @_; return $list->[ rand @$list ] }

# Nothing more comes to the standbys, and then the primary goes: what was acknowledged meanwhile nobody else has.
sub kill_lagging_primary
{
	my ($self, $standing) = @_;
	my @receivers = map { $_->[0] } map { $self->{nodes}->ask($_, q(select pid from pg_stat_wal_receiver)) } @{ $standing->{streaming} };
	kill 'STOP', @receivers;
	sleep 0.3 + rand 0.7;
	$self->kill_node($standing->{primary});
	# what lies in their sockets they would read still
	kill 'TERM', @receivers;
	kill 'CONT', @receivers;
	return;
}

# All of its processes stand still, and go on as if nothing had been; or else do not wake: `reset`.
sub freeze_node
{
	my ($self, $node, $seconds, $reset) = @_;
	my $slot = $self->place($node) or return;
	# the postmaster first: who is born while the others are looked for would go on, as a primary that nobody can stop
	my $postmaster = Chaos::Cluster::postmaster($node) or return;
	kill 'STOP', $slot->{pid}, $postmaster;
	my @all = ($slot->{pid});
	for (1 .. 2) { @all = ($slot->{pid}, $self->{nodes}->server_processes($node)); kill 'STOP', @all; }
	$self->{record}->write('freeze', $node->{name}, $seconds, $reset ? 'reset' : 'thaws');
	$self->undo_after($seconds, sub {
			if ($reset) { $slot->{away} = rand 1; kill 'KILL', @all; }
			else { kill 'CONT', @all; }
			return 1;
		});
	return;
}

# Beyond its lease, where its watchdog resets it before it can wake; or for a moment, and all is as before.
sub freeze_primary_node
{
	my ($self, $standing) = @_;
	return $self->freeze_node($standing->{primary}, $self->{lease} * rand 0.5) if rand() < 0.2 && $self->{counts}{freeze_primary_node};
	return $self->freeze_node($standing->{primary}, $self->a_while, $self->{watchdog});
}

# Mostly the one that commits wait for.
sub freeze_standby_node
{
	my ($self, $standing) = @_;
	return $self->freeze_node(some($standing->{ rand() < 0.7 ? 'promotable' : 'streaming' }), $self->a_while);
}

# Its packets are lost, or its connections refused.
sub cut_from_etcd
{
	my ($self, $node) = @_;
	my ($number) = $node->{name} =~ /(\d+)/;
	my ($relay) = grep { $_->{name} eq "relay-$number" } $self->{processes}->running('relay') or return;
	my $seconds = $self->a_while;
	if (rand() < 0.5) { $relay->{away} = $seconds; kill 'KILL', $relay->{pid}; $self->undo_after($seconds, sub { return 1 }); }
	else { my $pid = $relay->{pid}; kill 'STOP', $pid; $self->undo_after($seconds, sub { kill 'CONT', $pid; return 1 }); }
	return;
}

sub cut_primary_from_etcd { my ($self, $standing) = @_; return $self->cut_from_etcd($standing->{primary}) }
sub cut_standby_from_etcd { my ($self, $standing) = @_; return $self->cut_from_etcd(some($standing->{streaming})) }

sub switch_over
{
	my ($self, $standing) = @_;
	my $candidate = some($standing->{promotable});
	my $answer = HTTP::Tiny->new(timeout => 60)->request('POST', "http://127.0.0.1:$standing->{primary}{api}/switchover",
		{ content => JSON::PP::encode_json({ leader => $standing->{primary}{name}, candidate => $candidate->{name} }) });
	$self->{record}->write('switchover', $candidate->{name}, $answer->{status}, $answer->{content});
	return;
}

# It goes on receiving, and tells of the past.
sub pause_replay
{
	my ($self, $standing) = @_;
	for my $node (rand() < 0.5 ? @{ $standing->{streaming} } : some($standing->{streaming}))
	{
		$self->{nodes}->ask($node, 'select pg_wal_replay_pause()');
		# a node that is away, or has been promoted, begins without
		$self->undo_after(rand 2 * $self->{lease}, sub { $self->{nodes}->ask($node, 'select pg_wal_replay_resume() where pg_is_in_recovery()'); return 1 });
	}
	return;
}

sub kill_gateway
{
	my ($self) = @_;
	my @gateways = $self->{processes}->running('gateway') or return;
	kill 'KILL', some(\@gateways)->{pid};
	return;
}

1;
