# A launcher in SQL: a session that boots, offers connections, and admits, claims, starts and settles runs in random order,
# many in one transaction or one at a time, and leaves anywhere: in the middle of a transaction, between COMMIT and its
# answer, with runs in every state. When its session is lost it rejoins its boot or boots anew, and goes on with what it
# had, which may have been ended meanwhile.

package Chaos::Launcher;

use strict;
use warnings;

use Chaos::Record;
use Chaos::Session;
use JSON::PP ();
use List::Util qw(shuffle);
use Time::HiRes qw(sleep);

*quote = \&Chaos::Session::quote;
*array = \&Chaos::Session::array;

my @steps = ((admit => 40), (claim => 50), (start => 50), (settle => 50), (event => 8), (fence => 4), (launch_failed => 3),
	(cancel => 3), (extend => 3), (unoffered => 4), (reconcile => 1), (leave => 1));
my @deck = map { ($steps[ 2 * $_ ]) x $steps[ 2 * $_ + 1 ] } 0 .. $#steps / 2;

# cluster, folder, name, life, seed, connections (names), pause (seconds between steps, on average)
sub run
{
	my (%option) = @_;
	srand $option{seed};
	my $self = bless {
		%option, record => Chaos::Record->new($option{folder}, $option{name}), count => 0,
		claimed => {}, started => {}, again => [], next => int rand 1000 }, __PACKAGE__;
	$self->{stop} = 0;
	local $SIG{TERM} = sub { $self->{stop} = 1 };
	until ($self->{stop})
	{
		if (!$self->{session} || $self->{session}->is_lost) { $self->attach; next; }
		my $step = $deck[ rand @deck ];
		$self->$step;
		sleep(rand 2 * $self->{pause});
	}
	return;
}

# ---- the session ----------------------------------------------------------------------------------------------------

sub attach
{
	my ($self) = @_;
	my $session = $self->{session} = Chaos::Session->connect($self->{cluster}, $self->{name});
	if (!$session) { sleep 0.05; return; }
	# admissions and endings must be durable even so
	$session->query('set synchronous_commit = off') if rand() < 0.3;
	if ($self->{epoch} && rand() < 0.6)
	{
		my $answer = $session->query("select pdpp_controller_rejoin('$self->{epoch}')");
		return if $answer->{lost};
		$self->{record}->write('rejoin', $self->{epoch}, $answer->{error} ? $answer->{error}{message} : 'ok');
		return unless $answer->{error};
	}
	my $answer = $session->query('select pdpp_controller_boot(' . quote($self->{name}) . q{)->>'boot_epoch'});
	if (!$answer->{lost} && !$answer->{error})
	{
		$self->{epoch} = $answer->{rows}[0][0];
		$self->{record}->write('boot', $self->{epoch}, $session->pid);
		my @offer = map { { connector_instance_id => $_, connector_id => $self->{name} } } @{ $self->{connections} };
		$answer = $session->query('select pdpp_controller_offer(' . quote(JSON::PP::encode_json(\@offer)) . ')');
	}
	return if $answer->{lost};
	if ($answer->{error}) { $self->{record}->write('no boot', $answer->{error}{message}); $session->cut; sleep 0.05; }
	return;
}

# Makes one statement. Sometimes it is a transaction of its own kind: rolled back, or cut before or at its COMMIT. Gives the
# rows if it has committed and its writer knows.
sub ask
{
	my ($self, $sql) = @_;
	my $session = $self->{session};
	my $fate = rand;
	if ($fate < 0.9)
	{
		if ($fate < 0.003) { $session->send_query($sql); sleep rand 0.005; $session->cut; return; }
		my $answer = $session->query($sql);
		$self->{error} = $answer->{error};
		return $answer->{lost} || $answer->{error} ? undef : $answer->{rows};
	}
	return if $session->query('begin')->{lost};
	my $answer = $session->query($sql);
	return if $answer->{lost};
	$self->{error} = $answer->{error};
	sleep rand 0.02 if rand() < 0.2;
	if ($fate < 0.906) { $session->send_query('commit') if rand() < 0.7; sleep rand 0.005; $session->cut; return; }
	if ($answer->{error} || $fate < 0.92) { $session->query('rollback'); return; }
	my $end = $session->query('commit');
	return if $end->{lost} || $end->{error} || $end->{tag} ne 'COMMIT';
	return $answer->{rows};
}

# ---- steps ----------------------------------------------------------------------------------------------------------

# Now and then: about as long as runs take here.
sub a_time { my ($chance) = @_; return rand() < $chance ? int(50 + rand 2000) . ' milliseconds' : undef }

sub some { my ($hash) = @_; my @all = shuffle keys %$hash; return sort splice @all, 0, 1 + int rand 24 }

# One connection after the other: the run before on it has probably ended.
sub admit
{
	my ($self) = @_;
	# others admit on these connections too: most runs should get to run
	return $self->claim if $self->{behind} && rand() < 0.7;
	my $all = $self->{connections};
	return $self->admit_on(map { $all->[ $self->{next}++ % @$all ] } 1 .. 1 + int rand 16);
}

# Connections that nobody offers: their runs end at the launch deadline, or are cancelled.
sub unoffered { my ($self) = @_; return $self->admit_on(map { $self->{unoffered}[ rand @{ $self->{unoffered} } ] } 1 .. 1 + int rand 4) }

sub admit_on
{
	my ($self, @connections) = @_;
	return if keys %{ $self->{claimed} } > 200;
	my %chosen = map { $_ => 1 } @connections;
	# a launcher names its runs, or leaves that to the server; with a key it can ask again
	my @batch = map {
		my $name = "$self->{name}-$self->{life}-" . ++$self->{count};
		{ connection => $_, run_id => rand() < 0.5 ? "run_$name" : undef, key => rand() < 0.5 ? "key_$name" : undef, timeout => a_time(0.1) }
	} sort keys %chosen;
	@batch = splice @{ $self->{again} } if @{ $self->{again} };
	return if $self->admit_all(@batch);
	if ($self->{session}->is_lost) { $self->{again} = [ grep { $_->{key} } @batch ]; return; }
	$self->admit_all($_) for @batch > 1 ? @batch : ();
	return;
}

sub admit_all
{
	my ($self, @batch) = @_;
	my @column = map { my $name = $_; array(map { $_->{$name} } @batch) } qw(connection run_id key timeout);
	my $rows = $self->ask("select pdpp_run_now('chaos', c, r, k, timeout => t::interval)->>'run_id' from unnest($column[0], $column[1], $column[2], $column[3]) as a (c, r, k, t)")
	  or return 0;
	for my $index (0 .. $#batch)
	{
		$self->{record}->write('ack', $rows->[$index][0], 'sql', @{ $batch[$index] }{qw(connection key)});
	}
	return 1;
}

sub claim
{
	my ($self) = @_;
	return if keys %{ $self->{claimed} } > 100;
	my $most = 1 + int rand 24;
	my $rows = $self->ask("select pdpp_run_claim()->>'run_id' from generate_series(1, $most)") or return;
	my @runs = grep { defined } map { $_->[0] } @$rows;
	$self->{behind} = @runs == $most;
	@{ $self->{claimed} }{@runs} = ();
	$self->{record}->write('claimed', $_) for @runs;
	return;
}

sub start
{
	my ($self) = @_;
	my @runs = some($self->{claimed}) or return;
	my @alone = @runs > 1 && !$self->start_all(@runs) && !$self->{session}->is_lost ? @runs : @runs == 1 ? @runs : ();
	for my $run (@alone)
	{
		delete $self->{error};
		$self->start_all($run);
		last if $self->{session}->is_lost;
		# ended meanwhile
		delete $self->{claimed}{$run} if $self->{error} && $self->{error}{code} =~ /^PT/;
	}
	return;
}

sub start_all
{
	my ($self, @runs) = @_;
	$self->ask('select pdpp_run_started(r, event_id => $$start $$ || r, timeout => ' . quote(a_time(0.1)) . ') from unnest(' . array(@runs) . ') as r') or return 0;
	delete @{ $self->{claimed} }{@runs};
	@{ $self->{started} }{@runs} = ();
	$self->{record}->write('started', $_) for @runs;
	return 1;
}

sub settle
{
	my ($self) = @_;
	my @runs = some($self->{started}) or return;
	my %outcome = map { $_ => $self->{started}{$_} //= (qw(completed completed completed failed cancelled))[ rand 5 ] } @runs;
	my $rows = $self->ask('select r, a->>$$settled$$, a->>$$status$$ from unnest(' . array(@runs) . ', '
		  . array(@outcome{@runs}) . ') as u (r, o), lateral pdpp_run_settle(r, o, event_id => $$settle $$ || r) as a') or return;
	$self->told($_->[0], $_->[1] eq 'true' ? $outcome{ $_->[0] } : '', $_->[2]) for @$rows;
	delete @{ $self->{started} }{@runs};
	return;
}

# What the answer to a settle says must be true for ever.
sub told { my ($self, $run, $asked, $stands) = @_; $self->{record}->write('settled', $run, $asked, $stands); return }

sub event
{
	my ($self) = @_;
	my ($run) = some($self->{started}) or return;
	my $name = 'event ' . ++$self->{count} . " of life $self->{life}";
	$self->ask('select pdpp_run_event(' . join(', ', quote($run), q('run.progress_reported'), q('{"count": 1}'), quote($name)) . ')');
	return;
}

sub fence
{
	my ($self) = @_;
	my ($run) = some($self->{started}) or return;
	$self->ask('select pdpp_run_fence(' . quote($run) . ')');
	return;
}

# More time, where there is a deadline.
sub extend
{
	my ($self) = @_;
	my ($run) = some($self->{started}) or return;
	$self->ask('select pdpp_run_extend(' . quote($run) . ', ' . quote(a_time(1)) . ')');
	return;
}

sub launch_failed
{
	my ($self) = @_;
	my ($run) = some($self->{claimed}) or return;
	my $rows = $self->ask('select pdpp_run_launch_failed(' . quote($run) . q{, 'the chaos program gave up')->>'status'}) or return;
	$self->told($run, '', $rows->[0][0]);
	delete $self->{claimed}{$run};
	return;
}

sub cancel
{
	my ($self) = @_;
	my ($run) = some(rand() < 0.5 ? $self->{claimed} : $self->{started}) or return;
	$self->ask('select pdpp_run_cancel(' . quote($run) . q{, 'chaos')});
	return;
}

sub reconcile { my ($self) = @_; $self->ask('select pdpp_reconcile()'); return }

# The client is gone; the process goes on with another session, or forgets all it had.
sub leave
{
	my ($self) = @_;
	return if rand() < 0.5;
	$self->{session}->cut;
	@{$self}{qw(claimed started epoch)} = ({}, {}, undef) if rand() < 0.5;
	return;
}

1;
