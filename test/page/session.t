# The session, in a browser: the login and back, a session that ends while a page is open, two tabs, and pages where script is
# switched off.

use strict;
use warnings;

use PdppGateway;
use PdppPages;
use Test::More;
use Time::HiRes qw(time);

my $pages = PdppPages->start;
my $run = $pages->started('mail', 'by hand', 'run_shown');

subtest 'the login, and back' => sub {
	my $browser = $pages->browser(logged_in => 0);
	$browser->go("/_ref/runs/$run?order=oldest");
	$browser->await(q{location.pathname === '/owner/login'}, 'a handle without a session: the login');
	is($browser->value('document.activeElement.id'), 'password', 'where the password can be typed at once');
	$browser->log_in('wrong');
	$browser->await_text('#problem', 'wrong', 'a wrong one is said to be');
	is_deeply([ $browser->complaints(network => 1) ], [], 'and nothing else went wrong');
	$browser->log_in($PdppGateway::password);
	$browser->await_text('#run-id', $run, 'the right one leads to the run');
	is($browser->at, "/_ref/runs/$run?order=oldest", 'as it was asked for');
	$browser->click('form[action="/owner/logout"] button');
	$browser->await(q{location.pathname === '/owner/login'}, 'logged out');
	$browser->go("/_ref/runs/$run");
	$browser->await(q{location.pathname === '/owner/login'}, 'and out it is');
	$browser->go('/owner/login?return_to=https%3A%2F%2Fevil.example%2F');
	$browser->log_in($PdppGateway::password);
	$browser->await(q{location.pathname === '/_ref/runs'}, 'who is to be led elsewhere comes to the list');
	$browser->back;
	is_deeply([ $browser->complaints(network => 1) ], [], 'nothing went wrong meanwhile');
	$browser->quit;
};

subtest 'two tabs, and a session that ends in one of them' => sub {
	my $browser = $pages->browser;
	my $first = $browser->window;
	$browser->go("/_ref/runs/$run");
	$browser->mark;
	my $second = $browser->open_tab;
	$browser->go('/_ref/runs');
	$browser->await_text('#list', $run, 'the list in another tab');
	$pages->sql("SELECT pdpp_run_event('$run', 'note', '{\"said\": \"while nobody looked\"}')");
	$browser->turn_to($first);
	$browser->await_text('.events', 'note', 'the first catches up when it is looked at');
	ok($browser->is_marked, 'without a reload');
	$browser->turn_to($second);
	$browser->click('form[action="/owner/logout"] button');
	$browser->await(q{location.pathname === '/owner/login'}, 'logged out in the second');
	$browser->turn_to($first);
	$browser->await_text('#notice', 'session has ended', 'the first says that its session has ended');
	ok($browser->is_marked, 'and still shows what it knew');
	is($browser->text('#run-id'), $run, 'the run');
	$browser->click('#notice a');
	$browser->await(q{location.pathname === '/owner/login'}, 'its link leads to the login');
	$browser->log_in($PdppGateway::password);
	$browser->await_text('#run-id', $run, 'and back');
	$browser->await_text('#liveness', 'up to date', 'where the page is live again');
	is_deeply([ $browser->complaints(network => 1) ], [], 'nothing went wrong meanwhile');
	$browser->quit;
};

subtest 'a session that comes to its end' => sub {
	my $browser = $pages->browser(logged_in => 0);
	$browser->go('/owner/login');
	my $until = int(time) + 8;
	$browser->cookie({ name => 'pdpp_owner_session', value => PdppGateway::token_of(sprintf '{"exp":%d,"iat":%d,"sub":"owner_local"}', $until, time - 1), httpOnly => JSON::PP::true, path => '/' });
	$browser->go("/_ref/runs/$run");
	$browser->await_text('#notice', 'session has ended', 'the page says so by itself');
	cmp_ok(time, '>=', $until, 'not before');
	like($browser->value(q{document.querySelector('#notice a').getAttribute('href')}), qr{^/owner/login\?return_to=%2F_ref%2Fruns%2F$run}, 'and links to the login, and back');
	$browser->quit;
};

subtest 'script is switched off' => sub {
	my $browser = $pages->browser(script => 0);
	$browser->await_text('noscript', 'reload', 'the list says how to refresh');
	$browser->click('#list a');
	$browser->await_text('#run-id', $run, 'a run');
	$browser->await_text('noscript', 'reload', 'which says so too');
	like($browser->text('.times'), qr/Admitted\s+\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*UTC/, 'times are UTC');
	is_deeply([ reverse $browser->texts('.events .type') ], [qw(run.admitted run.started note)], 'all of its events');
	$browser->click('.events details > summary');
	$browser->await(q{document.querySelector('.events details pre').checkVisibility()}, 'with their data');
	my $before = $browser->value('document.body.innerText');
	$pages->sql("SELECT pdpp_run_event('$run', 'another')");
	is($browser->value('document.body.innerText'), $before, 'nothing changes by itself');
	$browser->click('noscript a');
	$browser->await_text('.events', 'another', 'a reload shows it');
	$browser->click('#cancel > summary');
	$browser->click('#cancel form button');
	$browser->await_text('#status', 'cancelled', 'cancelled by a form');
	$browser->click('form[action="/_ref/connections/by%20hand/run"] button');
	$browser->await(q{location.pathname.startsWith('/_ref/runs/run_') && location.pathname !== '/_ref/runs/run_shown'}, 'another one started by one');
	$browser->click('form[action="/owner/logout"] button');
	$browser->await(q{location.pathname === '/owner/login'}, 'logged out by one');
	is_deeply([ $browser->complaints ], [], 'nothing went wrong meanwhile');
	$browser->quit;
};

$pages->{controller}->stop;
is($pages->gateway->stop, 0, 'the gateway stops cleanly');
done_testing();
