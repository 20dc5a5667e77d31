# The list, in a browser: what it says when there is nothing; live, without jumping under the mouse; paged while runs are added; its
# filters; its connections.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use PdppPages;
use POSIX ();
use PostgreSQL::Test::Utils;
use Programs qw(child within);
use Test::More;

my $pages = PdppPages->start;
my $browser = $pages->browser;

sub ids { return $browser->texts('#list code'); }

subtest 'nothing yet' => sub {
	$browser->await_text('.empty', 'No run has been started yet', 'says so');
	$browser->await_text('.empty', 'pdpp now', 'and what to do');
	$browser->mark;
	$pages->started('hand', 'first', 'run_first');
	$browser->await_text('#list', 'run_first', 'a run that is started shows by itself');
	is($browser->count('.empty'), 0, 'and it is empty no more');
	ok($browser->is_marked, 'without a reload');
};

subtest 'live' => sub {
	$pages->sql("SELECT pdpp_run_settle('run_first', 'failed', '{\"reason\": \"no_luck\"}')");
	$browser->await(q{document.querySelector('#list li').classList.contains('failed')}, 'an ending');
	like($browser->text('#list li'), qr/failed.*run_first.*no_luck/s, 'in words, with its reason');
	$pages->started('hand', "live $_", "run_live_$_") for 1 .. 5;
	$browser->await(q{document.querySelectorAll('#list li').length === 6}, 'new runs');
	is((ids())[0], 'run_live_5', 'the newest on top');
	# the mouse is on a row: nothing moves there
	$browser->point('#list li:nth-child(3)');
	my $place = $browser->value(q{document.querySelector('#list li:nth-child(3)').getBoundingClientRect().top});
	my $under = $browser->text('#list li:nth-child(3) code');
	$pages->started('hand', 'held', 'run_held');
	$browser->await(q{!document.querySelector('#fresh').hidden}, 'a new one waits behind a button');
	is($browser->text('#list li:nth-child(3) code'), $under, 'what is under the mouse stays');
	is($browser->value(q{document.querySelector('#list li:nth-child(3)').getBoundingClientRect().top}), $place, 'where it is');
	$pages->sql("SELECT pdpp_run_settle('$under', 'completed')");
	$browser->await(q{document.querySelector('#list li:nth-child(3)').classList.contains('completed')}, 'but says that it has ended');
	is($browser->value(q{document.querySelector('#list li:nth-child(3)').getBoundingClientRect().top}), $place, 'still there');
	$browser->click('#fresh');
	$browser->await(q{document.querySelector('#list code').innerText === 'run_held'}, 'the button shows it');
	$browser->point;
	$pages->started('hand', 'after', 'run_after');
	$browser->await(q{document.querySelector('#list code').innerText === 'run_after'}, 'with the mouse elsewhere they show by themselves');
	ok($browser->is_marked, 'all of it without a reload');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'paged while runs are added' => sub {
	$pages->sql("SELECT pdpp_run_now('many', 'many ' || n, 'run_many_' || lpad(n::text, 3, '0')) FROM generate_series(1, 120) AS n");
	my @expected = split /\n/, $pages->sql(q{SELECT run_id FROM pdpp_runs WHERE connector_id = 'many' ORDER BY admitted_at DESC, run_id DESC});
	$browser->go('/_ref/runs?connector_id=many');
	my @seen = ids();
	while ($browser->count('a[rel=next]'))
	{
		$pages->sql('SELECT pdpp_run_now(' . "'many', 'added " . @seen . "', 'run_added_" . @seen . "')");
		my $last = $seen[-1];
		$browser->click('a[rel=next]');
		$browser->await(q{new URLSearchParams(location.search).has('cursor') && document.querySelector('#list code') && ![...document.querySelectorAll('#list code')].some((id) => id.innerText === arguments[0])},
			"the page after $last", $last);
		push @seen, ids();
	}
	is_deeply([ grep { !/added/ } @seen ], \@expected, 'each of those that were there once, in their order');
	cmp_ok(scalar(grep { /added/ } @seen), '<=', 1, 'those that were added are on the first page, if it caught up');
	$browser->back;
	$browser->await(q{document.querySelector('a[rel=next]')}, 'back to the page before');
	$browser->go('/_ref/runs?connector_id=many');
	like((ids())[0], qr/^run_added_/, 'the first page has what is new');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'filters are in the address' => sub {
	$browser->go('/_ref/runs');
	$browser->value(q{document.querySelector('#f-status').value = 'failed'});
	$browser->type('#f-connection', 'first');
	$browser->click('.filters button');
	$browser->await(q{location.search === '?status=failed&connector_instance_id=first'}, 'of a status and a connection');
	is_deeply([ ids() ], ['run_first'], 'the run that has both');
	is($browser->value(q{document.querySelector('#f-status').value}), 'failed', 'the filter stands where it was set');
	$pages->sql("SELECT pdpp_connection_run_now('first', 'run_second')");
	$pages->sql("SELECT pdpp_run_launch_failed('run_second', 'no')");
	$browser->await_text('#list', 'run_second', 'a filtered list is live too');
	$browser->go('/_ref/runs?status=abandoned');
	$browser->await_text('.empty', 'No run matches', 'none');
	$browser->click('.empty a');
	$browser->await(q{document.querySelectorAll('#list li').length === 50}, 'all of them');
	$browser->go('/_ref/runs?since=nonsense');
	$browser->await_text('body', 'since', 'a filter that is none is refused, by its name');
	is_deeply([ $browser->complaints(network => 1) ], [], 'nothing else went wrong');
};

subtest 'connections' => sub {
	$browser->go('/_ref/runs?connector_id=mail-connector');
	$browser->click('#starting > summary') unless $browser->value(q{document.querySelector('#starting').open});
	$browser->await(q{document.querySelector('#starting form[action="/_ref/connections/mail/run"]')}, 'one that can be started');
	my $run = $pages->run_of('mail');
	$browser->await(q{document.querySelector('#starting a[href="/_ref/runs/' + arguments[0] + '"]')}, 'is running once it is, with its run', $run);
	$pages->tell($run, 'exit 0');
	$browser->await(q{document.querySelector('#starting form[action="/_ref/connections/mail/run"]')}, 'and can be started again');
	$browser->mark;
	$pages->{controller}->stop;
	delete $pages->{controller};
	$pages->sql('SELECT pdpp_reconcile()');
	$browser->await_text('#starting', 'no live controller', 'nobody offers it any more');
	ok($browser->is_marked, 'without a reload');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

sub is_live { return $browser->await(q{document.querySelector('#liveness').innerText.includes('up to date')}, 'live') }

# Remembers where the mouse is and what is under it; gives what is there now.
sub remember_place
{
	my ($selector) = @_;
	$browser->point($selector);
	$browser->value(q{(() => { const box = document.querySelector(arguments[0]).getBoundingClientRect(); window.place = [box.left + box.width / 2, box.top + box.height / 2]; })()}, $selector);
	return what_is_there();
}
sub what_is_there { return $browser->value(q{document.elementFromPoint(...place)?.closest('[id]').id}) }

subtest 'rows that go' => sub {
	$pages->started('act', "act $_", "run_act_$_") for 1 .. 4;
	$browser->go('/_ref/runs?status=active&connector_id=act');
	is_live();
	my $under = remember_place('#list li:nth-child(2)');
	is($under, 'run-run_act_3', 'the mouse is on a run');
	$pages->sql("SELECT pdpp_run_settle('run_act_4', 'failed')");
	$browser->await(q{document.querySelector('#run-run_act_4.failed .state')?.innerText === 'failed'}, 'one that has ended says so, though it is none of these any more');
	is($browser->value(q{document.querySelector('#run-run_act_4 .mark path').getAttribute('d')}), $browser->value(q{fetch('/_ref/runs/run_act_4', {headers: {Accept: 'text/html'}}).then((answer) => answer.text()).then((text) => new DOMParser().parseFromString(text, 'text/html').querySelector('.mark path').getAttribute('d'))}), 'by its shape too');
	is(what_is_there(), $under, 'it does not go while the mouse is there');
	$browser->await_text('#fresh', 'The list has changed', 'which a button says');
	$browser->point;
	$browser->await(q{!document.querySelector('#run-run_act_4')}, 'but then');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');

	$pages->sql("SELECT pdpp_run_now('full', 'full ' || n, 'run_full_' || lpad(n::text, 3, '0')) FROM generate_series(1, 60) AS n");
	$browser->go('/_ref/runs?status=active&connector_id=full');
	is_live();
	my $row = $browser->value(q{document.querySelector('#list li:nth-child(2)').id});
	$under = remember_place('#list li:nth-child(3)');
	$pages->sql('SELECT pdpp_run_settle(' . "'" . substr($row, 4) . "', 'failed')");
	$browser->await(q{document.getElementById(arguments[0])?.classList.contains('failed')}, 'where another comes for it: the same', $row);
	is(what_is_there(), $under, 'still there');
	$browser->point;
};

subtest 'the button is pressed while the mouse is in the list' => sub {
	$browser->go('/_ref/runs');
	is_live();
	$browser->point('#list li:nth-child(3)');
	$pages->started('hand', 'pressed', 'run_pressed');
	$browser->await(q{!document.querySelector('#fresh').hidden}, 'it is there');
	$browser->await_text('#announced', '1 new run', 'and spoken of');
	$browser->value(q{document.querySelector('#fresh').focus()});
	$browser->press('Enter');
	$browser->await(q{document.querySelector('#list code').innerText === 'run_pressed'}, 'shows it');
	is($browser->value(q{document.activeElement.id}), 'list', 'and the focus goes to the list');
	$browser->press('Tab');
	is($browser->value(q{document.activeElement.innerText}), 'run_pressed', 'from where it goes on to the first');
	$browser->value(q{document.activeElement.blur()});
	$browser->point;
};

subtest 'what becomes of a run is spoken' => sub {
	$browser->go('/_ref/runs');
	is_live();
	$pages->sql("SELECT pdpp_run_settle('run_pressed', 'failed')");
	$browser->await_text('#announced', 'run_pressed is failed', 'an ending');
	$pages->started('hand', 'spoken', 'run_spoken');
	$browser->await_text('#announced', '1 new run', 'and a new one');
};

subtest 'what can be started stays under the mouse and the focus' => sub {
	for (2 .. 4) { $pages->started('b', "b $_", "run_b_$_"); $pages->sql("SELECT pdpp_run_settle('run_b_$_', 'completed')"); }
	my $button = q{document.querySelector('form[action="/_ref/connections/b%203/run"] button')};
	my $label = q{document.activeElement.getAttribute('aria-label')};
	my $come = sub { my ($n) = @_; $pages->sql("SELECT pdpp_run_now('b', 'b $n', 'run_b_$n'), pdpp_run_settle('run_b_$n', 'completed')") };

	$browser->go('/_ref/runs?connector_id=b');
	is_live();
	$browser->click('#starting > summary');
	$browser->point;
	$browser->value("$button.focus()");
	$come->('1');
	$browser->await_text('#list', 'run_b_1', 'there is a connection more');
	is($browser->value($label), 'Start a run of b 3', 'the focus stays');
	$browser->value(q{document.activeElement.blur()});
	$browser->await(q{document.querySelectorAll('#starting li').length === 4}, 'then it shows');

	remember_place('form[action="/_ref/connections/b%203/run"] button');
	my $top = $browser->value("$button.getBoundingClientRect().top");
	$come->('0');
	$browser->await_text('#list', 'run_b_0', 'another one');
	is($browser->value("$button.getBoundingClientRect().top"), $top, 'the button stays under the mouse');
	ok($browser->value("document.elementFromPoint(...place) === $button"), 'and is the same');

	my $under = remember_place('#list li:nth-child(2)');
	$come->('00');
	$browser->await(q{document.querySelectorAll('#starting li').length === 6}, 'they show, with the mouse in the list');
	is(what_is_there(), $under, 'where nothing has moved');
	$browser->point;
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
};

subtest 'a notice' => sub {
	$browser->go('/_ref/runs');
	is_live();
	my $under = remember_place('#list li:nth-child(3)');
	my $top = $browser->value(q{document.querySelector('#list').getBoundingClientRect().top});
	$pages->stop_gateway;
	$browser->await_text('#notice', 'Reconnecting', 'is shown');
	is($browser->value(q{document.querySelector('#list').getBoundingClientRect().top}), $top, 'and moves nothing');
	$pages->start_gateway;
	$browser->await(q{document.querySelector('#notice').hidden}, 'nor does it when it goes');
	is(what_is_there(), $under, 'the same is under the mouse');
	$browser->point;
	$browser->complaints;
};

subtest 'connections that cannot be read' => sub {
	$pages->sql('ALTER FUNCTION pdpp_connection_list RENAME TO pdpp_connection_list_away');
	$browser->go('/_ref/runs?connector_id=b');
	$browser->await_text('#start', 'could not be read', 'is said');
	is_live();
	$browser->mark;
	$pages->sql('ALTER FUNCTION pdpp_connection_list_away RENAME TO pdpp_connection_list');
	$browser->await(q{document.querySelector('#starting form')}, 'they come back by themselves');
	ok($browser->is_marked, 'without a reload');
	$browser->complaints;
};

# A proxy that changes entity tags as those do that compress what passes, and keeps an account of what was asked for.
sub start_proxy
{
	my ($account, $change) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16) or die "listen: $@";
	my $pid = child(sub {
		$SIG{CHLD} = 'IGNORE';
		while (my $client = $listener->accept)
		{
			next if fork;
			my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $pages->gateway->port) or POSIX::_exit(0);
			my $both = IO::Select->new($client, $server);
			while (my @ready = $both->can_read)
			{
				for my $from (@ready)
				{
					sysread $from, my $bytes, 65536 or POSIX::_exit(0);
					if ($from == $server) { $bytes =~ s/^(ETag: )"([^"]*)"/$1 . $change->($2)/mie }
					elsif ($bytes =~ /^GET .*^Accept: ([^,\r]+)/ms) { append_to_file($account, "$1\n") }
					syswrite $from == $server ? $client : $server, $bytes;
				}
			}
		}
	});
	return ($pid, 'http://127.0.0.1:' . $listener->sockport);
}

subtest 'behind a proxy that compresses' => sub {
	$pages->sql('SELECT pdpp_run_settle(run_id, $$cancelled$$) FROM pdpp.controller_active_runs'); # so that none ends meanwhile
	for my $change (sub { return qq(W/"$_[0]") }, sub { return qq("$_[0]-gzip") }, sub { return qq(W/"$_[0]--br") })
	{
		my $account = PostgreSQL::Test::Utils::tempdir() . '/account';
		append_to_file($account, '');
		my ($proxy, $base) = start_proxy($account, $change);
		my $reader = $pages->browser(base => $base);
		my $asked = sub { my ($type) = @_; return scalar grep { $_ eq $type } split /\n/, slurp_file($account) };
		$reader->await(q{document.querySelector('#liveness').innerText !== ''}, 'the list, by a tag like ' . $change->('x'));
		my $pages_before = $asked->('text/html');
		ok(within(sub { $asked->('application/json') >= 4 }), 'asks whether anything has changed');
		is($asked->('text/html'), $pages_before, 'and sees that nothing has');
		my $run = $pages->started('proxied', "proxied $proxy", "run_proxied_$proxy");
		$reader->await_text('#list', $run, 'and what has');
		is_deeply([ $reader->complaints ], [], 'nothing went wrong meanwhile');
		$reader->quit;
		kill 'TERM', $proxy;
		waitpid $proxy, 0;
	}
};

$browser->quit;
is($pages->gateway->stop, 0, 'the gateway stops cleanly');
done_testing();
