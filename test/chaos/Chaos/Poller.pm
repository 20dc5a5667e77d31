# Whoever holds the handles: polls each of them from its acknowledgement until its run has ended, and afterwards, in SQL and
# through the gateways. One process and one thing after the other, so that an answer that comes later is a later one, over
# whatever way it came.

package Chaos::Poller;

use strict;
use warnings;

use Chaos::Client;
use Chaos::Record;
use Chaos::Session;
use JSON::PP ();
use List::Util qw(min shuffle);
use Time::HiRes qw(sleep time);

my $terminal = qr/^(?:completed|failed|cancelled|abandoned)$/;

# cluster, folder, seed, urls, ahead (those that read endings from standbys: url => 1), token, healed (a file that says that no faults and no admissions come any more),
# patience (seconds from then until every run must have ended)
sub run
{
	my (%option) = @_;
	srand $option{seed};
	my $self = bless {
		%option, record => Chaos::Record->new($option{folder}, 'poller'), positions => {}, handles => {}, active => {},
		ended => [], gateways => [ map { Chaos::Client::agent($option{token}) } @{ $option{urls} } ],
		count => { sql => 0, http => 0, after_end => 0, no_answer => 0 } }, __PACKAGE__;
	my $healed_at;
	while (1)
	{
		my $began = time;
		my $was_healed = -e $self->{healed};
		$self->read_record;
		$self->round;
		if ($was_healed)
		{
			$healed_at //= time;
			last if !%{ $self->{active} } || time > $healed_at + $self->{patience};
		}
		sleep min(0.2, 0.02 + (time - $began));    # half of the time, so that others can work
	}
	$self->conclude;
	return;
}

sub read_record
{
	my ($self) = @_;
	Chaos::Record::follow($self->{folder}, $self->{positions}, sub {
		my ($at, $kind, $run, $source) = @_;
		return if $kind ne 'ack' || $self->{handles}{$run};    # a repeated request acknowledges once more
		$self->{handles}{$run} = { at => $at, source => $source, polls => 0 };
		$self->{active}{$run} = 1;
	});
	return;
}

sub round
{
	my ($self) = @_;
	my @active = shuffle keys %{ $self->{active} };
	my @few = splice @{ [@active] }, 0, 15;
	my @after = map { $self->{ended}[ rand @{ $self->{ended} } ] } 1 .. min(50, scalar @{ $self->{ended} });
	my @work = ((map { my $run = $_; sub { $self->ask_http($run) } } @few, splice @{ [@after] }, 0, 5),
		sub { $self->ask_sql(@active) }, sub { $self->ask_sql(@after) });
	$_->() for shuffle @work;
	return;
}

sub ask_sql
{
	my ($self, @runs) = @_;
	while (my @part = splice @runs, 0, 500)
	{
		$self->{session} = undef if $self->{session} && $self->{session}->is_lost;
		$self->{session} //= Chaos::Session->connect($self->{cluster}, 'poller') or return;
		my $asked_at = time;
		my $answer = @part == 1
		  ? $self->{session}->query('select 1, pdpp_run_status(' . Chaos::Session::quote($part[0]) . ')')
		  : $self->{session}->query('select ordinal, body from pdpp_run_statuses(' . Chaos::Session::array(@part) . ')');
		if ($answer->{lost} || $answer->{error}) { $self->{count}{no_answer}++; next; }
		$self->{count}{sql} += @part;
		$self->saw('sql', $part[ $_->[0] - 1 ], $_->[1], $asked_at) for @{ $answer->{rows} };
	}
	return;
}

sub ask_http
{
	my ($self, $run) = @_;
	my $which = int rand @{ $self->{urls} };
	my $way = $self->{ahead}{ $self->{urls}[$which] } ? 'standbys' : 'http';
	my $path = "$self->{urls}[$which]/_ref/runs/$run";
	my $timeline = rand() < 0.1;
	my $asked_at = time;
	my $answer = $self->{gateways}[$which]->get($timeline ? "$path/timeline" : $path);
	$self->{record}->write('http', $answer->{status}) if $answer->{status} != 200;
	if ($answer->{status} >= 500) { $self->{count}{no_answer}++; return 0; }
	$self->{count}{http}++;
	if ($answer->{status} == 200 && $timeline)
	{
		my $word = JSON::PP::decode_json($answer->{content})->{terminal_status} // 'active';
		my $known = $self->{handles}{$run}{word} // 'active';
		$self->violation('step back', $run, "the timeline says $word after $known") if $known ne 'active' && $word ne $known;
		return 1;
	}
	$self->saw($way, $run, $answer->{content}, $asked_at);
	return 1;
}

# Judges an answer about a handle that was acknowledged before it was asked for.
sub saw
{
	my ($self, $way, $run, $body, $asked_at) = @_;
	my $handle = $self->{handles}{$run};
	my ($word) = $body =~ /"status": ?"(\w+)"/;
	$handle->{polls}++;
	if ($body =~ /"code": ?"not_found"/) { return $self->violation('not found', $run, "$way: $body"); }
	if (!defined $word) { return $self->violation('no status', $run, "$way: $body"); }
	if ($handle->{body})
	{
		$self->{count}{after_end}++;
		return if $body eq $handle->{body};
		return $self->violation($word eq 'active' ? 'step back' : 'changed after its end', $run, "$way: $handle->{body} then $body");
	}
	# what a standby tells of an ending may be ahead of the primary: until that says so as well it is held against itself alone
	my $early = $handle->{early};
	if ($early && $word eq 'active') { $self->violation('ahead of the primary', $run, "standbys: $early then $way: $body"); }
	if ($word =~ $terminal && $early && $body ne $early) { $self->violation('ahead, and lost', $run, "standbys: $early then $way: $body"); }
	return if $word !~ $terminal;
	if ($way eq 'standbys') { $handle->{early} //= $body; return; }
	@{$handle}{qw(body word)} = ($body, $word);
	push @{ $self->{ended} }, $run;
	delete $self->{active}{$run};
	return;
}

# At most one of a kind for a run: it may be polled a thousand times.
sub violation
{
	my ($self, $kind, $run, $detail) = @_;
	$self->{record}->write('violation', $kind, $run, $detail) unless $self->{told}{$kind}{$run}++;
	return;
}

# Every handle once more, both ways, as often as it takes to get an answer.
sub conclude
{
	my ($self) = @_;
	$self->violation('never ended', $_, 'still active') for keys %{ $self->{active} };
	my $deadline = time + $self->{patience} + keys(%{ $self->{handles} }) / 50;
	my %before = map { $_ => $self->{handles}{$_}{polls} } keys %{ $self->{handles} };
	my @left = sort keys %before;
	while (@left && time < $deadline)
	{
		$self->ask_sql(@left);
		@left = grep { $self->{handles}{$_}{polls} == $before{$_} } @left;
	}
	$self->violation('no answer', $_, 'not one at the end') for @left;
	for my $run (sort keys %before)
	{
		until ($self->ask_http($run))
		{
			if (time > $deadline) { $self->violation('no answer', $run, 'no gateway answers'); last; }
			sleep 0.05;
		}
	}
	$self->{record}->write('polls', JSON::PP::encode_json($self->{count}));
	$self->{record}->write('ended');
	return;
}

1;
