# What the gateway tells those who run it: its log, in text and in JSON, what signals do to it, and what systemd hears.

use strict;
use warnings;

use IO::Socket::UNIX;
use JSON::PP ();
use PdppCluster;
use PdppController;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_DGRAM);
use Test::More;

my $node = PdppCluster->bare('log');
$node->safe_psql('postgres', q{CREATE EXTENSION pdpp; SELECT pdpp_run_now('c', run_id => 'run_1', trace_id => 'trc_1')});
my @database = (conninfo => $node->connstr('postgres'));
my $folder = PostgreSQL::Test::Utils::tempdir();

sub write_file
{
	my ($name, $text) = @_;
	open my $file, '>', "$folder/$name" or die "$name: $!";
	print $file $text;
	chmod 0600, $file;
	close $file;
	return "$folder/$name";
}

# The line of the request that was given this id.
sub line_of
{
	my ($gateway, $id) = @_;
	$gateway->await_log(qr/"?request_id"?[=:]"?\Q$id\E.*answered.*\n/);
	my ($line) = $gateway->log =~ /^(.*"?request_id"?[=:]"?\Q$id\E.*answered.*)$/m;
	return $line;
}

sub log_in
{
	my ($gateway, $password) = @_;
	return $gateway->request('POST', '/owner/login', [ 'Content-Type' => 'application/json' ],
		JSON::PP::encode_json({ password => $password }))->{status};
}

subtest 'a line for each request, in text' => sub {
	my $gateway = PdppGateway->start(@database);
	$gateway->get_as_owner('/_ref/runs/run_1?', 'Request-Id' => 'seen');
	like(line_of($gateway, 'seen'),
		qr{\[info\] request_id=seen run_id=run_1 trace_id=trc_1 method=GET route=/_ref/runs/\{run_id\} status=200 duration_ms=\d+\.\d{3} peer=127\.0\.0\.1 answered$},
		'id, run, trace, route, status, duration');
	$gateway->get_as_owner('/_ref/runs/run_1/timeline?cursor=secret', 'Request-Id' => 'page');
	like(line_of($gateway, 'page'), qr{run_id=run_1 .*route=/_ref/runs/\{run_id\}/timeline status=400}, 'a refusal');
	$gateway->get_as_owner('/_ref/runs/a%20%22b%22', 'Request-Id' => 'odd');
	like(line_of($gateway, 'odd'), qr{run_id="a \\"b\\"" .*status=404}, 'an id with blanks and quotes is quoted');
	$gateway->get_as_owner('/_ref/runs/a%0Afaked', 'Request-Id' => 'forged');
	unlike(line_of($gateway, 'forged'), qr/run_id=/, 'one that no run can have is left out');
	$gateway->get('/secret?secret=secret', 'Request-Id' => 'path');
	like(line_of($gateway, 'path'), qr{route=none status=404}, 'nor does an unknown path get in');
	is(log_in($gateway, 'secret'), 401, 'a wrong password');
	is($gateway->stop, 0, 'stops');
	unlike($gateway->log, qr/secret|faked|Bearer|eyJ/, 'no query, no path, no password, no token');
};

subtest 'the same in JSON' => sub {
	my $gateway = PdppGateway->start(@database, args => [ '--log-format', 'json' ]);
	$gateway->get_as_owner('/_ref/runs/run_1', 'Request-Id' => 'seen');
	my $line = JSON::PP::decode_json(line_of($gateway, 'seen'));
	like(delete $line->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'the time, in UTC');
	like(delete $line->{duration_ms}, qr/^\d+\.?\d*$/, 'the duration');
	is_deeply(
		$line,
		{
			level => 'info', message => 'answered', request_id => 'seen', run_id => 'run_1', trace_id => 'trc_1',
			method => 'GET', route => '/_ref/runs/{run_id}', status => 200, peer => '127.0.0.1' },
		'the same members');
	$gateway->get_as_owner('/_ref/runs/a%20%22b%22%5C%C3%A9', 'Request-Id' => 'odd');
	is(JSON::PP::decode_json(line_of($gateway, 'odd'))->{run_id}, "a \"b\"\\\x{e9}", 'an odd id comes out as it is');
	my $started = $gateway->request('POST', '/_ref/connections/c2/run',
		[ Authorization => 'Bearer ' . PdppGateway::token(), 'Request-Id' => 'none' ], '');
	is($started->{status}, 404, 'a refused admission');
	is(JSON::PP::decode_json(line_of($gateway, 'none'))->{route}, '/_ref/connections/{connector_instance_id}/run', 'its route');
	is(log_in($gateway, 'wrong'), 401, 'a wrong password');
	is($gateway->stop, 0, 'stops');
	my @lines = split /\n/, $gateway->log;
	is(scalar(grep { ref eval { JSON::PP::decode_json($_) } ne 'HASH' } @lines), 0, 'every line is an object');
	my ($wrong) = grep { $_->{message} =~ /wrong owner password from 127/ } map { JSON::PP::decode_json($_) } @lines;
	is($wrong->{level}, 'warning', 'other lines have their text as the message');
};

subtest 'a run that is started is named in its line' => sub {
	my $gateway = PdppGateway->start(@database, args => [ '--log-format', 'json' ]);
	$node->safe_psql('postgres', q{SELECT pdpp_run_now('fresh', run_id => 'run_first'); SELECT pdpp_run_settle('run_first', 'cancelled')});
	my $started = $gateway->request('POST', '/_ref/connections/fresh/run',
		[ Authorization => 'Bearer ' . PdppGateway::token(), 'Request-Id' => 'new' ], '');
	is($started->{status}, 202, 'a run is started');
	my $line = JSON::PP::decode_json(line_of($gateway, 'new'));
	is($line->{run_id}, $started->{json}{run_id}, 'the run');
	is($line->{trace_id}, $started->{json}{trace_id}, 'and its trace');
	is($gateway->stop, 0, 'stops');
};

subtest 'streams name their runs, with the trace' => sub {
	my $gateway = PdppGateway->start(@database, args => [ '--log-format', 'json' ]);
	$node->safe_psql('postgres', q{SELECT pdpp_run_now('streamed', run_id => 'run_2', trace_id => 'trc_2'), pdpp_run_settle('run_2', 'completed')});
	my $number = 0;
	# the second one comes from memory
	for my $path ('', '', '/timeline')
	{
		my $id = 'stream-' . ++$number;
		is($gateway->get_as_owner("/_ref/runs/run_2$path", Accept => 'text/event-stream', 'Request-Id' => $id)->{status}, 200, "a stream$path");
		my $line = JSON::PP::decode_json(line_of($gateway, $id));
		is("$line->{run_id} $line->{trace_id}", 'run_2 trc_2', 'run and trace');
	}
};

subtest 'requests by /rpc name their runs too' => sub {
	my $gateway = PdppGateway->start(@database, args => [ '--log-format', 'json' ]);
	my @owner = (Authorization => 'Bearer ' . PdppGateway::token());
	my $requests = 0;
	my $line = sub {
		my ($method, $target, $status, $body) = @_;
		my $id = 'rpc-' . ++$requests;
		my @type = defined $body ? ('Content-Type' => 'application/json') : ();
		my $answer = $gateway->request($method, "/rpc/$target", [ @owner, @type, 'Request-Id' => $id ], $body);
		is($answer->{status}, $status, "$method $target");
		my $line = JSON::PP::decode_json(line_of($gateway, $id));
		is($line->{route}, '/rpc/{function}', 'its route');
		return ($line, $answer->{json});
	};
	my $names = sub { my ($line) = @_; return join ' ', map { $_ // 'none' } @$line{qw(run_id trace_id)}; };
	for my $case (
		[ GET => 'pdpp_run_status?run_id=run_1' ], [ POST => 'pdpp_run_status', '{"run_id": "run_1"}' ],
		[ HEAD => 'pdpp_run_status?run_id=run_1' ], [ GET => 'pdpp_run_timeline?run_id=run_1&page_size=1' ])
	{
		my ($method, $target, $body) = @$case;
		is($names->($line->($method, $target, 200, $body)), 'run_1 trc_1', 'run and trace');
	}
	is($names->($line->('GET', 'pdpp_run_status?run_id=nope', 404)), 'nope none', 'an unknown run has no trace');
	is($names->($line->('GET', 'pdpp_run_timeline?run_id=run_1&page_size=0', 400)), 'run_1 none', 'a refusal');
	is($names->($line->('GET', 'pdpp_run_status?run_id=a%0Afaked', 404)), 'none none', 'an id that no run can have is left out');
	for my $target ('pdpp_run_list', 'pdpp_run_statuses?run_ids=%7Brun_1%7D')
	{
		is($names->($line->('GET', $target, 200)), 'none none', 'where there may be many, none is named');
	}
	my ($started, $ack) = $line->('POST', 'pdpp_run_now', 200, '{"connector_id": "by_rpc"}');
	is($names->($started), "$ack->{run_id} $ack->{trace_id}", 'a run that is started');
	my ($cancelled) = $line->('POST', 'pdpp_run_cancel', 200, JSON::PP::encode_json({ run_id => $ack->{run_id} }));
	is($cancelled->{run_id}, $ack->{run_id}, 'a run that is cancelled');
	is($names->($line->('POST', 'pdpp_run_cancel', 404, '{"run_id": "nope"}')), 'nope none', 'or cannot be');
	is($line->('POST', 'pdpp_run_status', 404, '{"secret": "secret"}')->{run_id}, undef, 'arguments that are wrong');
	$gateway->get_as_owner('/_ref/runs', 'Request-Id' => 'list');
	is($names->(JSON::PP::decode_json(line_of($gateway, 'list'))), 'none none', 'nor does a list of /_ref name one of its runs');
	is($gateway->stop, 0, 'stops');
	unlike($gateway->log, qr/secret|Bearer|eyJ/, 'no argument, no token');
};

subtest 'a controller, in JSON' => sub {
	my $controller = PdppController->start(@database, args => [ '--log-format', 'json' ],
		connections => { works => ['true'], missing => ['/nowhere/at all'] });
	$node->safe_psql('postgres', "SELECT pdpp_run_now('$_-connector', '$_', run_id => 'run $_', trace_id => 'trc_$_')") for qw(works missing);
	$controller->await_log(qr/"run_id":"run $_".*"message":"ended"/) for qw(works missing);
	is($controller->stop, 0, 'stops');
	my @lines = map { eval { JSON::PP::decode_json($_) } // fail("no object: $_") } split /\n/, $controller->log;
	my $line = sub { my ($message, $run) = @_; return (grep { $_->{message} eq $message && $_->{run_id} eq $run } @lines)[0] };
	my ($ended, $failed) = ($line->('ended', 'run works'), $line->('launch failed', 'run missing'));
	delete $_->{time} for $ended, $failed;
	is_deeply(
		$ended,
		{
			level => 'info', message => 'ended', run_id => 'run works', trace_id => 'trc_works', connector_id => 'works-connector',
			connector_instance_id => 'works', status => 'completed', reason => '' },
		'an ending has its run, and how');
	like(delete $failed->{error}, qr{"/nowhere/at all": No such file}, 'a failure has its reason');
	is_deeply(
		$failed,
		{
			level => 'warning', message => 'launch failed', run_id => 'run missing', trace_id => 'trc_missing',
			connector_id => 'missing-connector', connector_instance_id => 'missing' },
		'and its run');
	my ($offer) = grep { $_->{message} eq 'offering' } @lines;
	like(JSON::PP::encode_json([ @{$offer}{qw(connections parallel)} ]), qr/^\[2,8\]$/, 'numbers are numbers');
};

subtest 'the level' => sub {
	my $quiet = PdppGateway->start(conninfo => 'host=/nowhere', args => [ '--log-level', 'info' ]);
	is($quiet->get_as_owner('/_ref/runs/run_1', 'Request-Id' => 'bad')->{status}, 503, 'no database');
	like(line_of($quiet, 'bad'), qr/\[warning\] .*status=503/, 'a failure of ours is a warning');
	is($quiet->stop, 0, 'stops');
};

subtest 'SIGHUP reads the file of --config again' => sub {
	my $config = write_file('gateway.conf', "# as it is at first\nlog-level = info\nmax-target-bytes = 100\npool = 2\n");
	my $gateway = PdppGateway->start(@database, args => [ '--config', $config, '--max-body-bytes', '2048' ]);
	my $long = '/' . 'x' x 150;
	is($gateway->get($long)->{status}, 414, 'it is read at the start');
	write_file('gateway.conf', "max-target-bytes = 200\nmax-body-bytes = 1024\npool = 3\nlog-format = \"json\"\n");
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/next start/);
	is($gateway->get($long)->{status}, 404, 'what it says now counts');
	is($gateway->request('POST', '/owner/logout', [], 'x' x 2000)->{status}, 204, 'but the command line goes first');
	like($gateway->log, qr/"message":"reloaded"/, 'the log has changed too');
	like($gateway->log, qr/"message":"these take effect at the next start: --pool"/, 'what needs a restart is named');
	write_file('gateway.conf', "max-target-bytes = many\n");
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/not reloaded: .*gateway\.conf: .*max-target-bytes/);
	is($gateway->get($long)->{status}, 404, 'a file that is wrong changes nothing');
	unlink $config;
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/not reloaded: .*gateway\.conf(?!.*max)/);
	is($gateway->get($long)->{status}, 404, 'nor does one that is missing');
	write_file('gateway.conf', "log-level = warning\n");
	kill 'HUP', $gateway->pid;
	PdppGateway::await(sub { $gateway->get($long)->{status} == 404 && $gateway->get('/' . 'y' x 150) }, 'reloaded');
	is($gateway->stop, 0, 'stops');
	for my $wrong ("nonsense = 1\n", "[section]\npool = 1\n", "config = x\n", "pool = 0\n")
	{
		my $path = write_file('wrong.conf', $wrong);
		local $ENV{PDPP_OWNER_PASSWORD} = 'x';
		IPC::Run::run([ 'pdpp', 'serve', '--config', $path ], '>', \my $out, '2>', \my $err);
		is($? >> 8, 2, "$wrong: usage");
		like($err, qr/wrong\.conf/, 'says where');
	}
};

subtest 'and the owner\'s password' => sub {
	my $file = write_file('password', "first password\n");
	my $gateway = PdppGateway->start(@database, password => undef, env => { PDPP_OWNER_PASSWORD_FILE => $file });
	is(log_in($gateway, 'first password'), 204, 'from a file');
	my $token = do {
		local $ENV{PDPP_OWNER_PASSWORD_FILE} = $file;
		delete local $ENV{PDPP_OWNER_PASSWORD};
		IPC::Run::run([ 'pdpp', 'token' ], '>', \my $out);
		chomp $out;
		$out;
	};
	my @session = (Authorization => "Bearer $token");
	is($gateway->get('/_ref/runs/run_1', @session)->{status}, 200, 'pdpp token reads it too');
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/reloaded/);
	is($gateway->get('/_ref/runs/run_1', @session)->{status}, 200, 'the same password: sessions go on');
	write_file('password', "second password\n");
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/reloaded.*reloaded/s);
	is(log_in($gateway, 'second password'), 204, 'another password is the one now');
	is(log_in($gateway, 'first password'), 401, 'the first no more');
	is($gateway->get('/_ref/runs/run_1', @session)->{status}, 401, 'its sessions are over');
	write_file('password', '');
	kill 'HUP', $gateway->pid;
	$gateway->await_log(qr/not reloaded: there is no password in/);
	is(log_in($gateway, 'second password'), 204, 'an empty file changes nothing');
	is($gateway->stop, 0, 'stops');
	unlike($gateway->log, qr/(first|second) password/, 'no password is logged');

	for my $case ([ 'both', "$folder/password", 'x' ], [ 'a missing file', "$folder/nowhere", undef ], [ 'an empty file', $file, undef ])
	{
		my ($name, $path, $password) = @$case;
		local $ENV{PDPP_OWNER_PASSWORD_FILE} = $path;
		local $ENV{PDPP_OWNER_PASSWORD} = $password // '';
		IPC::Run::run([ 'pdpp', 'serve', '--listen', '127.0.0.1:0' ], '>', \my $out, '2>', \my $err);
		is($? >> 8, 2, "$name: usage");
		like($err, qr/PDPP_OWNER_PASSWORD_FILE|no password in/, 'says why');
	}

	write_file('password', "third password\n");
	$gateway = PdppGateway->start(@database, password => undef, env => { PDPP_OWNER_PASSWORD_FILE => $file });
	write_file('password', "fourth password\n");
	my $reloads = 0;
	for my $mode (0644, 0640, 0604, 0620, 0602, 0660, 0610)
	{
		chmod $mode, $file;
		my $name = sprintf 'mode %04o', $mode;
		for my $command ([ 'serve', '--listen', '127.0.0.1:0' ], ['token'])
		{
			local $ENV{PDPP_OWNER_PASSWORD_FILE} = $file;
			delete local $ENV{PDPP_OWNER_PASSWORD};
			IPC::Run::run([ 'pdpp', @$command ], '>', \my $out, '2>', \my $err);
			is($? >> 8, 2, "$name, $command->[0]: refused");
			like($err, qr/can be read by others.*chmod 600 \Q$file\E/s, "$name, $command->[0]: with what to do");
			is($out, '', "$name, $command->[0]: nothing else");
		}
		kill 'HUP', $gateway->pid;
		$reloads++;
		PdppGateway::await(sub { (() = $gateway->log =~ /not reloaded: the password file .* can be read by others/g) == $reloads }, 'it is refused');
		is(log_in($gateway, 'third password'), 204, "$name: a reload changes nothing");
	}
	for my $mode (0600, 0400)
	{
		chmod $mode, $file;
		local $ENV{PDPP_OWNER_PASSWORD_FILE} = $file;
		delete local $ENV{PDPP_OWNER_PASSWORD};
		IPC::Run::run([ 'pdpp', 'token' ], '>', \my $out);
		is($?, 0, sprintf('mode %04o will do', $mode));
	}
	is($gateway->stop, 0, 'stops');
};

subtest 'systemd hears when it is ready, reloads and stops' => sub {
	my $path = "$folder/notify";
	my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "notify: $!";
	my $heard = sub {
		my $select = IO::Select->new($manager);
		$select->can_read($PostgreSQL::Test::Utils::timeout_default) or die 'nothing is heard';
		recv($manager, my $text, 4096, 0);
		return $text;
	};
	my $gateway = PdppGateway->start(@database, env => { NOTIFY_SOCKET => $path });
	is($heard->(), 'READY=1', 'ready');
	is($gateway->get('/nowhere')->{status}, 404, 'and it is');
	kill 'HUP', $gateway->pid;
	like($heard->(), qr/^RELOADING=1\nMONOTONIC_USEC=\d+$/, 'reloading');
	is($heard->(), 'READY=1', 'ready again');
	kill 'TERM', $gateway->pid;
	is($heard->(), 'STOPPING=1', 'stopping');
	is($gateway->finish, 0, 'stopped');
};

done_testing();
