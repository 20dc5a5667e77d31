# The page of a run, in a browser: started there and watched to its end without a reload; cancelled; one that fails with a hostile
# message; one of 10,000 events; back and forward.

use strict;
use warnings;
use utf8;

use JSON::PP ();
use PdppGateway;
use PdppPages;
use Programs;
use Test::More;

my $pages = PdppPages->start;
my $browser = $pages->browser;

subtest 'what nobody wants to see is noticed' => sub {
	$browser->value(q{(() => {
		document.body.append(Object.assign(new Image(), {src: 'http://elsewhere.example/x'}));
		document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.wasHere = true'}));
		console.error('said by a script');
		location.href = 'http://127.0.0.1:1/elsewhere';
	})()});
	my %seen;
	for my $what ('img-src', 'script-src', 'said by a script', 'a request to http://127.0.0.1:1/')
	{
		ok(within(sub { $seen{$_} = 1 for $browser->complaints; return grep { /\Q$what\E/ } keys %seen }), $what) or diag(join "\n", keys %seen);
	}
	$browser->go('/_ref/runs');
	ok(!$browser->value('window.wasHere'), 'and the policy holds');
	$browser->complaints;
};

subtest 'started from the list, and watched to the end' => sub {
	$browser->click('#starting > summary') unless $browser->value(q{document.querySelector('#starting').open});
	$browser->click('form[action="/_ref/connections/mail/run"] button');
	$browser->await(q{/^\/_ref\/runs\/run_/.test(location.pathname)}, 'the page of the run that was started');
	my $run = $pages->active_run('mail');
	is($browser->at, "/_ref/runs/$run", 'at its own URL');
	$browser->mark;
	$browser->await(q{document.querySelector('.times').innerText.match(/Started\s+\d{4}-/)}, 'it has started');
	is($browser->text('#status'), 'active', 'it lives');
	my $title = $browser->title;
	my $icon = $browser->value(q{document.querySelector('#icon').href});
	$pages->tell($run, '{"type": "PROGRESS", "stream": "inbox", "message": "fetching", "count": 10, "total": 40}');
	$browser->await_text('.progress', '10 of 40', 'progress as a bar');
	is($browser->value(q{document.querySelector('progress').value / document.querySelector('progress').max}), 0.25, 'of a quarter');
	$pages->tell($run, '{"type": "PROGRESS", "stream": "labels", "message": "counting", "count": 7}');
	$browser->await(q{[...document.querySelectorAll('.progress li')].some((stream) => /labels/.test(stream.innerText) && /7/.test(stream.innerText) && !stream.querySelector('progress'))},
		'a counter without a total');
	my $ticking = $browser->text('.took');
	$browser->await(q{document.querySelector('.took').innerText !== arguments[0]}, 'its time goes on', $ticking);
	$pages->tell($run, '{"type": "DONE", "status": "succeeded", "records_emitted": 40}', 'exit 0');
	$browser->await_text('#status', 'completed', 'it has ended');
	$browser->await(q{document.querySelector('#announced').innerText.includes('completed')}, 'which is announced');
	isnt($browser->title, $title, 'the title says so');
	like($browser->title, qr/completed/, 'in a word');
	isnt($browser->value(q{document.querySelector('#icon').href}), $icon, 'so does the icon');
	ok($browser->is_marked, 'all of it without a reload');
	$browser->await(q{document.querySelectorAll('.events > li').length === arguments[0]}, 'every event is there', $pages->sql("SELECT max(event_seq) FROM pdpp.spine_events WHERE run_id = '$run'") + 0);
	$browser->reload;
	is($browser->text('#status'), 'completed', 'and a reload shows the same');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'cancelled' => sub {
	# a run of a controller that takes its time
	my $run = 'run_slow';
	my $controller = $pages->node->background_psql('postgres');
	$controller->query_safe(q{
		SELECT pdpp_controller_boot('slow');
		SELECT pdpp_controller_offer('[{"connector_instance_id": "slow", "connector_id": "slow"}]');
		SELECT pdpp_run_now('slow', 'slow', 'run_slow');
		SELECT pdpp_run_claim();
		SELECT pdpp_run_started('run_slow');
	});
	$browser->go("/_ref/runs/$run");
	ok(!$browser->value(q{document.querySelector('#cancel form').checkVisibility()}), 'the button is not there at once');
	$browser->click('#cancel > summary');
	$browser->click('#cancel form button');
	$browser->await_text('#acts', 'Cancel requested', 'the request shows');
	is($browser->at, "/_ref/runs/$run", 'on the page of the run');
	is($browser->text('#status'), 'active', 'which goes on');
	is($browser->count('#cancel'), 0, 'and is not asked again');
	$browser->mark;
	$controller->query_safe(q{SELECT pdpp_run_settle('run_slow', 'cancelled', '{"reason": "owner_cancelled"}')});
	$browser->await_text('#status', 'cancelled', 'then the ending');
	ok($browser->is_marked, 'without a reload');
	like($pages->sql("SELECT string_agg(event_type, ' ' ORDER BY event_seq) FROM pdpp.spine_events WHERE run_id = '$run'"), qr/run\.started run\.cancel_requested run\.cancelled$/, 'asked for once, and done');
	$controller->quit;

	# a connector's process
	$run = $pages->run_of('mail');
	$browser->go("/_ref/runs/$run");
	$browser->click('#cancel > summary');
	$browser->click('#cancel form button');
	$browser->await_text('#status', 'cancelled', 'a process is ended');
	$browser->click('form[action$="/retry"] button');
	$browser->await(q{location.pathname !== arguments[0] && location.pathname.startsWith('/_ref/runs/')}, 'repeated', "/_ref/runs/$run");
	my $again = $pages->active_run('mail');
	is($browser->at, "/_ref/runs/$again", 'the page of the new run');
	$browser->await(q{document.querySelector('a[href$="/' + arguments[0] + '"]')}, 'which names the one that it repeats', $run);
	$pages->tell($again, 'exit 3');
	$browser->await_text('#status', 'failed', 'it fails');
	$browser->await_text('.failure', 'connector_exit_nonzero', 'and says why');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

my $hostile = qq{</p><script>window.wasHere = true</script><img src="http://evil.example/x" onerror="window.wasHere = true">"><svg onload=window.wasHere=true>'"`}
  . qq{\x{1b}[31mred\x{1b}[0m \x{202e}gnp.exe\x{2066} \x{1F600} \x{5e9}\x{5dc}\x{5d5}\x{5dd} &amp; {{MESSAGE}} \${1} javascript:window.wasHere=true};

subtest 'failed with a hostile message, of a hostile connection' => sub {
	my $id = q{run"><script>window.wasHere = true</script>&'/../x};
	my $connection = q{<b onmouseover="window.wasHere=true">c</b>"'};
	my $message = JSON::PP->new->ascii->encode({ reason => $hostile =~ s/\x{1b}//gr, failure_message => $hostile, failure_origin => $hostile, connector_error_message => "$hostile 2" });
	my $literal = sub { my ($text) = @_; return q{'} . $text =~ s/'/''/gr . q{'} };
	$pages->started($connection =~ s/'/''/gr, $connection =~ s/'/''/gr, $id =~ s/'/''/gr);
	my $path = '/_ref/runs/' . join '', map { /[A-Za-z0-9._~-]/ ? $_ : sprintf '%%%02X', ord } split //, $id;
	$browser->go($path);
	is($browser->text('#run-id'), $id, 'its id is text');
	$pages->sql("SELECT pdpp_run_event(" . $literal->($id) . ", '<i>type</i>', " . $literal->($message) . ')');
	$browser->await(q{[...document.querySelectorAll('.events .type')].some((type) => type.innerText === '<i>type</i>')}, 'an event that comes meanwhile is text');
	$pages->sql("SELECT pdpp_run_settle(" . $literal->($id) . ", 'failed', " . $literal->($message) . ')');
	$browser->await_text('#status', 'failed', 'it fails');
	for my $how ('as it happened', 'after a reload')
	{
		$browser->reload if $how =~ /reload/;
		my $shown = $browser->text('.failure .message');
		like($shown, qr{\Q</p><script>window.wasHere = true</script><img src="http://evil.example/x"\E}, "$how: markup shows as text");
		like($shown, qr/\\x1b\[31mred/, "$how: an ANSI sequence can be read");
		unlike($browser->value('document.body.textContent'), qr/[\x{202a}-\x{202e}\x{2066}-\x{2069}]/, "$how: nothing turns the direction of what follows");
		like($shown, qr/\x{1F600} \x{5e9}\x{5dc}\x{5d5}\x{5dd} &amp; \{\{MESSAGE\}\}/, "$how: any script, as it is");
		$browser->click('.events > li:first-child details > summary');
		$browser->await(q{document.querySelector('.events > li:first-child pre')?.innerText.includes('</p><script>')}, "$how: so does its data, unfolded");
		ok(!$browser->value('window.wasHere'), "$how: nothing of it was done");
		is($browser->value(q{document.querySelectorAll('main script, main img, main svg:not(.mark, #drawing)').length}), 0, "$how: nothing of it became a part of the page");
	}
	$browser->go('/_ref/runs');
	ok(scalar(grep { $_ eq $id } $browser->texts('#list code')), 'it is text in the list too');
	$browser->go('/_ref/runs?connector_instance_id=' . '%3Cscript%3Ewindow.wasHere%3Dtrue%3C%2Fscript%3E%22');
	$browser->await_text('.empty', 'No run matches', 'a hostile filter finds nothing');
	ok(!$browser->value('window.wasHere'), 'and does nothing');
	is_deeply([ $browser->complaints ], [], 'no violation of the policy, and no request');
};

subtest '10,000 events, followed' => sub {
	my $run = $pages->started('many', 'many', 'run_many');
	$pages->sql("SELECT count(pdpp_run_event('$run', 'run.progress_reported', jsonb_build_object('stream', 's', 'count', i, 'total', 10002))) FROM generate_series(1, 100) AS i");
	$browser->go("/_ref/runs/$run");
	$browser->mark;
	my $writer = start('', 'psql', '-Xqd', $pages->node->connstr('postgres'), '-c',
		"DO \$\$ BEGIN FOR i IN 101 .. 10000 LOOP PERFORM pdpp_run_event('$run', 'run.progress_reported', jsonb_build_object('stream', 's', 'count', i, 'total', 10002)); IF i % 50 = 0 THEN COMMIT; END IF; END LOOP; END \$\$");
	$browser->await(q{Number(document.querySelector('#event-count').innerText.replace(/\D/g, '')) > 150}, 'more come, while they are written');
	is((finish($writer))[0], 0, 'all were written');
	$browser->await(q{document.querySelector('#event-count').innerText.replace(/\D/g, '') === '10002'}, 'and are counted');
	$browser->await(q{document.querySelector('.events > li .seq').innerText === '10002'}, 'the newest is on top');
	$browser->await_text('.progress', '10,000 of 10,002', 'the progress is the last');
	cmp_ok($browser->count('.events > li'), '<=', 100, 'but not all of them are in the page');
	cmp_ok($browser->value('document.querySelectorAll("*").length'), '<', 3000, 'which stays small');
	ok($browser->is_marked, 'without a reload');
	my $next = 0;
	$browser->click('a[rel=next]');
	$browser->await(q{new URLSearchParams(location.search).has('cursor')}, 'older ones on another page');
	my $first = $browser->text('.events > li .seq');
	is($first, 10002 - 50, 'which go on where the first one ended');
	$browser->go("/_ref/runs/$run?order=oldest");
	is_deeply([ ($browser->texts('.events .type'))[ 0, 1 ] ], [ 'run.admitted', 'run.started' ], 'the oldest first');
	$browser->type('#type', 'run.started');
	$browser->press('Enter');
	$browser->await(q{new URLSearchParams(location.search).get('type') === 'run.started'}, 'found by type');
	is_deeply([ $browser->texts('.events .type') ], ['run.started'], 'one among 10,000');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

sub is_live { return $browser->await(q{document.querySelector('#liveness').innerText.includes('up to date')}, 'live') }

# Without waiting for the next time: whether anything has changed.
sub look_now { return $browser->value(q{dispatchEvent(new Event('online'))}) }

subtest 'the focus comes to no other act' => sub {
	for my $selector ('#cancel > summary', '#cancel form button')
	{
		my $run = $pages->started('focus', "focus $selector", "run_$selector");
		$browser->go('/_ref/runs/' . $run =~ s/([^a-z_])/sprintf '%%%02X', ord $1/ger);
		is_live();
		$browser->value(q{document.querySelector('#cancel').open = true});
		$browser->value(q{document.querySelector(arguments[0]).focus()}, $selector);
		$pages->sql("SELECT pdpp_run_settle('$run', 'failed')");
		$browser->await_text('#acts', 'Repeat this run', 'it ends');
		ok(!$browser->value(q{document.activeElement.closest('button, a, summary')}), "$selector is gone, and nothing that can be pressed has its focus");
		is($browser->value(q{document.activeElement.id}), 'acts', 'but what is around it');
	}
	my $run = $pages->started('focus', 'focus', 'run_focus');
	$browser->go("/_ref/runs/$run");
	is_live();
	for my $selector ('button.copy', '.facts a')
	{
		$browser->value(q{(() => { const part = document.querySelector(arguments[0]); part.focus(); part.id || (part.isOld = true); })()}, $selector);
		$pages->sql("SELECT pdpp_run_event('$run', 'run.progress_reported', '{\"stream\": \"$selector\"}')");
		$browser->await(q{!document.querySelector(arguments[0]).isOld}, "$selector is put there anew", $selector);
		ok($browser->value(q{document.activeElement === document.querySelector(arguments[0])}, $selector), 'and has the focus');
	}
	$browser->value(q{document.activeElement.blur()});
	$browser->point('#cancel > summary');
	$pages->sql("SELECT pdpp_run_settle('$run', 'failed')");
	$browser->await_text('#status', 'failed', 'it ends while the mouse is on an act');
	is($browser->text('#acts'), 'Cancel the run…', 'which becomes no other one under it');
	$browser->point;
	$browser->await_text('#acts', 'Repeat this run', 'but then');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'progress that comes while the mouse is among the events' => sub {
	my $run = $pages->started('moved', 'moved', 'run_moved');
	$pages->sql("SELECT pdpp_run_event('$run', 'note') FROM generate_series(1, 5)");
	for my $scrolled (0, 100)
	{
		$browser->go("/_ref/runs/$run");
		is_live();
		$browser->value('scrollTo(0, arguments[0])', $scrolled);
		$browser->point('#event-4');
		my $top = $browser->value(q{document.querySelector('#event-4').getBoundingClientRect().top});
		$pages->sql("SELECT pdpp_run_event('$run', 'run.progress_reported', '{\"stream\": \"s $scrolled\", \"count\": 3, \"total\": 9}')");
		$browser->await_text('.progress', "s $scrolled", 'it shows');
		$browser->await(q{!document.querySelector('#fresh').hidden}, 'and waits as an event');
		cmp_ok(abs($browser->value(q{document.querySelector('#event-4').getBoundingClientRect().top}) - $top), '<', 1, "what is under the mouse stays there, $scrolled pixels down");
		$browser->point;
	}
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'after the end' => sub {
	my $run = $pages->started('ended', 'ended', 'run_ended');
	$pages->sql("SELECT pdpp_run_event('$run', 'note', jsonb_build_object('of', 'event ' || n, 'pad', repeat('p', 1000))) FROM generate_series(1, 3) AS n");
	$pages->sql("SELECT pdpp_run_settle('$run', 'failed', jsonb_build_object('of', 'the end', 'pad', repeat('p', 1000)))");
	$browser->go("/_ref/runs/$run");
	is_live();
	$browser->mark;
	$pages->sql("SELECT pdpp_run_settle('$run', 'completed')");
	look_now();
	$browser->await(q{[...document.querySelectorAll('.events .type')].some((type) => type.innerText === 'run.late_outcome')}, 'a late outcome shows');
	is_live();
	$pages->sql(q{SET session_replication_role = replica; UPDATE pdpp.spine_events SET occurred_at = occurred_at - interval '2 years', recorded_at = recorded_at - interval '2 years',
		admitted_at = admitted_at - interval '2 years' WHERE run_id = 'run_ended'; SELECT pdpp_prune(now() - interval '1 year')});
	$browser->value(q{document.querySelector('#event-4 details').open = true});
	$browser->await_text('#event-4 details', 'removed by retention', 'data of an event that was removed meanwhile is said to be');
	$browser->value(q{document.querySelector('#event-6 details').open = true});
	$browser->await_text('#event-6 pre', 'the end', 'as that of one which is there is shown');
	look_now();
	$browser->await_text('#list', 'Events of this run were removed by retention', 'retention shows');
	ok($browser->is_marked, 'without a reload');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'an id with a mark of direction is copied as it is' => sub {
	$pages->started('marked', 'marked', "run_\x{200f}marked");
	$browser->go('/_ref/runs/run_%E2%80%8Fmarked');
	for my $clipboard ('{writeText: async (text) => { window.copied = text; }}', '{writeText: async () => { throw new Error("no"); }}')
	{
		$browser->value("(() => { window.copied = null; Object.defineProperty(navigator, 'clipboard', {configurable: true, value: $clipboard}); })()");
		$browser->value(q{(() => { const data = DataTransfer.prototype.setData; DataTransfer.prototype.setData = function (type, text) { window.copied = text; data.call(this, type, text); }; })()});
		$browser->click('button.copy');
		$browser->await(q{window.copied === 'run_\u200fmarked'}, 'letter for letter');
	}
	$browser->complaints;
};

subtest 'back and forward' => sub {
	my $run = $pages->run_of('chat');
	$browser->go('/_ref/runs');
	$browser->click(qq{#list a[href="/_ref/runs/$run"]});
	$browser->await_text('#run-id', $run, 'a run');
	$browser->back;
	$browser->await(q{document.querySelector('ol.runs')}, 'back to the list');
	$pages->tell($run, '{"type": "DONE", "status": "succeeded", "records_emitted": 0}', 'exit 0');
	$browser->await(q{document.querySelector('a[href="/_ref/runs/' + arguments[0] + '"]').closest('li').innerText.includes('completed')}, 'which is live', $run);
	$browser->forward;
	$browser->await_text('#status', 'completed', 'forward to the run, as it is now');
	$browser->await(q{document.querySelector('#liveness').innerText.includes('up to date')}, 'and live');
	$pages->sql("SELECT pdpp_connection_run_now('chat', retry_of => '$run', run_id => 'run_repeats')");
	$browser->await(q{document.querySelector('a[href="/_ref/runs/run_repeats"]')}, 'it was repeated');
	$pages->tell($pages->active_run('chat'), 'exit 0');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

$browser->quit;
$pages->{controller}->stop;
is($pages->gateway->stop, 0, 'the gateway stops cleanly');
done_testing();
