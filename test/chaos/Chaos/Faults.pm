# What is killed, and when: dealt by a seeded generator. Each fault has its turn before any comes a second time, so that a
# short run has seen them all; after that, the cheap ones come more often than those that stop everything.

package Chaos::Faults;

use strict;
use warnings;

use List::Util qw(shuffle);
use POSIX ();
use Time::HiRes qw(sleep time);

my %often = (
	kill_launcher => 7, kill_controller => 5, kill_gateway => 3, terminate_backend => 12, terminate_worker => 2,
	freeze_controller => 2, freeze_for_good => 3, kill_backend => 2, kill_postmaster => 1, immediate_shutdown => 1, kill_pool => 2, read_only => 2, step_clock => 3,
	cancel_worker => 1, alter_tables => 4, fill_queue => 2);

# What an index that is built concurrently leaves behind where that fails, as it does with many events and little time: whoever
# builds it takes it away.
my $drop_invalid = q(do $$ declare name text; begin
	for name in select indexrelid::regclass from pg_index where not indisvalid and indrelid in ('pdpp.spine_events'::regclass, 'pdpp.controller_active_runs'::regclass) loop
		execute 'drop index ' || name;
	end loop; end $$);

# What somebody does to the tables while they are at work, each undone by its second half.
my @alterations = (
	[ 'create index concurrently chaos_text on pdpp.spine_events (client_id)', 'drop index if exists pdpp.chaos_text' ],
	[ 'reindex index concurrently pdpp.spine_events_lifecycle', $drop_invalid ],
	[ 'reindex table concurrently pdpp.controller_active_runs', $drop_invalid ],
	[ 'alter table pdpp.spine_events add chaos text', 'alter table pdpp.spine_events drop chaos' ],
	[ 'alter table pdpp.controller_active_runs add chaos text', 'alter table pdpp.controller_active_runs drop chaos' ],
	[ 'alter table pdpp.spine_events alter version set default 2', 'alter table pdpp.spine_events alter version drop default' ],
	[ 'vacuum full pdpp.controller_active_runs' ],
	[ 'analyze pdpp.connections', 'analyze pdpp.spine_events' ]);

# cluster, processes (Chaos::Processes), record, grace (seconds), gap (seconds between faults, on average), pool (its pid, as code;
# undef without one), clock (the file that says how far the server's clock is ahead; undef: it cannot be set), queue (whether
# the server's queue of notifications is small enough to be filled)
sub new
{
	my ($class, %option) = @_;
	my $self = bless { %option, kills => {}, outages => [], thaw => {}, frozen => [], undo => {}, steps => [] }, $class;
	delete local $often{kill_pool} unless $self->{pool};
	delete local $often{step_clock} unless $self->{clock};
	delete local $often{fill_queue} unless $self->{queue};
	$self->{faults} = [ map { ($_) x $often{$_} } sort keys %often ];
	# each once, to begin with; the server and a launcher early, so that the shortest of runs has seen both die
	my ($outage) = shuffle qw(kill_backend kill_postmaster immediate_shutdown);
	my ($launching) = shuffle qw(kill_launcher kill_controller);
	my @others = shuffle grep { $_ ne $outage && $_ ne $launching } sort keys %often;
	$self->{deck} = [ shuffle($outage, $launching, splice @others, 0, 2), @others ];
	return $self;
}

sub next_gap { my ($self) = @_; return -$self->{gap} * log(1 - rand) }

sub strike
{
	my ($self) = @_;
	$self->{deck} = [ shuffle @{ $self->{faults} } ] unless @{ $self->{deck} };
	my $fault = shift @{ $self->{deck} };
	# one that finds nothing to strike just now comes again later
	my $struck = $self->$fault;
	if ($struck) { $self->{kills}{$struck}++; }
	else { push @{ $self->{deck} }, $fault; }
	return $struck;
}

sub kill_launcher { my ($self) = @_; return $self->kill_one('launcher') && 'launcher SIGKILL' }
sub kill_controller { my ($self) = @_; return $self->kill_one('controller') && 'controller SIGKILL' }
sub kill_gateway { my ($self) = @_; return $self->kill_one('gateway') && 'gateway SIGKILL' }

# Back at once, or after the guard has had to find it dead.
sub kill_one
{
	my ($self, $kind) = @_;
	my ($slot) = shuffle grep { !$self->{thaw}{ $_->{name} } } $self->{processes}->running($kind) or return;
	$slot->{away} = $kind eq 'gateway' ? rand 0.5 : rand() < 0.4 ? 0 : $self->{grace} * (1.5 + rand 2);
	kill 'KILL', $slot->{pid};
	$self->{record}->write('kill', $slot->{name}, $kind);
	return 1;
}

# Frozen beyond the grace. With its sessions taken away it is dead by then, and must find out; with them it is alive, however
# slow.
sub freeze_controller
{
	my ($self) = @_;
	my ($slot) = shuffle grep { !$self->{thaw}{ $_->{name} } } $self->{processes}->running('controller') or return;
	kill 'STOP', $slot->{pid};
	$self->{thaw}{ $slot->{name} } = { pid => $slot->{pid}, at => time + $self->{grace} * (1.5 + rand) };
	my $alone = rand() < 0.7;
	$self->{record}->write('freeze', $slot->{name}, $alone ? 'without its sessions' : 'with its sessions');
	$self->query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = '$slot->{name}'") if $alone;
	return $alone ? 'controller SIGSTOP, sessions SIGTERM' : 'controller SIGSTOP';
}

# It stands still from now on, and keeps its sessions: nothing proves its death, and only their deadlines end its runs. Another
# takes its place, its connections and its name.
sub freeze_for_good
{
	my ($self, $slot) = @_;
	($slot) = shuffle $self->{processes}->running('doomed') unless $slot;
	return unless $slot;
	kill 'STOP', $slot->{pid};
	push @{ $self->{frozen} }, delete $slot->{pid};
	$slot->{back_at} = time + rand 2;
	$self->{record}->write('freeze', $slot->{name}, 'for good');
	return 'controller SIGSTOP for good';
}

# Once nothing depends on it any more: they find out, and end as they should.
sub wake_frozen
{
	my ($self, $patience) = @_;
	my $deadline = time + $patience;
	for my $pid (@{ $self->{frozen} })
	{
		kill 'CONT', $pid;
		kill 'TERM', $pid;
	}
	for my $pid (@{ $self->{frozen} })
	{
		until (waitpid($pid, POSIX::WNOHANG) != 0)
		{
			kill 'KILL', $pid if time > $deadline;
			sleep 0.02;
		}
	}
	$self->{frozen} = [];
	return;
}

sub thaw
{
	my ($self, $all) = @_;
	for my $name (keys %{ $self->{thaw} })
	{
		next unless $all || time > $self->{thaw}{$name}{at};
		kill 'CONT', $self->{thaw}{$name}{pid};
		delete $self->{thaw}{$name};
	}
	# what could not be undone is tried again, at the end until it is
	for my $name (sort keys %{ $self->{undo} })
	{
		my $undo = $self->{undo}{$name};
		next unless $all || time > $undo->{at};
		sleep 0.1 until $undo->{by}->() || !$all;
		delete $self->{undo}{$name} if $undo->{done};
	}
	return;
}

# What will be undone after so many seconds, more or less: `by` says whether it is.
sub undo_after
{
	my ($self, $name, $seconds, $by) = @_;
	my $undo = $self->{undo}{$name} = { at => time + $seconds * (0.5 + rand) };
	$undo->{by} = sub { $undo->{done} = $by->() };
	return;
}

# Nobody can write for a while, as when a disk is nearly full and somebody has pulled the brake.
sub read_only
{
	my ($self) = @_;
	return if $self->{undo}{read_only} || !$self->command('alter system set default_transaction_read_only = on');
	$self->command('select pg_reload_conf()');
	$self->{record}->write('read-only', 'on');
	$self->undo_after('read_only', 1,
		sub { $self->command('alter system reset default_transaction_read_only') && $self->command('select pg_reload_conf()') });
	return 'read-only moment';
}

# The server's clock jumps, by minutes at most, ahead or back.
sub step_clock
{
	my ($self) = @_;
	my $off = int((rand() < 0.5 ? -1 : 1) * (5 + rand 300));
	$off = 0 if rand() < 0.3;
	# in its place: the server has it mapped
	open my $file, '+<', $self->{clock} or die "$self->{clock}: $!\n";
	syswrite $file, pack 'q', $off;
	close $file;
	push @{ $self->{steps} }, [ time, $off ];
	$self->{record}->write('step', $off);
	return 'clock step';
}

sub kill_pool
{
	my ($self) = @_;
	my $pid = $self->{pool}->() or return;
	$self->{record}->write('kill', 'pool', $pid);
	return kill('KILL', $pid) && 'pool SIGKILL';
}

# A session listens and stays within a transaction; the queue is full until it goes.
sub fill_queue
{
	my ($self) = @_;
	return if $self->{undo}{queue};
	my $listener = Chaos::Session->connect($self->{cluster}, 'listener') or return;
	my $answer = $listener->query('listen chaos');
	$answer = $listener->query('begin; select 1') unless $answer->{lost} || $answer->{error};
	return if $answer->{lost} || $answer->{error};
	# until the server has no room
	$self->command(q(do $$ begin loop perform pg_notify('chaos', clock_timestamp() || repeat('x', 7900)); commit; end loop; end $$));
	$self->{record}->write('queue', 'full');
	$self->undo_after('queue', 1, sub { $listener->cut; return 1 });
	return 'NOTIFY queue full';
}

sub alter_tables
{
	my ($self) = @_;
	return if $self->{undo}{alteration};
	my ($do, $undo) = @{ $alterations[ rand @alterations ] };
	# whoever alters a table that is at work takes its lock quickly, or not at all
	my $session = Chaos::Session->connect($self->{cluster}, 'judge') or return;
	$session->query('set lock_timeout = 300');
	$session->query('set statement_timeout = 5000');
	my $answer = $session->query($do);
	my $failed = $answer->{lost} || $answer->{error};
	$self->undo_after('alteration', 0.5, sub { $self->command($undo) }) if $undo && (!$failed || $do =~ / concurrently /);
	return if $failed;
	$self->{record}->write('altered', $do);
	return 'table altered';
}

# A statement that must be done, once there is a server to do it.
sub command
{
	my ($self, $sql) = @_;
	$self->{session} = undef if $self->{session} && $self->{session}->is_lost;
	$self->{session} //= Chaos::Session->connect($self->{cluster}, 'chaos') or return 0;
	my $answer = $self->{session}->query($sql);
	return !$answer->{lost} && !$answer->{error};
}

sub cancel_worker { my ($self) = @_; return $self->signal_backend('INT', q(backend_type like 'pdpp%')) && 'worker SIGINT' }
sub terminate_backend { my ($self) = @_; return $self->signal_backend('TERM', q(backend_type = 'client backend')) && 'backend SIGTERM' }
sub terminate_worker { my ($self) = @_; return $self->signal_backend('TERM', q(backend_type like 'pdpp%')) && 'worker SIGTERM' }

# The server ends everybody and recovers. Sometimes it does not get that far.
sub kill_backend
{
	my ($self) = @_;
	my $began = time;
	$self->signal_backend('KILL', q(backend_type in ('client backend', 'pdpp worker', 'walwriter', 'checkpointer'))) or return;
	if (rand() < 0.2)
	{
		sleep rand 0.3;
		kill 'KILL', $self->{cluster}->postmaster // return;
		$self->{kills}{'postmaster SIGKILL while it recovers'}++;
		$self->{cluster}->start;
	}
	$self->outage($began);
	return 'backend SIGKILL';
}

sub kill_postmaster { my ($self) = @_; return $self->end_server('KILL') && 'postmaster SIGKILL' }
sub immediate_shutdown { my ($self) = @_; return $self->end_server('QUIT') && 'immediate shutdown' }

sub end_server
{
	my ($self, $signal) = @_;
	my $began = time;
	my $pid = $self->{cluster}->postmaster or return;
	kill $signal, $pid;
	$self->{record}->write('kill', 'postmaster', $signal);
	sleep 0.02 while time < $began + 60 && kill 0, $pid;
	sleep rand 0.5;
	$self->{cluster}->start;
	$self->outage($began);
	return 1;
}

# Until it is open again, and nobody can be declared dead for a grace from then.
sub outage
{
	my ($self, $began) = @_;
	$self->{session} = undef;
	# the server may not have noticed yet that one of its processes is gone
	sleep 0.1;
	$self->{session} = $self->{cluster}->await_session('chaos');
	push @{ $self->{outages} }, [ $began, time ];
	$self->{record}->write('outage', $began, time);
	return;
}

sub signal_backend
{
	my ($self, $signal, $which) = @_;
	my @pids = $self->query(qq{select pid, application_name, backend_type from pg_stat_activity
		where pid <> pg_backend_pid() and application_name not in ('judge') and ($which) order by pid}) or return;
	my ($pid, $name, $type) = @{ $pids[ rand @pids ] };
	$self->{record}->write('signal', $signal, $pid, $name || $type);
	return kill $signal, $pid;
}

sub query
{
	my ($self, $sql) = @_;
	$self->{session} = undef if $self->{session} && $self->{session}->is_lost;
	$self->{session} //= Chaos::Session->connect($self->{cluster}, 'chaos') or return;
	my $answer = $self->{session}->query($sql);
	return if $answer->{lost} || $answer->{error};
	return @{ $answer->{rows} };
}

1;
