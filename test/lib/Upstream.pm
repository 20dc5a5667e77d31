# A server for a gateway to hand requests on to: each path does one thing. It keeps an account of what reached it.
#
#   my $upstream = Upstream->start;
#   my $gateway = PdppGateway->start(..., args => [ '--upstream', $upstream->url ]);
#   is($upstream->count('POST /once'), 1);

package Upstream;

use strict;
use warnings;

use Digest::SHA qw(sha1);
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use PostgreSQL::Test::Utils;
use Socket ();
use Time::HiRes ();

our $piece = 'x' x 65536;

# Options: port (a free one).
sub start
{
	my ($class, %option) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $option{port} // 0, Listen => 64, ReuseAddr => 1)
	  or die "listen: $@";
	my $self = bless { port => $listener->sockport, folder => $option{folder} // PostgreSQL::Test::Utils::tempdir() }, $class;
	$self->{pid} = fork // die "fork: $!";
	return $self if $self->{pid};

	setpgrp;
	$SIG{CHLD} = 'IGNORE';
	$SIG{PIPE} = 'IGNORE';
	while (1)
	{
		my $client = $listener->accept or next;
		my $pid = fork // die "fork: $!";
		next if $pid;
		close $listener;
		$client->sockopt(Socket::SO_KEEPALIVE(), 1);
		setsockopt $client, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
		$self->{client} = $client;
		$self->{buffer} = '';
		$self->{served} = 0;
		1 while eval { $self->serve };
		print STDERR "upstream: $@" if $@ && $@ !~ /^gone/;
		POSIX::_exit(0);
	}
}

sub port { return $_[0]->{port}; }
sub url { return "http://127.0.0.1:$_[0]->{port}"; }
sub folder { return $_[0]->{folder}; }

# From now on nobody is there.
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'KILL', -$pid;
	waitpid $pid, 0;
	return;
}

sub DESTROY { local $?; $_[0]->stop; return }

# What has reached it: a line for each request.
sub account
{
	my ($self) = @_;
	return -e "$self->{folder}/account" ? slurp_file("$self->{folder}/account") : '';
}

sub count
{
	my ($self, $line) = @_;
	return scalar grep { $_ eq $line } split /\n/, $self->account;
}

# What one of its paths waits for.
sub allow
{
	my ($self, $what) = @_;
	open my $file, '>', "$self->{folder}/$what" or die $!;
	return;
}

# How far one of its paths has come.
sub progress
{
	my ($self, $what) = @_;
	return -s "$self->{folder}/$what" // 0;
}

# ---- in the server --------------------------------------------------------------------------------------------------

sub note
{
	my ($self, $file, $text) = @_;
	open my $account, '>>', "$self->{folder}/$file" or die $!;
	syswrite $account, $text;
	return;
}

sub await
{
	my ($self, $what) = @_;
	Time::HiRes::sleep(0.02) until -e "$self->{folder}/$what";
	return;
}

sub say
{
	my ($self, $bytes) = @_;
	while (length $bytes)
	{
		my $sent = syswrite $self->{client}, $bytes;
		die "gone\n" unless $sent;
		substr($bytes, 0, $sent, '');
	}
	return;
}

sub more
{
	my ($self) = @_;
	sysread $self->{client}, $self->{buffer}, 65536, length $self->{buffer} or die "gone\n";
	return;
}

# The next piece of the body; undef at its end.
sub body_piece
{
	my ($self, $request) = @_;
	if (($request->{headers}{'transfer-encoding'} // '') eq 'chunked')
	{
		return undef if $request->{ended};
		$self->more until $self->{buffer} =~ s/^([0-9a-f]+)\r\n//;
		my $length = hex $1;
		$self->more until length $self->{buffer} >= $length + 2;
		my $bytes = substr $self->{buffer}, 0, $length, '';
		$self->{buffer} =~ s/^\r\n// or die 'no end of a chunk';
		$request->{ended} = 1 unless $length;
		return $length ? $bytes : undef;
	}
	$request->{left} //= $request->{headers}{'content-length'} // 0;
	return undef unless $request->{left};
	$self->more unless length $self->{buffer};
	my $bytes = substr $self->{buffer}, 0, $request->{left}, '';
	$request->{left} -= length $bytes;
	return $bytes;
}

sub body
{
	my ($self, $request) = @_;
	my $body = '';
	while (defined(my $bytes = $self->body_piece($request))) { $body .= $bytes; }
	return $body;
}

sub answer
{
	my ($self, $status, $body, @headers) = @_;
	my $text = "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\n";
	while (my ($name, $value) = splice @headers, 0, 2) { $text .= "$name: $value\r\n"; }
	$self->say("$text\r\n$body");
	return 1;
}

sub say_chunk { my ($self, $bytes) = @_; $self->say(sprintf("%x\r\n%s\r\n", length $bytes, $bytes)); return; }

# One request; false when the connection is to be closed.
sub serve
{
	my ($self) = @_;
	$self->more until $self->{buffer} =~ s/^(\S+) (\S+) HTTP\/1\.1\r\n(.*?)\r\n\r\n//s;
	my %request = (method => $1, target => $2, head => $3, lines => [ split /\r\n/, $3 ]);
	for my $line (@{ $request{lines} })
	{
		my ($name, $value) = split /:\s*/, $line, 2;
		$request{headers}{ lc $name } = $value;
	}
	$self->note(account => "$request{method} $request{target}\n");
	my ($path) = $request{target} =~ m{^([^?]*)};
	my $act = 'path' . ($path =~ s/[^a-z]+/_/gr);
	$act = 'path_any' unless $self->can($act);
	my $more = $self->$act(\%request);
	++$self->{served};
	return $more;
}

# Tells what it was asked.
sub path_any
{
	my ($self, $request) = @_;
	my $body = $self->body($request);
	my $text = JSON::PP::encode_json({ %$request{qw(method target lines)}, length => length $body, digest => Digest::SHA::sha1_hex($body),
		connection => $$, served => $self->{served} });
	return $self->answer('200 OK', $request->{method} eq 'HEAD' ? '' : $text, 'Content-Type' => 'application/json') if $request->{method} ne 'HEAD';
	$self->say('HTTP/1.1 200 OK' . "\r\nContent-Length: 1234\r\nX-Head: yes\r\n\r\n");
	return 1;
}

sub path_headers
{
	my ($self, $request) = @_;
	$self->body($request);
	$self->say(join "\r\n", 'HTTP/1.1 299 As It Likes', 'Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2; HttpOnly', 'X-One: 1', 'x-one: 2',
		'Connection: keep-alive, X-Of-Connection', 'X-Of-Connection: yes', 'Keep-Alive: timeout=5', 'Proxy-Authenticate: Basic', 'Trailer: X-T',
		'Request-Id: req_theirs', 'Date: Sat, 01 Aug 2026 10:00:00 GMT', 'Cache-Control: max-age=7', 'Content-Length: 2', '', 'ok');
	return 1;
}

sub path_no_content { my ($self) = @_; $self->say("HTTP/1.1 204 No Content\r\nX-Y: z\r\n\r\n"); return 1 }
sub path_not_modified { my ($self) = @_; $self->say("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n"); return 1 }
sub path_empty_chunks { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"); return 1 }
sub path_early_hints { my ($self) = @_; $self->say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); return $self->answer('200 OK', 'late') }
sub path_until_close { my ($self) = @_; $self->say("HTTP/1.0 200 OK\r\n\r\nuntil the end"); return 0 }
sub path_trailers { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"); return 1 }

# A body of ?N bytes, in pieces, told by its length or in chunks.
sub path_large
{
	my ($self, $request) = @_;
	my ($count) = $request->{target} =~ /\?(\d+)/;
	$self->say("HTTP/1.1 200 OK\r\nContent-Length: $count\r\n\r\n");
	for (my $sent = 0; $sent < $count; $sent += length $piece)
	{
		$self->say($count - $sent < length $piece ? substr($piece, 0, $count - $sent) : $piece);
		$self->note(large => '.');
	}
	return 1;
}

# Sends the body back as it comes, before it has ended.
sub path_mirror
{
	my ($self, $request) = @_;
	$self->say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (defined(my $bytes = $self->body_piece($request))) { $self->say_chunk($bytes); }
	$self->say("0\r\n\r\n");
	return 1;
}

# Events, each when it is allowed.
sub path_events
{
	my ($self) = @_;
	$self->say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n");
	$self->say_chunk("id: 1\ndata: 1\n\n");
	for my $number (2 .. 3)
	{
		$self->await("event$number");
		$self->say_chunk("id: $number\ndata: $number\n\n");
	}
	$self->say("0\r\n\r\n");
	return 1;
}

# Events for ever; notes when nobody hears them any more.
sub path_endless
{
	my ($self) = @_;
	$self->say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
	$self->say_chunk(": here\n\n");
	sysread $self->{client}, my $byte, 1;
	$self->note(gone => 'x');
	return 0;
}

sub path_socket
{
	my ($self, $request) = @_;
	my $key = encode_base64(sha1("$request->{headers}{'sec-websocket-key'}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"), '');
	$self->note(socket => join("\n", @{ $request->{lines} }) . "\n");
	# what follows comes with the head
	$self->say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: $key\r\n\r\nwelcome");
	while (1)
	{
		$self->more unless length $self->{buffer};
		my $bytes = $self->{buffer};
		$self->{buffer} = '';
		return 0 if $bytes =~ /bye/;
		$self->say($bytes);
	}
}

# Answers a WebSocket, and says its own only when the client has ended: how much that was.
sub path_last_words
{
	my ($self) = @_;
	$self->say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	my $count = length $self->{buffer};
	while (my $size = sysread $self->{client}, my $bytes, 65536) { $count += $size; }
	$self->say("$count bytes, then the end");
	return 0;
}

# Has nothing more to say, but goes on to hear, once it is allowed.
sub path_ends_first
{
	my ($self) = @_;
	$self->say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nmine");
	shutdown $self->{client}, 1;
	$self->await('hears');
	$self->note(heard => $self->{buffer});
	while (sysread $self->{client}, my $bytes, 65536) { $self->note(heard => $bytes); }
	$self->note(end_of_heard => 'x');
	return 0;
}

sub path_deaf { my ($self) = @_; $self->say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"); sleep }
sub path_dies { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome"); return 0 }
sub path_dies_in_chunks { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"); return 0 }
sub path_dies_at_once { my ($self) = @_; return 0 }
sub path_dies_in_head { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nContent-"); return 0 }
sub path_no_http { my ($self) = @_; $self->say("220 mail ESMTP\r\n\r\n"); return 0 }
sub path_two_lengths { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"); return 0 }
sub path_list_of_lengths { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc"); return 0 }
sub path_chunks_of_old { my ($self) = @_; $self->say("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"); return 0 }
sub path_length_and_chunks { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"); return 0 }
sub path_other_coding { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"); return 0 }
sub path_switches { my ($self) = @_; $self->say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); return 0 }

sub path_never { my ($self) = @_; sysread $self->{client}, my $byte, 1; $self->note(never => 'x'); return 0 }
sub path_stalls { my ($self) = @_; $self->say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome"); sysread $self->{client}, my $byte, 1; return 0 }

# Says no before it has read a body, and reads none.
sub path_refuses { my ($self) = @_; $self->answer('413 Too Large', 'no', Connection => 'close'); sysread $self->{client}, my $byte, 1 << 16; return 0 }
# Wants the body, once it is allowed.
sub path_wants { my ($self, $request) = @_; $self->await('wants'); $self->say("HTTP/1.1 100 Continue\r\n\r\n"); return $self->path_any($request) }

# Closes without an answer if the connection has served before.
sub path_stale { my ($self, $request) = @_; return $self->{served} ? 0 : $self->path_any($request) }
# Answers when it is allowed.
sub path_later { my ($self, $request) = @_; $self->body($request); $self->await('later'); return $self->answer('200 OK', 'later') }
sub path_slowly { my ($self, $request) = @_; $self->await('slowly'); return $self->answer('200 OK', 'done') }

# As the server of the protocol does.
sub path_ref_runs_run_ours_cancel
{
	my ($self, $request) = @_;
	$self->body($request);
	return $self->answer('404 Not Found', '{"error":{"type":"not_found_error","code":"no_active_run","message":"No active run","request_id":"req_1"}}',
		'Content-Type' => 'application/json');
}

1;
