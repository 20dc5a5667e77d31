# What is concluded once everything has healed: what was acknowledged, against what the database holds.

package Chaos::Verdict;

use strict;
use warnings;

use Chaos::Record;
use Chaos::Session;
use JSON::PP ();

# What must hold of every handle, whatever befell it, each with the kinds of violation that say otherwise.
our @promises = (
	[ 'no reader of an acknowledged handle saw not_found', 'not found' ],
	[ 'every answer was a status', 'no status', 'no answer' ],
	[ 'no reader saw a step back', 'step back' ],
	[ 'what is known of an ended run never changes', 'changed after its end' ],
	[ 'every run has ended, acknowledged or not', 'never ended', 'still in flight' ],
	[ 'every run has exactly one terminal event', 'not one ending' ],
	[ 'the guard ended nothing that lived', 'alive and ended' ],
	[ 'what a writer was told about an ending stands', 'a settle that was told otherwise' ],
	[ 'one idempotency key, one run', 'another answer to one key' ],
	[ 'whoever waits or follows is told the one ending', 'told nothing', 'told otherwise' ],
	[ 'pdpp_check() is empty', 'pdpp_check' ]);

# cluster, folder, outages ([from, to]…), steps ([when, seconds ahead]…), grace and interval (seconds)
sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		%option, handles => {}, keys => {}, settled => {}, violations => {}, http => {}, kills => [], polls => {}, acks => {}, checks => 0, told => {}, breaks => {} }, $class;
	my %visit = (
		ack => sub { my ($at, $run, $way, $connection, $key) = @_; $self->acknowledged($run, $way, $key) },
		settled => sub { my ($at, $run, $asked, $stands) = @_; push @{ $self->{settled}{$run} }, [ $asked, $stands ] },
		violation => sub { my ($at, $kind, $run, $detail) = @_; $self->violation($kind, $run, $detail) },
		http => sub { my ($at, $status) = @_; $self->{http}{$status}++ },
		kill => sub { my ($at, $name, $kind) = @_; push @{ $self->{kills} }, [ $at, $name ] if $kind =~ /^(?:launcher|controller)$/ },
		polls => sub { my ($at, $json) = @_; $self->{polls} = JSON::PP::decode_json($json) },
		follows => sub { my ($at, $run, $way) = @_; $self->{told}{$way}{$run} //= undef },
		told => sub { my ($at, $run, $way, $body) = @_; $self->{ahead}{$run} = 1 if $way =~ s/ by standbys$//; $self->{told}{$way}{$run} = $body },
		break => sub { my ($at, $run, $way) = @_; $self->{breaks}{$way}++ },
		checked => sub { $self->{checks}++ },
		ended => sub { $self->{poller_ended} = 1 });
	Chaos::Record::follow($self->{folder}, {}, sub { my ($at, $kind, @rest) = @_; $visit{$kind}->($at, @rest) if $visit{$kind} });
	return $self;
}

sub violation { my ($self, $kind, $run, $detail) = @_; push @{ $self->{violations}{$kind} }, [ $run, $detail ]; return }

sub acknowledged
{
	my ($self, $run, $way, $key) = @_;
	$self->{acks}{$way}++ unless $self->{handles}{$run};
	$self->{handles}{$run} = $way;
	return unless length($key // '');
	my $first = $self->{keys}{$key} //= $run;
	$self->violation('another answer to one key', $run, "key $key was given $first before") if $first ne $run;
	return;
}

# Everything is asked for without an index too: after a crash the two must agree.
sub examine
{
	my ($self) = @_;
	my $cluster = $self->{cluster};
	$cluster->rows('create unlogged table public.acknowledged (run_id text collate "C")');
	my @all = sort keys %{ $self->{handles} };
	while (my @part = splice @all, 0, 5000)
	{
		$cluster->rows('insert into public.acknowledged select unnest(' . Chaos::Session::array(@part) . ')');
	}
	$cluster->rows('analyze public.acknowledged; analyze pdpp.spine_events');
	my $ends = q('run.completed', 'run.failed', 'run.cancelled', 'run.abandoned');
	for my $scan ('on', 'off')
	{
		my $set = "set enable_indexscan = $scan; set enable_indexonlyscan = $scan; set enable_bitmapscan = $scan;";
		$self->violation('not one ending', $_->[0], "$_->[1] terminal events (index scans $scan)") for $cluster->rows(
			"$set select run_id, count(e.run_id) from public.acknowledged as a
			 left join (select run_id from pdpp.spine_events where event_type in ($ends)) as e using (run_id)
			 group by run_id having count(e.run_id) <> 1");
		$self->violation('not one ending', $_->[0], "$_->[1] terminal events, never acknowledged (index scans $scan)")
		  for $cluster->rows("$set select run_id, count(*) filter (where event_type in ($ends)) from pdpp.spine_events as e
			 where not exists (select from public.acknowledged as a where a.run_id = e.run_id)
			 group by run_id having count(*) filter (where event_type in ($ends)) <> 1");
	}
	$self->violation('still in flight', @$_) for $cluster->rows(
		q(select run_id, 'a row of flight state' from pdpp.controller_active_runs));
	$self->violation('alive and ended', @$_) for $cluster->rows(
		q(select e.run_id, 'abandoned by the guard, though boot ' || b.boot_epoch || ' was never dead'
		  from pdpp.spine_events as e join pdpp.controller_boots as b on b.boot_epoch::text = e.data_json->>'original_boot_epoch'
		  where e.event_type = 'run.abandoned' and b.dead_at is null
		  union all
		  select e.run_id, 'launch_failed by the guard, though it had started'
		  from pdpp.spine_events as e join pdpp.spine_events as s using (run_id)
		  where e.event_type = 'run.failed' and s.event_type = 'run.started'
		    and e.data_json->>'message' ~ '^(not claimed by any|claimed by controller|controller \\S+ terminated before)'));
	$self->violation('pdpp_check', $_->[1], "$_->[0]: $_->[2]")
	  for $cluster->rows(q(select invariant, coalesce(run_id, ''), detail from pdpp_check()));
	$self->violation('unreadable and completed', @$_) for $cluster->rows(
		q(select run_id, data_json::text from pdpp.spine_events where event_type = 'run.completed' and actor_id = 'garbled'));
	my %run_of = map { @$_ } $cluster->rows('select key, run_id from pdpp.idempotency_keys');
	for my $key (sort keys %{ $self->{keys} })
	{
		my $run = $run_of{$key} // 'nothing';
		$self->violation('another answer to one key', $self->{keys}{$key}, "key $key is on record for $run") if $run ne $self->{keys}{$key};
	}
	my %ended = map { @$_ } $cluster->rows("select run_id, substr(min(event_type), 5) from pdpp.spine_events where event_type in ($ends) group by run_id");
	for my $run (sort keys %{ $self->{settled} })
	{
		for my $told (@{ $self->{settled}{$run} })
		{
			my ($asked, $said) = @$told;
			my $stands = $ended{$run} // 'nothing';
			$self->violation('a settle that was told otherwise', $run, "it was told $said, $stands stands")
			  if $said ne $stands || ($asked && $asked ne $stands);
		}
	}
	for my $way (sort keys %{ $self->{told} })
	{
		my $told = $self->{told}{$way};
		my @runs = sort keys %$told;
		while (my @part = splice @runs, 0, 5000)
		{
			for my $row ($cluster->rows('select run_id, body from pdpp_run_statuses(' . Chaos::Session::array(@part) . ')'))
			{
				my ($run, $stands) = @$row;
				if (!defined $told->{$run}) { $self->violation('told nothing', $run, "$way: $stands stands"); }
				elsif ($told->{$run} ne $stands) { $self->violation($self->{ahead}{$run} ? 'ahead, and lost' : 'told otherwise', $run, "$way: it was told $told->{$run}, $stands stands"); }
			}
		}
	}
	$self->{endings} = [ $cluster->rows(
		"select substr(event_type, 5), coalesce(data_json->>'reason', data_json->>'failure_reason', '-'), count(*)
		 from pdpp.spine_events where event_type in ($ends) group by 1, 2 order by 3 desc, 1, 2") ];
	$self->{by_deadline} = [ $cluster->rows(q(select run_id, data_json->>'reason' from pdpp.spine_events
		where event_type in ('run.failed', 'run.cancelled') and data_json->>'original_controller_id' like 'doomed-%')) ];
	($self->{late}) = @{ ($cluster->rows(q(select count(*) from pdpp.spine_events where event_type = 'run.late_outcome')))[0] };
	($self->{untold}) = @{ ($cluster->rows(q(select count(*) from pdpp.spine_events as e where event_type = 'run.admitted'
		and not exists (select from public.acknowledged as a where a.run_id = e.run_id))))[0] };
	$self->{violations}{'the poller'} = [ [ '', 'did not get to its end' ] ] unless $self->{poller_ended};
	return;
}

# From the SIGKILL of a controller or launcher to each ending that the background worker wrote for it: seconds. Endings that
# the next life of the controller may have written do not count, nor kills where the server was away, or had just come
# back, before the ending was due: which those are does not depend on when it came. Nor do those that the server's clock was not
# right for.
sub detection_times
{
	my ($self) = @_;
	my @times;
	for my $kill (@{ $self->{kills} })
	{
		my ($at, $name) = @$kill;
		next if $self->clock_is_off($at, $at + 10);
		next if grep { $at < $_->[1] + $self->{grace} && $at + $self->{grace} + $self->{interval} + 0.5 > $_->[0] } @{ $self->{outages} };
		push @times, map { $_->[0] } $self->{cluster}->rows(qq{
			with next as (select coalesce(min(booted_at), 'infinity') as boot from pdpp.controller_boots
				where controller_id = '$name' and booted_at > to_timestamp($at)),
			last as (select boot_epoch::text, max(booted_at) over () = booted_at as is_last from pdpp.controller_boots
				where controller_id = '$name' and booted_at <= to_timestamp($at))
			select extract(epoch from e.recorded_at) - $at from pdpp.spine_events as e, next
			where e.recorded_at > to_timestamp($at) and e.recorded_at < next.boot
			  and ((e.event_type = 'run.abandoned' and e.data_json->>'reconciled_by' = 'pdpp_worker'
				and e.data_json->>'original_boot_epoch' in (select boot_epoch from last where is_last))
			    or (e.event_type = 'run.failed' and e.data_json->>'message' = 'controller $name terminated before it started the run'))});
	}
	return sort { $a <=> $b } @times;
}

# Whether the server's clock was other than ours at any moment between the two.
sub clock_is_off
{
	my ($self, $from, $to) = @_;
	my $off = 0;
	for my $step (@{ $self->{steps} })
	{
		last if $step->[0] > $to;
		return 1 if $step->[0] >= $from;
		$off = $step->[1];
	}
	return $off != 0;
}

# All that is known about a run, from every record and from the database.
sub everything_about
{
	my ($self, $run) = @_;
	my @lines;
	for my $file (glob "$self->{folder}/*.record")
	{
		open my $record, '<', $file or next;
		push @lines, map { s/\t/ ($file)\t/r =~ s/\(\S*\//(/r } grep { index($_, "\t$run\t") >= 0 || /\t\Q$run\E$/ } readline $record;
	}
	my $id = Chaos::Session::quote($run);
	push @lines, map { join("\t", @$_) . "\n" } $self->{cluster}->rows(qq{
		select to_char(extract(epoch from recorded_at), 'FM9999999999.000000') || ' (database)', event_seq, event_type, event_id, data_json
		from pdpp.spine_events where run_id = $id order by event_seq});
	push @lines, map { "flight state: $_->[0]\n" } $self->{cluster}->rows(
		"select row_to_json(f) from pdpp.controller_active_runs as f where run_id = $id");
	return sort @lines;
}

# Run by run: what it violates, and all that is known about it. Of very many, the first in full and the others by name.
sub print_violations
{
	my ($self) = @_;
	my %of;
	for my $kind (sort keys %{ $self->{violations} })
	{
		push @{ $of{ $_->[0] } }, "$kind: $_->[1]" for @{ $self->{violations}{$kind} };
	}
	my $shown = 0;
	for my $run (sort { @{ $of{$b} } <=> @{ $of{$a} } || $a cmp $b } keys %of)
	{
		print "\n$run\n", map { "    $_\n" } @{ $of{$run} };
		print map { "        $_" } $self->everything_about($run) if ++$shown <= 20;
	}
	return;
}

1;
