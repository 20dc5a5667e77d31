# An owner's program: admits runs through the gateways, asks for them, and cancels some. A request whose answer is lost is
# repeated with its key until it is answered, or left in doubt.

package Chaos::Client;

use strict;
use warnings;

use Chaos::Record;
use HTTP::Tiny;
use JSON::PP ();
use Time::HiRes qw(sleep time);

# folder, name, seed, urls, token, connections (names, the busier ones more often), pause
sub run
{
	my (%option) = @_;
	srand $option{seed};
	my $self = bless {
		%option, record => Chaos::Record->new($option{folder}, $option{name}), count => 0, recent => [], stop => 0,
		gateways => [ map { agent($option{token}) } @{ $option{urls} } ] }, __PACKAGE__;
	local $SIG{TERM} = sub { $self->{stop} = 1 };
	until ($self->{stop})
	{
		$self->admit;
		$self->cancel if rand() < 0.05;
		sleep rand 2 * $self->{pause};
	}
	return;
}

sub agent
{
	my ($token) = @_;
	return HTTP::Tiny->new(keep_alive => 1, timeout => 30, default_headers => { Authorization => "Bearer $token" });
}

# To a gateway of its own choice.
sub send
{
	my ($self, $method, $path, @headers) = @_;
	my $which = int rand @{ $self->{urls} };
	my $answer = $self->{gateways}[$which]->request($method, $self->{urls}[$which] . $path, { headers => {@headers} });
	my $json = eval { JSON::PP::decode_json($answer->{content}) } // {};
	return ($answer->{status}, $json, $answer->{content});
}

sub admit
{
	my ($self) = @_;
	my $connection = $self->{connections}[ rand @{ $self->{connections} } ];
	my $key = "http-$self->{name}-" . ++$self->{count};
	my $path = "/_ref/connections/$connection/run";
	for my $try (1 .. 1 + int rand 40)
	{
		my ($status, $json, $content) = $self->send('POST', $path, 'Idempotency-Key' => $key);
		$self->{record}->write('http', $status == 599 && $content =~ /timed out/i ? 'timed out' : $status);
		if ($status == 202)
		{
			$self->acknowledged($json->{run_id}, $connection, $key, $path, $content);
			return;
		}
		$self->{record}->write('violation', 'not found', $connection, "a connection on record: $content") if $status == 404;
		return if $status < 500;
		$self->{record}->write('in doubt', $json->{error}{run_id} // $key) if $try == 1;
		sleep 0.05 + rand 0.1;
	}
	return;
}

sub acknowledged
{
	my ($self, $run, $connection, $key, $path, $content) = @_;
	$self->{record}->write('ack', $run, 'http', $connection, $key);
	push @{ $self->{recent} }, [ $run, $key, $path, $content ];
	shift @{ $self->{recent} } if @{ $self->{recent} } > 100;
	return if rand() < 0.8;

	# the handle, at once and through any gateway
	my ($status, undef, $body) = $self->send('GET', "/_ref/runs/$run");
	$self->{record}->write('violation', 'not found', $run, $body) if $status == 404;

	# an older request once more: the same answer, for as long as the handle lives
	my $older = $self->{recent}[ rand @{ $self->{recent} } ];
	my ($again, undef, $text) = $self->send('POST', $older->[2], 'Idempotency-Key' => $older->[1]);
	return if $again >= 500 || ($again == 202 && $text eq $older->[3]);
	$self->{record}->write('violation', 'another answer to one key', $older->[0], "$older->[3] then $again $text");
	return;
}

sub cancel
{
	my ($self) = @_;
	my $run = ($self->{recent}[ rand @{ $self->{recent} } ] // return)->[0];
	my ($status, undef, $body) = $self->send('POST', "/_ref/runs/$run/cancel");
	$self->{record}->write('violation', 'not found', $run, $body) if $status == 404;
	return;
}

1;
