# Pages for everybody, in a browser: judged by axe-core in both colour schemes, 320 pixels wide, by keyboard alone, without motion, in
# print, in any zone. Makes the pictures, of which one is the README's.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PdppGateway;
use PdppPages;
use PostgreSQL::Test::Utils;
use Test::More;

my $pages = PdppPages->start;
my $axe = abs_path(dirname(__FILE__)) . '/node_modules/axe-core/axe.min.js';

# runs of every kind, as a connector would have them
$pages->sql(q{
	SELECT pdpp_run_now('gmail', 'gmail-' || word, 'run_' || word) FROM unnest(ARRAY['completed', 'failed', 'cancelled', 'abandoned', 'active', 'waiting']) AS word;
	SELECT pdpp_run_started('run_' || word, '{"controller_id": "host-1"}') FROM unnest(ARRAY['completed', 'failed', 'cancelled', 'abandoned', 'active']) AS word;
	SELECT pdpp_run_event('run_' || word, 'run.progress_reported', jsonb_build_object('stream', 'inbox', 'message', 'fetching', 'count', n * 120, 'total', 640))
	FROM unnest(ARRAY['completed', 'failed', 'active']) AS word, generate_series(1, 4) AS n;
	SELECT pdpp_run_event('run_active', 'run.progress_reported', '{"stream": "labels", "count": 17}');
	SELECT pdpp_run_settle('run_completed', 'completed', '{"records_emitted": 640}');
	SELECT pdpp_run_settle('run_failed', 'failed', '{"reason": "connector_exit_nonzero", "failure_message": "the connector exited with code 1", "failure_origin": "connector", "connector_error_message": "imap.example.com: 535 5.7.8 the app password was revoked"}');
	SELECT pdpp_run_settle('run_cancelled', 'cancelled', '{"reason": "owner_cancelled"}');
	SELECT pdpp_run_settle('run_abandoned', 'abandoned', '{"reason": "boot_lost"}');
	SELECT pdpp_run_settle('run_failed', 'completed');
});
# what is long: a message, data, numbers
$pages->sql(q{
	SELECT pdpp_run_now('gmail', 'gmail-long', 'run_lengthy'), pdpp_run_started('run_lengthy');
	SELECT pdpp_run_event('run_lengthy', 'note', jsonb_build_object('text', repeat(E'a line of some length, to be shown\n', n))) FROM unnest(ARRAY[12, 200]) AS n;
	SELECT pdpp_run_event('run_lengthy', 'run.progress_reported', data) FROM unnest(ARRAY['{"stream": "bytes", "count": 1234567890, "total": 2345678901}',
		'{"stream": "many", "count": 12345678901234567890, "total": 12345678901234567899}', '{"stream": "huge", "count": 1e300, "total": 1e301}', '{"stream": "counter", "count": 1e300}']::jsonb[]) AS data;
	SELECT pdpp_run_settle('run_lengthy', 'failed', jsonb_build_object('reason', 'x', 'failure_message', repeat(E'a line of a traceback\n', 80), 'connector_error_message', repeat(E'another\n', 80)));
});
my $long = join '', map { chr(ord('a') + $_ % 26) } 1 .. 256;
$pages->started($long, $long, $long);

my %page_of = (
	'list' => '/_ref/runs',
	'list that is empty' => '/_ref/runs?connector_id=none',
	(map { ("run $_" => "/_ref/runs/run_$_") } qw(completed failed cancelled abandoned active waiting)),
	'run of long texts' => '/_ref/runs/run_lengthy',
	'run of a long id' => "/_ref/runs/$long",
	'unknown run' => '/_ref/runs/run_unknown',
	'unknown path' => '/nowhere');
my $browser = $pages->browser;
my $stranger = $pages->browser(logged_in => 0);
my @visits = ((map { [ $browser, $_, $page_of{$_} ] } sort keys %page_of), [ $stranger, 'login', '/owner/login' ]);

# What axe-core says of the page.
sub judged
{
	my ($where) = @_;
	my $source = slurp_file($axe);
	$where->value("(() => { $source; return 0; })()");
	return $where->later(q{
		const done = arguments[arguments.length - 1];
		axe.run(document, {runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}})
			.then((result) => done({passes: result.passes.length, violations: result.violations.map((each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')}: ${(each.nodes[0].failureSummary || '').replace(/\s+/g, ' ').slice(0, 300)}`)}),
				(error) => done({passes: 0, violations: [String(error)]}));
	});
}

subtest 'judged by axe-core' => sub {
	plan skip_all => 'axe-core is not here (npm ci --prefix test/page)' unless -e $axe;
	for my $visit (@visits)
	{
		my ($where, $name, $target) = @$visit;
		for my $scheme ('light', 'dark')
		{
			$where->prefer('prefers-color-scheme' => $scheme);
			$where->go($target);
			$where->value(q{[...document.querySelectorAll('details')].forEach((details) => { details.open = true; })});
			$where->await(q{!document.querySelector('details[open][data-load]')}, "$name, $scheme: what is unfolded is there");
			my $found = judged($where);
			is_deeply($found->{violations}, [], "$name, $scheme: no violation");
			cmp_ok($found->{passes}, '>=', 10, "$name, $scheme: rules were applied");
		}
		$where->prefer('prefers-color-scheme' => 'light');
	}
	$stranger->value(q{document.querySelector('main').append(document.createElement('button'))});
	like(join(' ', @{ judged($stranger)->{violations} }), qr/button-name/, 'a button that says nothing is one');
};

subtest '320 pixels wide' => sub {
	for my $visit (@visits)
	{
		my ($where, $name, $target) = @$visit;
		$where->size(320, 800);
		$where->go($target);
		# what is cut off by what stands around it, or is moved within that, does not
		$where->value(q{window.isClipped = (part) => part.parentElement && (getComputedStyle(part.parentElement).overflowX !== 'visible' || isClipped(part.parentElement))});
		cmp_ok($where->value('document.documentElement.scrollWidth'), '<=', 320, "$name: nothing is beside the page");
		is($where->value(q{[...document.querySelectorAll('main *')].filter((part) => part.checkVisibility() && !part.closest('svg, .spoken') && part.getBoundingClientRect().right > 321
			&& !isClipped(part)).map((part) => part.tagName + '.' + part.className + ': ' + part.getBoundingClientRect().right).slice(0, 3).join(', ')}), '', "$name: nothing sticks out");
		$where->picture('narrow-' . $name =~ s/\W+/-/gr) if $name =~ /^(?:list|run failed)$/;
		$where->size(1000, 1000);
	}
};

# Presses Tab until the focus is on what is looked for.
sub tab_to
{
	my ($where, $selector, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @passed;
	for (1 .. 80)
	{
		$where->press('Tab');
		my $focus = $where->value(q{document.activeElement.matches(arguments[0]) ? 'there' : document.activeElement.outerHTML.slice(0, 60)}, $selector);
		if ($focus eq 'there')
		{
			ok($where->value(q{(() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none'; })()}),
				"$name: the focus can be seen");
			return;
		}
		push @passed, $focus;
	}
	fail("$name: the keyboard comes to it") or diag(join "\n", @passed[ 0 .. 10 ]);
	return;
}

subtest 'by keyboard alone' => sub {
	my $run = $pages->started('mail', 'keyboard', 'run_keyboard');
	$stranger->go('/_ref/runs');
	$stranger->await(q{document.activeElement.id === 'password'}, 'the password can be typed at once');
	$stranger->press(split(//, $PdppGateway::password), 'Enter');
	$stranger->await_text('#list', $run, 'the list');
	$stranger->press('Tab');
	is($stranger->value(q{document.activeElement.className}), 'skip', 'the first stop skips to the content');
	ok($stranger->value(q{document.activeElement.getBoundingClientRect().top >= 0 && document.activeElement.getBoundingClientRect().width > 10}), 'and can be seen');
	$stranger->press('Enter');
	tab_to($stranger, qq{a[href="/_ref/runs/$run"]}, 'a run');
	$stranger->press('Enter');
	$stranger->await_text('#run-id', $run, 'its page');
	tab_to($stranger, '#cancel > summary', 'cancelling');
	$stranger->press('Enter');
	tab_to($stranger, '#cancel button', 'which asks once');
	$stranger->press('Space');
	$stranger->await_text('#status', 'cancelled', 'cancelled');
	tab_to($stranger, '.events details > summary', 'the data of an event');
	$stranger->press('Enter');
	$stranger->await(q{document.querySelector('.events details[open] pre, .events details[open] p')?.checkVisibility()}, 'unfolded');
	is_deeply([ $stranger->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'never colour alone' => sub {
	$browser->go('/_ref/runs');
	my %mark = map { $_->[0] => $_->[1] } @{ $browser->value(q{[...document.querySelectorAll('#list li')].map((row) => [row.querySelector('.state').innerText.trim(), row.querySelector('.mark path').getAttribute('d')])}) };
	is_deeply([ sort keys %mark ], [qw(abandoned active cancelled completed failed)], 'each status is a word');
	my %different = map { $_ => 1 } values %mark;
	is(scalar keys %different, 5, 'and a shape of its own');
	my %icon = map { $browser->go("/_ref/runs/run_$_"); ($browser->value(q{document.querySelector('#icon').href}) => 1) } keys %mark;
	is(scalar keys %icon, 5, 'also as the icon of its tab');
};

subtest 'nothing moves for long' => sub {
	$browser->go('/_ref/runs/run_active');
	is($browser->value(q{document.getAnimations().filter((each) => each.effect.getComputedTiming().endTime > 5000).length}), 0, 'on the page of a run that goes on');
};

subtest 'as the reader prefers' => sub {
	$browser->prefer('prefers-reduced-motion' => 'reduce');
	$browser->go('/_ref/runs');
	$pages->started('mail', 'motion', 'run_motion');
	$browser->await_text('#list', 'run_motion', 'a run arrives');
	is($browser->value(q{document.getAnimations().filter((each) => each.effect.getComputedTiming().duration > 1).length}), 0, 'without motion');
	$browser->prefer('prefers-reduced-motion' => 'no-preference');
	my @light = map { $browser->value('getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).color') } $browser->prefer('prefers-color-scheme' => 'light');
	my @dark = map { $browser->value('getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).color') } $browser->prefer('prefers-color-scheme' => 'dark');
	isnt("@light", "@dark", 'dark and light');
	$browser->prefer('prefers-color-scheme' => 'light');

	$browser->tools('Emulation.setTimezoneOverride', timezoneId => 'Asia/Kolkata');
	$browser->go('/_ref/runs/run_completed');
	my $admitted = 'document.querySelector(".times time")';
	my ($shown, $title, $utc) = map { $browser->value("$admitted.$_") } qw(innerText title dateTime);
	unlike($shown, qr/UTC/, "the reader's zone");
	like($title, qr/UTC/, 'with UTC at hand');
	my ($minutes) = map { $_->[0] * 60 + $_->[1] } [ $shown =~ / (\d\d):(\d\d):/ ];
	my ($utc_minutes) = map { $_->[0] * 60 + $_->[1] } [ $utc =~ /T(\d\d):(\d\d):/ ];
	is(($minutes - $utc_minutes) % 1440, 330, 'five and a half hours ahead');
	$browser->click('#zone');
	like($browser->value("$admitted.innerText"), qr/UTC/, 'a button turns them around');
	$browser->reload;
	like($browser->value("$admitted.innerText"), qr/UTC/, 'and is remembered');
	$browser->click('#zone');

	$browser->tools('Emulation.setEmulatedMedia', media => 'print');
	$browser->go('/_ref/runs/run_failed');
	is($browser->value(q{[...document.querySelectorAll('button, form')].filter((part) => part.checkVisibility()).length}), 0, 'printed: nothing to press');
	like($browser->text('main'), qr/run_failed.*535 5\.7\.8/s, 'and what there is to read');
	$browser->tools('Emulation.setEmulatedMedia', media => '');
};

subtest 'pictures' => sub {
	for my $scheme ('light', 'dark')
	{
		$browser->prefer('prefers-color-scheme' => $scheme);
		$browser->size(1000, 1000);
		$browser->go('/_ref/runs');
		$browser->picture("list-$scheme");
		for my $run (qw(active failed completed))
		{
			$browser->go("/_ref/runs/run_$run");
			$browser->picture("run-$run-$scheme");
		}
	}
	$browser->prefer('prefers-color-scheme' => 'light');
	# the README's: a run that was followed while it went on
	my $run = $pages->run_of('mail');
	$pages->tell($run, map { qq({"type": "PROGRESS", "stream": "inbox", "message": "fetching", "count": $_, "total": 640}) } 120, 240, 360);
	$pages->tell($run, map { qq({"type": "PROGRESS", "stream": "labels", "count": $_}) } 5, 17);
	$browser->size(1000, 700);
	$browser->go("/_ref/runs/$run");
	$browser->await_text('.progress', '360 of 640', 'a run that goes on');
	$browser->await_text('.progress', '17', 'with two streams');
	$browser->picture('run', format => 'webp');
	$pages->tell($run, 'exit 0');
	my $folder = $ENV{PDPP_PICTURES};
	my @missing = $folder ? grep { !-s "$folder/$_" } 'run.webp', 'list-light.png', 'list-dark.png', 'run-failed-dark.png' : ();
	is_deeply(\@missing, [], 'they were made');
	# so that README shows what there is: copy build/pictures/run.webp to docs/ when the page has changed
	SKIP:
	{
		skip 'no pictures are asked for', 2 if !$folder;
		my $near = 0.02; # what other fonts do
		cmp_ok($browser->distance('docs/run.webp', "$folder/run.webp"), '<', $near, 'README shows the page as it is');
		cmp_ok($browser->distance(map { "$folder/run-$_-light.png" } 'failed', 'completed'), '>', $near, 'as that of another run is not');
	}
	is_deeply([ $browser->complaints(network => 1) ], [], 'nothing went wrong meanwhile');
};

$_->quit for $browser, $stranger;
$pages->{controller}->stop;
is($pages->gateway->stop, 0, 'the gateway stops cleanly');
done_testing();
