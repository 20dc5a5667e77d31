# What goes with a body: entity tags and 304, lifetimes, links, media types, and the trace that a request is part of.

use strict;
use warnings;

use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('representation');
my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'));
my @owner = (Authorization => 'Bearer ' . PdppGateway::token());

sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement); }

# A new run on a connection of its own; gives its path.
sub admit
{
	my ($run) = @_;
	sql("SELECT pdpp_run_now('c', 'of $run', '$run')");
	return "/_ref/runs/$run";
}

sub code { my ($answer) = @_; return ($answer->{json} // {})->{error}{code}; }

my @terminal = (
	[ completed => q{SELECT pdpp_run_settle('%s', 'completed')} ],
	[ failed => q{SELECT pdpp_run_launch_failed('%s', 'no such file')} ],
	[ cancelled => q{SELECT pdpp_run_cancel('%s')} ],
	[ abandoned => q{SELECT pdpp_run_settle('%s', 'abandoned', '{"reason": "r"}')} ]);

subtest 'a status is asked for again, soon while the run is active' => sub {
	for my $case (@terminal)
	{
		my ($status, $ending) = @$case;
		my $path = admit("run_$status");
		for my $step ('admitted', 'started')
		{
			next if $step eq 'started' && $status eq 'cancelled';    # nobody would be there to end it
			sql("SELECT pdpp_run_started('run_$status')") if $step eq 'started' && $status ne 'failed';
			my $active = $gateway->get_as_owner($path);
			is($active->{json}{status}, 'active', "$status: $step, active");
			is($active->{headers}{'cache-control'}, 'no-cache', "$status: ask again");
			is($active->{headers}{'retry-after'}, '1', "$status: in a second");
		}
		sql(sprintf $ending, "run_$status");
		my $ended = $gateway->get_as_owner($path);
		is($ended->{json}{status}, $status, $status);
		is($ended->{headers}{'cache-control'}, 'no-cache', "$status: it may be repeated, and says so then");
		is($ended->{headers}{'retry-after'}, undef, "$status: there is nothing to come");
	}
	my $timeline = $gateway->get_as_owner('/_ref/runs/run_completed/timeline');
	is($timeline->{json}{terminal_status}, 'completed', 'the timeline of a run that has ended');
	is($timeline->{headers}{'cache-control'}, 'no-cache', 'may still grow');
	is($timeline->{headers}{'retry-after'}, undef, 'but is not waited for');
};

subtest 'a status links its timeline, and says what decides on it' => sub {
	my $path = admit('links');
	my $answer = $gateway->get_as_owner($path);
	is($answer->{headers}{link}, '</_ref/runs/links/timeline>; rel="timeline"', 'Link');
	is($answer->{headers}{vary}, 'Accept, Authorization, Cookie', 'Vary');
	sql(q{SELECT pdpp_run_now('c', 'odd', 'a/b ">,é')});
	$answer = $gateway->get_as_owner('/_ref/runs/a%2Fb%20%22%3E%2C%C3%A9');
	is($answer->{headers}{link}, "<$answer->{json}{links}{timeline}>; rel=\"timeline\"", 'the link of the body');
	is($answer->{headers}{link}, '</_ref/runs/a%2Fb%20%22%3E%2C%C3%A9/timeline>; rel="timeline"', 'which is encoded');
	is($gateway->get_as_owner("$path/timeline")->{headers}{link}, undef, 'the timeline links nothing');
	is($gateway->get_as_owner("$path/timeline")->{headers}{vary}, 'Accept, Authorization, Cookie', 'its Vary');
	my $unknown = $gateway->get_as_owner('/_ref/runs/nope');
	is($unknown->{headers}{$_}, undef, "an unknown run has no $_") for qw(etag link retry-after);
	is($unknown->{headers}{'cache-control'}, 'no-store', 'and is not kept: it may be admitted yet');
};

subtest 'the entity tag is that of the bytes' => sub {
	my $path = admit('tagged');
	for my $at ($path, "$path/timeline", "$path/timeline?limit=1")
	{
		my ($one, $two) = map { $gateway->get_as_owner($at) } 1, 2;
		like($one->{headers}{etag}, qr/^"[\w-]{22}"$/, "$at: a strong tag");
		is($two->{headers}{etag}, $one->{headers}{etag}, "$at: the same for the same bytes");
		is($two->{body}, $one->{body}, "$at: which they are");
	}
	my $before = $gateway->get_as_owner($path);
	sql(q{SELECT pdpp_run_cancel('tagged')});
	my $after = $gateway->get_as_owner($path);
	isnt($after->{body}, $before->{body}, 'another body');
	isnt($after->{headers}{etag}, $before->{headers}{etag}, 'another tag');
	isnt($gateway->get_as_owner("$path/timeline?limit=1")->{headers}{etag},
		$gateway->get_as_owner("$path/timeline?limit=2")->{headers}{etag}, 'another page, another tag');
};

subtest 'who has it already gets 304' => sub {
	my $path = admit('kept');
	for my $step ('SELECT 1', q{SELECT pdpp_run_cancel('kept')})
	{
		sql($step);
		for my $at ($path, "$path/timeline")
		{
			my $client = $gateway->connect;
			my $full = $client->request('GET', $at, \@owner);
			my $tag = $full->{headers}{etag};
			for my $named ($tag, "W/$tag", qq("x,y", $tag), qq("x" , W/$tag,"z"), '*')
			{
				for my $method (qw(GET HEAD))
				{
					my $answer = $client->request($method, $at, [ @owner, 'If-None-Match' => $named ]);
					is($answer->{status}, 304, "$method $at, If-None-Match: $named");
					is($answer->{headers}{$_}, $full->{headers}{$_}, "$_ as with 200") for qw(etag cache-control vary retry-after);
					is($answer->{headers}{$_}, undef, "no $_") for qw(content-type content-length link transfer-encoding);
					ok($answer->{headers}{'request-id'} && $answer->{headers}{date}, 'Request-Id and Date');
				}
			}
			my @lines = ('If-None-Match' => '"x"', 'If-None-Match' => $tag);
			is($client->request('GET', $at, [ @owner, @lines ])->{status}, 304, "$at: named on a line of its own");
			for my $named ('"x"', substr($tag, 1, -1), "w/$tag", '', '"*"', uc $tag)
			{
				my $answer = $client->request('GET', $at, [ @owner, 'If-None-Match' => $named ]);
				is($answer->{status}, 200, "$at: <$named> is another tag");
				is($answer->{body}, $full->{body}, "$at: the body comes, and nothing of a 304 came before it");
			}
		}
	}
	is($gateway->get($path, 'If-None-Match' => '*')->{status}, 401, 'without a session nothing is known');
	is($gateway->get_as_owner('/_ref/runs/nope', 'If-None-Match' => '*')->{status}, 404, 'of an unknown run nothing is had');
	my $stale = $gateway->get_as_owner($path)->{headers}{etag};
	admit('kept2');
	is($gateway->get_as_owner('/_ref/runs/kept2', 'If-None-Match' => $stale)->{status}, 200, 'the tag of another run');
};

subtest 'who wants another gets 412' => sub {
	my $path = admit('wanted');
	for my $at ($path, "$path/timeline")
	{
		my $tag = $gateway->get_as_owner($at)->{headers}{etag};
		is($gateway->get_as_owner($at, 'If-Match' => $_)->{status}, 200, "$at, If-Match: $_") for $tag, qq("x", $tag), '*';
		for my $other ('"x"', "W/$tag", '')
		{
			my $answer = $gateway->get_as_owner($at, 'If-Match' => $other);
			is($answer->{status}, 412, "$at, If-Match: <$other>");
			is(code($answer), 'precondition_failed', 'typed');
			is($answer->{headers}{etag}, $tag, 'with the tag that it has');
		}
		is($gateway->get_as_owner($at, 'If-Match' => '"x"', 'If-None-Match' => $tag)->{status}, 412, 'before If-None-Match');
	}
};

subtest 'HEAD equals GET' => sub {
	my $path = admit('head');
	sql(q{SELECT pdpp_run_cancel('head')});
	for my $case ([], [ Accept => 'text/html' ], [ 'If-None-Match' => '*' ])
	{
		for my $at ($path, "$path/timeline")
		{
			my @headers = (@owner, @$case, 'Request-Id' => 'same');
			my $client = $gateway->connect;
			my $get = $client->request('GET', $at, \@headers);
			my $head = $client->request('HEAD', $at, \@headers);
			delete $_->{headers}{date} for $get, $head;
			is($head->{status}, $get->{status}, "$at @$case: status $get->{status}");
			is_deeply($head->{headers}, $get->{headers}, "$at @$case: headers");
			is($head->{headers}{'content-length'}, length $get->{body}, "$at @$case: Content-Length")
			  if $get->{status} != 304;
		}
	}
};

subtest 'media types' => sub {
	my $path = admit('accept');
	sql(q{INSERT INTO pdpp.connections VALUES ('accept-2', 'c', 0, NULL)});
	for my $accept ('application/json', '*/*', 'application/*', 'text/csv, application/xhtml+xml, */*;q=0.8', '',
		'APPLICATION/JSON; charset=utf-8', 'application/json;charset="UTF-8"', 'text/csv;q=1, application/json;q=0.1', 'text/html;q=0.9, application/json')
	{
		for my $at ($path, "$path/timeline")
		{
			my $answer = $gateway->get_as_owner($at, Accept => $accept);
			is($answer->{status}, 200, "$at: <$accept>");
			is($answer->{headers}{'content-type'}, 'application/json', 'JSON');
		}
	}
	for my $accept ('text/csv', 'application/xml', 'application/json;q=0', '*/*;q=0', 'application/json;v=2', 'json')
	{
		for my $at ($path, "$path/timeline", '/_ref/runs/nope')
		{
			my $answer = $gateway->get_as_owner($at, Accept => $accept);
			is($answer->{status}, 406, "$at: <$accept>");
			is(code($answer), 'not_acceptable', 'typed');
			is($answer->{json}{error}{type}, 'api_error', 'as any error');
			is($answer->{headers}{'content-type'}, 'application/json', 'in JSON all the same');
			is($answer->{headers}{'cache-control'}, 'no-store', 'not kept');
		}
	}
	my $write = $gateway->request('POST', '/_ref/connections/accept-2/run', [ @owner, Accept => 'text/html' ], '');
	is($write->{status}, 406, 'a run whose acknowledgement could not be read');
	is(sql(q{SELECT count(*) FROM pdpp.controller_active_runs WHERE connector_instance_id = 'accept-2'}), '0', 'is not started');
	is($gateway->get($path, Accept => 'text/csv')->{status}, 401, 'the session comes first');
	is($gateway->request('DELETE', $path, [ Accept => 'text/html' ])->{status}, 405, 'and the method before that');
	is($gateway->get_as_owner("$path?x=1", Accept => 'text/csv')->{status}, 406, 'parameters come later');
};

subtest 'bodies of another kind are 415' => sub {
	sql(q{INSERT INTO pdpp.connections VALUES ('encoded', 'c', 0, NULL)});
	my $post = sub { return $gateway->request('POST', '/_ref/connections/encoded/run', [ @owner, @_ ], '{}'); };
	for my $headers ([ 'Content-Type' => 'text/plain' ], [], [ 'Content-Type' => 'application/json', 'Content-Encoding' => 'gzip' ])
	{
		my $answer = $post->(@$headers);
		is($answer->{status}, 415, "@$headers");
		is(code($answer), 'unsupported_media_type', 'typed');
	}
	is($post->('Content-Type' => 'application/json', 'Content-Encoding' => 'Identity')->{status}, 202, 'identity is no encoding');
};

subtest 'a run belongs to the trace of its request' => sub {
	my $count = 0;
	my $trace = '4bf92f3577b34da6a3ce929d0e0e4736';
	my $parent = "00-$trace-00f067aa0ba902b7-01";
	my $start = sub {
		my (@headers) = @_;
		++$count;
		sql("INSERT INTO pdpp.connections VALUES ('traced-$count', 'tracer-$count', 0, NULL)");
		return $gateway->request('POST', "/_ref/connections/traced-$count/run", [ @owner, @headers ]);
	};
	my $answer = $start->(traceparent => $parent);
	is($answer->{status}, 202, 'with a traceparent');
	is($answer->{json}{trace_id}, $trace, 'its trace is that of the run');
	is($answer->{headers}{traceparent}, $parent, 'it is echoed');
	is($gateway->get_as_owner($answer->{headers}{location})->{json}{trace_id}, $trace, 'and stored');
	is(sql("SELECT trace_id FROM pdpp.spine_events WHERE run_id = '$answer->{json}{run_id}'"), $trace, 'on the spine');
	$answer = $gateway->request('POST', '/_ref/connectors/tracer/run', [ @owner, Traceparent => $parent ]);
	is($answer->{json}{trace_id}, $trace, 'a connector too');
	is($answer->{headers}{traceparent}, $parent, 'echoed there too');

	for my $malformed ([], map { [ traceparent => $_ ] } '', 'x', $trace, "$parent-", "ff-$trace-00f067aa0ba902b7-01",
		'00-' . uc($trace) . '-00f067aa0ba902b7-01', '00-' . '0' x 32 . '-00f067aa0ba902b7-01', "00-$trace-" . '0' x 16 . '-01')
	{
		$answer = $start->(@$malformed);
		is($answer->{status}, 202, "<@$malformed> is no reason to refuse");
		like($answer->{json}{trace_id}, qr/^trc_[0-9a-f]{32}$/, 'the run has a trace of its own');
		is($answer->{headers}{traceparent}, undef, 'nothing is echoed');
	}
	$answer = $start->(traceparent => $parent, traceparent => $parent);
	like($answer->{json}{trace_id}, qr/^trc_/, 'two are malformed');

	my @key = ('Idempotency-Key' => 'traced');
	my $first = $start->(@key, traceparent => $parent);
	is($first->{json}{trace_id}, $trace, 'a request with a key');
	my $other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	my $again = $gateway->request('POST', "/_ref/connections/traced-$count/run", [ @owner, @key, traceparent => $other ]);
	is($again->{status}, 202, 'repeated from another trace');
	is_deeply($again->{json}, $first->{json}, 'gets the run of the first');
	is($again->{headers}{traceparent}, undef, 'which is not part of that trace');
};

is($gateway->stop, 0, 'the gateway stops cleanly');
unlike($gateway->log, qr/error/, 'nothing was logged as an error');
$node->stop;

done_testing();
