# Pages: who gets one and who gets what he always got, the login and back, the forms, the headers, the sizes, and that whatever
# was written shows as text. What browsers make of them is tried in test/page.

use strict;
use warnings;

use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('http_pages');
my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'));
my $browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
my $policy = q{default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; }
  . q{frame-ancestors 'none'; base-uri 'none'};

sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement); }
sub page { my ($target, @headers) = @_; return $gateway->get_as_owner($target, Accept => $browser, @headers); }

sub encoded { my ($text) = @_; $text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge; return $text; }

# A form as a page sends it: (target, {names and values}, headers).
sub submit
{
	my ($target, $values, @headers) = @_;
	my $body = join '&', map { encoded($_) . '=' . encoded($values->{$_}) } sort keys %$values;
	return $gateway->request('POST', $target, [ Accept => $browser, 'Content-Type' => 'application/x-www-form-urlencoded', @headers ], $body);
}
sub submit_as_owner { my ($target, $values, @headers) = @_; return submit($target, $values, Authorization => 'Bearer ' . PdppGateway::token(), @headers); }

sub unescaped { my ($text) = @_; $text =~ s/&amp;/&/g; return $text; }

sub sequence { my ($answer) = @_; return $answer->{body} =~ /<li id="event-(\d+)"/g; }

sql(q{SELECT pdpp_run_now('gmail', 'gmail/anna', 'run_1')});
sql(q{SELECT pdpp_run_started('run_1', '{"controller_id": "by hand"}')});

subtest 'who does not ask for a page gets what he got, byte for byte' => sub {
	for my $target ('/', '/_ref/runs', '/_ref/runs/run_1', '/_ref/runs/run_1/timeline', '/_ref/runs/none', '/nothing', '/owner/login')
	{
		my $plain = $gateway->get_as_owner($target);
		for my $accept ('*/*', 'application/json', 'application/json, text/html', 'text/html;q=0.1, application/json')
		{
			next if $target eq '/nothing' && $accept =~ /^text/;
			my $answer = $gateway->get_as_owner($target, Accept => $accept);
			is($answer->{status}, $plain->{status}, "$target, $accept: the status");
			s/"request_id":"[^"]+"// for my @bodies = ($answer->{body}, $plain->{body});
			is($bodies[0], $bodies[1], "$target, $accept: the body");
			delete @{ $_->{headers} }{qw(request-id date)} for $answer, my $copy = { headers => { %{ $plain->{headers} } } };
			is_deeply($answer->{headers}, $copy->{headers}, "$target, $accept: the headers");
		}
	}
	is($gateway->get_as_owner('/_ref/runs/run_1', Accept => $_)->{headers}{'content-type'}, 'text/html; charset=utf-8', "$_: is asked for a page, by its name")
	  for 'text/html, */*', 'text/html, application/*, */*', '*/*, text/html;q=1';
	is($gateway->get_as_owner('/_ref/runs/run_1')->{body}, sql(q{SELECT pdpp_run_status('run_1')}), 'a status is that of the function');
	my $login = $gateway->get('/owner/login');
	is($login->{status}, 405, 'a login that is asked for as JSON is none');
	is($login->{headers}{allow}, 'POST', 'and says so as ever');
	is($gateway->get('/_ref/runs/run_1')->{status}, 401, 'without a session: 401');
	is($gateway->request('POST', '/_ref/runs/run_1/cancel', [ Accept => 'text/html', Authorization => 'Bearer ' . PdppGateway::token() ], '')->{status}, 406,
		'a POST that is no form is none of a page');
	is($gateway->request('POST', '/owner/login', [ 'Content-Type' => 'application/x-www-form-urlencoded' ], 'password=' . encoded($PdppGateway::password))->{status},
		204, 'a login that does not ask for a page: 204');
	is($gateway->get_as_owner('/_ref/runs/run_1/timeline', Accept => $browser)->{headers}{'content-type'}, 'application/json',
		'what has no page is JSON for a browser too');
};

subtest 'what every page has' => sub {
	for my $target ('/_ref/runs', '/_ref/runs/run_1', '/owner/login', '/_ref/runs/none', '/nothing')
	{
		my $answer = $target eq '/owner/login' ? $gateway->get($target, Accept => $browser) : page($target);
		my $headers = $answer->{headers};
		is($headers->{'content-type'}, 'text/html; charset=utf-8', "$target: HTML");
		is($headers->{'content-security-policy'}, $policy, "$target: the policy");
		is($headers->{'cache-control'}, 'no-store', "$target: is not kept");
		is($headers->{'x-content-type-options'}, 'nosniff', "$target: is what it says");
		is($headers->{'referrer-policy'}, 'same-origin', "$target: tells nobody else");
		is($headers->{'cross-origin-opener-policy'}, 'same-origin', "$target: and is opened by nobody else");
		like($headers->{vary}, qr/\bAccept\b/, "$target: is one of several");
		ok($headers->{'request-id'}, "$target: has a request id");
		unlike($answer->{body}, qr/<script(?! src="\/assets\/)|<style|\sstyle=|\son[a-z]+=|(?:src|href|action)="(?!\/|#|")/i,
			"$target: nothing inline, nothing from elsewhere");
		like($answer->{body}, qr/<html lang="en">/, "$target: has a language");
	}
	my $head = $gateway->connect;
	$head->send_request('HEAD', '/_ref/runs/run_1', [ Accept => $browser, Authorization => 'Bearer ' . PdppGateway::token() ]);
	my $answer = $head->receive(1);
	is($answer->{status}, 200, 'HEAD of a page');
	cmp_ok($answer->{headers}{'content-length'}, '>', 1000, 'has its length');
};

subtest 'the login, and back' => sub {
	my $root = $gateway->get('/', Accept => $browser);
	is($root->{status}, 303, 'the root leads on');
	is($root->{headers}{location}, '/_ref/runs', 'to the list');
	my $away = $gateway->get('/_ref/runs/run_1?order=oldest&type=a%20b', Accept => $browser);
	is($away->{status}, 303, 'without a session: to the login');
	is($away->{headers}{location}, '/owner/login?return_to=%2F_ref%2Fruns%2Frun_1%3Forder%3Doldest%26type%3Da%2520b', 'which knows where to go back to');
	is($away->{headers}{'cache-control'}, 'no-store', 'and is not kept');
	is($gateway->get('/_ref/runs/none', Accept => $browser)->{status}, 303, 'nobody learns without a session which runs there are');
	my $login = $gateway->get($away->{headers}{location}, Accept => $browser);
	is($login->{status}, 200, 'the login is a page');
	like($login->{body}, qr{name="return_to" value="/_ref/runs/run_1\?order=oldest&amp;type=a%20b"}, 'that goes back there');
	unlike($login->{body}, qr/Log out/, 'nobody is logged in');

	my $wrong = submit('/owner/login', { password => 'wrong', return_to => '/_ref/runs/run_1' });
	is($wrong->{status}, 401, 'a wrong password: 401');
	like($wrong->{body}, qr/The password is wrong/, 'says the page');
	like($wrong->{body}, qr{name="return_to" value="/_ref/runs/run_1"}, 'which asks again');
	ok(!$wrong->{headers}{'set-cookie'}, 'and opens nothing');

	my $right = submit('/owner/login', { password => $PdppGateway::password, return_to => '/_ref/runs/run_1?order=oldest' });
	is($right->{status}, 303, 'the right one');
	is($right->{headers}{location}, '/_ref/runs/run_1?order=oldest', 'leads back');
	my ($cookie) = $right->{headers}{'set-cookie'} =~ /^(pdpp_owner_session=[^;]+); Path=\/; HttpOnly; SameSite=Lax/;
	ok($cookie, 'with a session');
	is($gateway->get('/_ref/runs/run_1', Accept => $browser, Cookie => $cookie)->{status}, 200, 'that is good for pages');
	is($gateway->get('/owner/login?return_to=/_ref/runs/run_1', Accept => $browser, Cookie => $cookie)->{headers}{location}, '/_ref/runs/run_1',
		'who has a session needs no login');

	for my $elsewhere ('//evil.example', 'https://evil.example', '/\\evil.example', "/\t/evil.example", "/\n//evil.example", 'javascript:alert(1)', '')
	{
		is(submit('/owner/login', { password => $PdppGateway::password, return_to => $elsewhere })->{headers}{location}, '/_ref/runs',
			'nowhere else: ' . encoded($elsewhere));
		my $shown = $gateway->get('/owner/login?return_to=' . encoded($elsewhere), Accept => $browser);
		like($shown->{body}, qr{name="return_to" value="/_ref/runs"}, 'nor by the page');
	}

	my $foreign = submit('/owner/login', { password => $PdppGateway::password }, Origin => 'https://evil.example');
	is($foreign->{status}, 403, 'a form of another site logs nobody in');
	my $left = submit('/owner/logout', {}, Cookie => $cookie);
	is($left->{status}, 303, 'out again');
	is($left->{headers}{location}, '/owner/login', 'to the login');
	like($left->{headers}{'set-cookie'}, qr/^pdpp_owner_session=; .*Max-Age=0/, 'without the session');
};

subtest 'a run' => sub {
	my $text = page('/_ref/runs/run_1')->{body};
	like($text, qr{<title>● active · gmail/anna · run_1</title>}, 'the title has the status as sign and word');
	like($text, qr{rel="icon" id="icon" href="/assets/icon-active\.[0-9a-f]{16}\.svg"}, 'and so has the icon');
	like($text, qr{/_ref/runs\?connector_instance_id=gmail%2Fanna}, 'the runs of its connection');
	like($text, qr{by hand}, 'its controller');
	like($text, qr{This page shows the run as of <time}, 'without script it says so');
	like($text, qr{<details class="ask".*<form method="post" action="/_ref/runs/run_1/cancel">}s, 'cancelling is asked for once');
	is(page('/_ref/runs/run_1?nonsense=1')->{status}, 400, 'a parameter that there is not');
	is(page('/_ref/runs/run_1?order=sideways')->{status}, 400, 'an order that there is not');
	is(page('/_ref/runs/run_1?cursor=tl_x')->{status}, 400, 'a cursor that is none');
	my $json = page('/_ref/runs/run_1?as=json');
	is($json->{body}, sql(q{SELECT pdpp_run_status('run_1')}), 'as JSON');
	is($json->{headers}{'content-type'}, 'application/json', 'which it says it is');
	is($gateway->get('/_ref/runs/run_1?as=json', Accept => $browser)->{headers}{location}, '/owner/login?return_to=%2F_ref%2Fruns%2Frun_1%3Fas%3Djson',
		'for those with a session');
	is($gateway->get_as_owner('/_ref/runs/run_1?as=json')->{status}, 400, 'which is for pages alone');
	is(page('/_ref/runs/run_1/timeline?as=ndjson')->{headers}{'content-type'}, 'application/x-ndjson', 'its events as lines');
};

subtest 'forms' => sub {
	my $start = '/_ref/connections/gmail%2Fanna/run';
	my $active = submit_as_owner($start, { idempotency_key => 'k0' });
	is($active->{status}, 409, 'one run at a time');
	like($active->{body}, qr{<a class="main" href="/_ref/runs/run_1">}, 'and the way to it');
	is(submit('/_ref/runs/run_1/cancel', {})->{headers}{location}, '/owner/login?return_to=%2F_ref%2Fruns%2Frun_1', 'without a session: to the login');
	is(submit_as_owner('/_ref/runs/run_1/cancel', {}, Origin => 'https://evil.example')->{status}, 403, 'not for another site');
	is(submit_as_owner('/_ref/runs/run_1/cancel', {}, Origin => 'null')->{status}, 403, 'nor for one that does not say');
	is(sql(q{SELECT pdpp_run_status('run_1')->>'status'}), 'active', 'nothing was done');
	my $own = submit_as_owner('/_ref/runs/run_1/cancel', {}, Origin => "http://127.0.0.1:" . $gateway->port);
	is($own->{status}, 303, 'cancel');
	is($own->{headers}{location}, '/_ref/runs/run_1', 'and back to the run');
	is(sql(q{SELECT pdpp_run_status('run_1')->>'status'}), 'cancelled', 'which is cancelled');
	like(page('/_ref/runs/run_1')->{body}, qr{<title>■ cancelled}, 'as it says');
	is(submit_as_owner('/_ref/runs/run_1/cancel', {})->{status}, 303, 'twice is once');
	sql(q{SELECT pdpp_run_now('done', run_id => 'run_done'), pdpp_run_settle('run_done', 'completed')});
	my $late = submit_as_owner('/_ref/runs/run_done/cancel', {});
	is($late->{status}, 409, 'a run that has ended otherwise');
	like($late->{body}, qr{<code>run_already_terminal</code>.*<a href="/_ref/runs/run_done">Back to the run}s, 'with the way back');
	is(submit_as_owner('/_ref/runs/none/cancel', {})->{status}, 404, 'a run that there is not');

	my $retried = submit_as_owner('/_ref/runs/run_1/retry', { idempotency_key => 'k1' });
	is($retried->{status}, 303, 'repeat');
	my $again = submit_as_owner('/_ref/runs/run_1/retry', { idempotency_key => 'k1' });
	is($again->{headers}{location}, $retried->{headers}{location}, 'a form that is sent twice starts one run');
	my $text = page($retried->{headers}{location})->{body};
	like($text, qr{Repeats</dt><dd><a href="/_ref/runs/run_1">}, 'that names the one it repeats');
	like(page('/_ref/runs/run_1')->{body}, qr{Repeated by</dt><dd><a href="\Q$retried->{headers}{location}\E">}, 'and the other way round');
	submit_as_owner("$retried->{headers}{location}/cancel", {});
	my $started = submit_as_owner($start, {});
	is($started->{status}, 303, 'start another');
	like($started->{headers}{location}, qr{^/_ref/runs/run_}, 'and go there');
	is($gateway->request('POST', $start, [ Accept => $browser, 'Content-Type' => 'text/plain', Authorization => 'Bearer ' . PdppGateway::token() ], 'x')->{status},
		415, 'what is no form is for the API, and refused there');
	is(submit_as_owner('/_ref/connections/none/run', {})->{status}, 404, 'of a connection that there is not');
	submit_as_owner("$started->{headers}{location}/cancel", {});
};

subtest 'errors' => sub {
	my $unknown = page('/_ref/runs/run_never');
	is($unknown->{status}, 404, 'an id that was never handed out: 404');
	like($unknown->{body}, qr/never handed out this id/, 'which says what that means');
	like($unknown->{body}, qr{<code>not_found</code>}, 'with its code');
	is(page('/nothing')->{status}, 404, 'a path that there is not');
	is(page('/assets/page.js')->{status}, 404, 'files have other names');
	is($gateway->request('DELETE', '/_ref/runs', [ Accept => $browser ])->{status}, 405, 'a method that there is not');
	unlike(page('/_ref/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E')->{body}, qr/<script>/, 'an id from an address is text');
};

subtest 'hostile text' => sub {
	my $evil = q{<img src=x onerror=alert(1)>"'</pre></script><script>alert(1)</script>} . "\x1b[31m" . "\xe2\x80\xae";
	my $json = JSON::PP->new->encode({ message => "line 1\n$evil", failure_origin => $evil, connector_error_message => "b$evil" });
	$json =~ s/'/''/g;
	sql(q{SELECT pdpp_run_now('<b>c', 'x"><b>', 'run_evil<"''>&')});
	sql(q{SELECT pdpp_run_event('run_evil<"''>&', '<i>type"', '{"stream": "<b>", "message": "<b>"}')});
	sql(qq{SELECT pdpp_run_settle('run_evil<"''>&', 'failed', '$json')});
	for my $target ('/_ref/runs/run_evil%3C%22%27%3E%26', '/_ref/runs', '/_ref/runs?connector_id=%3Cb%3Ec', '/_ref/runs/run_evil%3C%22%27%3E%26?type=%3Ci%3Etype%22')
	{
		my $answer = page($target);
		is($answer->{status}, 200, "$target is there");
		unlike($answer->{body}, qr/<img|<script>|<b>c|<i>|onerror=alert\(1\)>|\x1b|\xe2\x80\xae/, "$target: is text");
	}
	like(page('/_ref/runs/run_evil%3C%22%27%3E%26')->{body}, qr/&lt;img src=x onerror=alert\(1\)&gt;&quot;&#39;.*\\x1b\[31m/s, 'which shows as it is');
};

subtest 'ids and types with marks of direction' => sub {
	sql(q{SELECT pdpp_run_now('mail' || chr(8207), 'c' || chr(8207) || 'd', 'run_' || chr(8207))});
	sql(q{SELECT pdpp_run_event('run_' || chr(8207), 'type' || chr(8207))});
	my $mark = "\xe2\x80\x8f";
	my $value_of = sub { my ($text, $name) = @_; return ($text =~ /<input[^>]* name="$name"[^>]* value="([^"]*)"/)[0] };
	my $list = page("/_ref/runs?connector_instance_id=c%E2%80%8Fd&connector_id=mail%E2%80%8F&retry_of=run_%E2%80%8F")->{body};
	is($value_of->($list, 'connector_instance_id'), "c${mark}d", 'a field has what the filter was');
	is($value_of->($list, 'connector_id'), "mail$mark", 'of the connector too');
	is($value_of->($list, 'retry_of'), "run_$mark", 'and one that is not shown');
	like($list, qr/<h1>Runs of c\\u200fd that repeat run_\\u200f</, 'in words it can be seen');
	my $run = page('/_ref/runs/run_%E2%80%8F?type=type%E2%80%8F')->{body};
	is($value_of->($run, 'type'), "type$mark", 'the type that was looked for');
	like($run, qr/<button[^>]* data-copy="run_$mark"/, 'the id to be copied');
	like($run, qr/<code id="run-id"><bdi>run_\\u200f</, 'in words it can be seen');
	sql(q{SELECT pdpp_run_cancel('run_' || chr(8207))});
};

subtest 'many events' => sub {
	sql(q{SELECT pdpp_run_now('long', 'long', 'run_long'); SELECT pdpp_run_started('run_long')});
	sql(q{INSERT INTO pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
		SELECT 'run_long', n, '', CASE n % 1000 WHEN 0 THEN 'run.rare' ELSE 'run.progress_reported' END, now(), now(),
		jsonb_build_object('stream', 'stream ' || n % 3, 'count', n, 'total', 20000, 'message', repeat('m', 400), 'more', repeat('x', 40 * (n % 50)))
		FROM generate_series(3, 10000) AS n});
	my $answer = page('/_ref/runs/run_long');
	is(join(' ', sequence($answer)), join(' ', reverse 9951 .. 10000), 'the newest first');
	like($answer->{body}, qr{10,000</small>}, 'says how many there are');
	like($answer->{body}, qr{the newest 200 of 10,000 events}, 'and what is drawn');
	like($answer->{body}, qr{<progress value="9999" max="20000"}, 'how far the newest progress is');
	my $whole = length $answer->{body};
	for my $path ($answer->{body} =~ m{(?:href|src)="(/assets/[^"]+)"}g)
	{
		my $file = $gateway->get($path, 'Accept-Encoding' => 'gzip');
		is($file->{status}, 200, "$path is there");
		$whole += length $file->{body};
	}
	cmp_ok($whole, '<', 60_000, 'all of it, as it is sent');

	my @seen = sequence($answer);
	my $next = $answer;
	for (1 .. 3)
	{
		my ($url) = $next->{body} =~ m{rel="next" href="([^"#]+)} or last;
		$next = page(unescaped($url));
		push @seen, sequence($next);
	}
	is(join(' ', @seen), join(' ', reverse 9801 .. 10000), 'page by page, no gap, no repeat');
	my $oldest = page('/_ref/runs/run_long?order=oldest');
	is(join(' ', sequence($oldest)), join(' ', 1 .. 50), 'the oldest first');
	my ($after) = $oldest->{body} =~ m{rel="next" href="([^"#]+)};
	is(join(' ', sequence(page(unescaped($after)))), join(' ', 51 .. 100), 'and on');
	is(join(' ', sequence(page('/_ref/runs/run_long?type=run.rare'))), join(' ', map { 1000 * $_ } reverse 1 .. 10), 'found by type');
	like(page('/_ref/runs/run_long?type=run.none')->{body}, qr/No event of this type/, 'none of a type');
	sql(q{SELECT pdpp_run_cancel('run_long')});
};

subtest 'the list' => sub {
	sql(q{DO $$ BEGIN FOR n IN 1 .. 120 LOOP PERFORM pdpp_run_now('many', 'many', 'many_' || n); PERFORM pdpp_run_settle('many_' || n,
		(ARRAY['completed', 'failed'])[1 + n % 2]); END LOOP; END $$});
	my ($target, @seen) = ('/_ref/runs?connector_instance_id=many&status=');
	while ($target)
	{
		my $answer = page($target);
		cmp_ok(length $answer->{body}, '<', 45_000, 'a page of the list is small');
		push @seen, $answer->{body} =~ /<li id="run-many_(\d+)"/g;
		($target) = $answer->{body} =~ m{rel="next" href="([^"]+)"};
		$target = unescaped($target) if $target;
	}
	is(join(' ', @seen), join(' ', reverse 1 .. 120), 'page by page, the newest first');
	my $shown = page('/_ref/runs?connector_id=many')->{body};
	like($shown, qr{action="/_ref/connections/many/run"}, 'what can be started');
	my ($tag) = $shown =~ /data-tag="&quot;([\w-]+)&quot;"/;
	is($gateway->get_as_owner('/_ref/runs?connector_id=many')->{headers}{etag}, "\"$tag\"", 'the entity tag is that of the API');
	my ($also, $also_tag) = $shown =~ /data-also="([^"]+)" data-also-tag="&quot;([\w-]+)&quot;"/;
	is($gateway->get_as_owner(unescaped($also))->{headers}{etag}, "\"$also_tag\"", 'so is that of the connections');
	my $failed = page('/_ref/runs?status=failed&connector_id=many');
	is(() = $failed->{body} =~ /<li id="run-[^"]+" class="failed"/g, 50, 'those that failed');
	like($failed->{body}, qr{<h1>Failed runs of many</h1>}, 'as it says');
	like($failed->{body}, qr{<option selected>failed</option>}, 'in the filter too');
	like(page('/_ref/runs?connector_id=nobody')->{body}, qr/No run matches these filters/, 'none');
	is(page('/_ref/runs?status=sleeping')->{status}, 400, 'a status that there is not');
	is(page('/_ref/runs?nonsense=1')->{status}, 400, 'a filter that there is not');
	sql('ALTER FUNCTION pdpp_connection_list RENAME TO pdpp_connection_list_away');
	my $unread = page('/_ref/runs?connector_id=many')->{body};
	like($unread, qr/<li id="run-many_120"/, 'where connections cannot be read: the runs');
	like($unread, qr/could not be read/, 'and that it is so');
	like($unread, qr/data-also="\Q$also\E"/, 'and where to ask again');
	sql('ALTER FUNCTION pdpp_connection_list_away RENAME TO pdpp_connection_list');
};

subtest 'files' => sub {
	my ($script) = page('/_ref/runs')->{body} =~ m{<script src="([^"]+)"};
	my $file = $gateway->get($script);
	is($file->{headers}{'cache-control'}, 'public, max-age=31536000, immutable', 'are good for ever');
	is($file->{headers}{'content-type'}, 'text/javascript; charset=utf-8', 'and what they are');
	is($file->{headers}{'x-content-type-options'}, 'nosniff', 'and nothing else');
	my $packed = $gateway->get($script, 'Accept-Encoding' => 'gzip, br');
	is($packed->{headers}{'content-encoding'}, 'gzip', 'compressed for who takes that');
	cmp_ok(length $packed->{body}, '<', length $file->{body}, 'which is less');
	unlike($file->{body}, qr/innerHTML\s*=|insertAdjacentHTML|document\.write|\beval\b|outerHTML\s*=/, 'the script makes no markup of text');
};

subtest 'pruned' => sub {
	sql(q{SET session_replication_role = replica; UPDATE pdpp.spine_events SET occurred_at = now() - interval '2 years', recorded_at = now() - interval '2 years' WHERE run_id = 'run_long'});
	sql(q{SELECT pdpp_prune(now() - interval '1 year')});
	like(page('/_ref/runs/run_long')->{body}, qr/were removed by retention/, 'is said');
};

subtest 'a server that lets everybody in' => sub {
	my $open = PdppGateway->start(conninfo => $node->connstr('postgres'), password => undef, args => ['--insecure-no-owner']);
	my $list = $open->get('/_ref/runs', Accept => $browser);
	is($list->{status}, 200, 'needs no login');
	unlike($list->{body}, qr/Log out/, 'and has none');
	is($open->get('/owner/login', Accept => $browser)->{headers}{location}, '/_ref/runs', 'nor a page for it');
	is($open->stop, 0, 'ends');
};

subtest 'a database that is away' => sub {
	$node->stop;
	my $away = page('/_ref/runs/run_1?order=oldest');
	is($away->{status}, 503, '503');
	is($away->{headers}{refresh}, '3', 'that tries again');
	ok($away->{headers}{'retry-after'}, 'and says when');
	like($away->{body}, qr/tries again by itself/, 'in words too');
	like($away->{body}, qr{<code>database_unavailable</code>}, 'with its code');
	my $form = submit_as_owner('/_ref/connections/many/run', { idempotency_key => 'k9' });
	is($form->{status}, 503, 'what was sent');
	ok(!$form->{headers}{refresh}, 'is not asked for');
	like($form->{body}, qr{name="idempotency_key" value="k9"}, 'but may be sent again');
	$node->start;
	PdppGateway::await(sub { page('/_ref/runs/run_1')->{status} == 200 }, 'the page is there again');
	my $again = submit_as_owner('/_ref/connections/many/run', { idempotency_key => 'k9' });
	is($again->{status}, 303, 'and it is done');
};

is($gateway->stop, 0, 'the gateway ends');
done_testing();
