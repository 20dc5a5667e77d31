# Whoever does not poll: waits for the end of one run after the other (Prefer: wait) or follows it as a stream of events, over
# whatever gateway answers, and comes back after each break until it has been told the ending. What it was told is put on
# record, and at the end held against the database.

package Chaos::Follower;

use strict;
use warnings;

use Chaos::Client;
use Chaos::Record;
use Time::HiRes qw(sleep);

# folder, name, seed, urls, ahead (those that read endings from standbys: url => 1), token, way (wait, stream or program); of a
# program its path, its log, the connection string and whether that reads ahead
sub run
{
	my (%option) = @_;
	srand $option{seed};
	my $self = bless {
		%option, record => Chaos::Record->new($option{folder}, $option{name}), positions => {}, stop => 0,
		gateways => [ map { Chaos::Client::agent($option{token}) } @{ $option{urls} } ] }, __PACKAGE__;
	# the run that it follows it follows to its end
	local $SIG{TERM} = sub { $self->{stop} = 1 };
	until ($self->{stop})
	{
		my $run = $self->newest_handle;
		if ($run) { $self->follow($run); }
		else { sleep 0.05; }
	}
	return;
}

# One that was acknowledged since the last call, if there is any: it has the most to tell.
sub newest_handle
{
	my ($self) = @_;
	my ($newest, $latest) = (undef, 0);
	Chaos::Record::follow($self->{folder}, $self->{positions}, sub {
		my ($at, $kind, $run) = @_;
		($newest, $latest) = ($run, $at) if $kind eq 'ack' && $at > $latest;
	});
	return $newest;
}

sub follow
{
	my ($self, $run) = @_;
	$self->{record}->write('follows', $run, $self->{way});
	@{$self}{qw(run told id)} = ($run, undef, undef);
	until ($self->{told})
	{
		my $way = $self->{way};
		my ($status, $body) = $self->$way;
		next if $status == 200;
		return $self->violation('not found', $body) if $status == 404;
		$self->{record}->write('break', $run, $way, $status);
		sleep rand 0.1;
	}
	return;
}

sub get
{
	my ($self, $headers, @callback) = @_;
	my $which = int rand @{ $self->{urls} };
	$self->{is_ahead} = $self->{ahead}{ $self->{urls}[$which] };
	my $answer = $self->{gateways}[$which]->request('GET', "$self->{urls}[$which]/_ref/runs/$self->{run}", { headers => $headers, @callback });
	return @{$answer}{qw(status content)};
}

sub wait
{
	my ($self) = @_;
	my ($status, $body) = $self->get({ Prefer => 'wait=' . (1 + int rand 20) });
	$self->sees($body) if $status == 200;
	return ($status, $body);
}

# By `pdpp wait`, whose exit codes are as good as statuses.
sub program
{
	my ($self) = @_;
	$self->{is_ahead} = $self->{reads_ahead};
	my $pid = open(my $output, '-|') // die "cannot start a process: $!\n";
	if (!$pid)
	{
		open STDERR, '>>', $self->{log} or die "$self->{log}: $!\n";
		exec $self->{program}, '--db', $self->{conninfo}, 'wait', $self->{run}, '--json', '--timeout', 20 or die "cannot run $self->{program}: $!\n";
	}
	my $body = join '', readline $output;
	close $output;
	my $code = $? >> 8;
	chomp $body;
	$self->sees($body) if $code == 0 || $code == 1;
	return ({ 0 => 200, 1 => 200, 3 => 404 }->{$code} // 500 + $code, $body);
}

# Takes each event as it comes, also of a stream that breaks off later, which is no 200: its last chunk is missing.
sub stream
{
	my ($self) = @_;
	my $text = '';
	my @answer = $self->get({ Accept => 'text/event-stream', $self->{id} ? ('Last-Event-ID' => $self->{id}) : () }, data_callback => sub {
		$text .= $_[0];
		while ($text =~ s/\A(.*?)\n\n//s)
		{
			my $block = $1;
			$self->{id} = $1 if $block =~ /^id: (.*)$/m;
			$self->sees($1) if $block =~ /^data: (.*)$/m;
		}
	});
	$self->violation('no status', 'a whole stream without the ending') if $answer[0] == 200 && !$self->{told};
	return @answer;
}

# Judges the next thing that it is told about its run: nothing follows an ending.
sub sees
{
	my ($self, $body) = @_;
	my ($word) = $body =~ /"status": ?"(\w+)"/;
	if (!defined $word) { $self->violation('no status', $body); }
	elsif ($self->{told}) { $self->violation($word eq 'active' ? 'step back' : 'changed after its end', "$self->{told} then $body"); }
	elsif ($word ne 'active')
	{
		$self->{told} = $body;
		$self->{record}->write('told', $self->{run}, $self->{way} . ($self->{is_ahead} ? ' by standbys' : ''), $body);
	}
	return;
}

sub violation { my ($self, $kind, $detail) = @_; return $self->{record}->write('violation', $kind, $self->{run}, "$self->{way}: $detail") }

1;
