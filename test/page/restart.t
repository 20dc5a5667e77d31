# The gateway, and the database, restart while a page is open: it says what it shows as of when, and is true again by itself.

use strict;
use warnings;

use PdppPages;
use Test::More;

my $pages = PdppPages->start;
my $browser = $pages->browser;
my $run = $pages->started('mail', 'by hand', 'run_shown');

sub is_live { my ($name) = @_; return $browser->await(q{document.querySelector('#notice').hidden && document.querySelector('#liveness').innerText.includes('up to date')}, $name); }

# What happens to whom it was open at.
sub survives
{
	my ($what, $down, $up) = @_;
	for my $target ("/_ref/runs/$run", '/_ref/runs')
	{
		$browser->go($target);
		$browser->mark;
		is_live("$what, $target: live");
		$down->();
		$browser->await(q{/Reconnecting.*as of \d\d:\d\d:\d\d/.test(document.querySelector('#notice').innerText)}, "$what, $target: says that it is cut off, and as of when it is true");
		$browser->await_text('main', $run, "$what, $target: it still shows what it knew");
		$up->();
		is_live("$what, $target: live again");
		my $note = $what =~ s/\W//gr . ($target eq '/_ref/runs' ? 'list' : 'run');
		$pages->started('mail', $note, "run_$note");
		$pages->sql("SELECT pdpp_run_event('$run', '$note')");
		$browser->await_text('main', $note, "$what, $target: and shows what happened since");
		ok($browser->is_marked, "$what, $target: without a reload");
		is_deeply([ $browser->complaints(network => 1) ], [], "$what, $target: nothing else went wrong");
	}
	return;
}

survives('the gateway is restarted', sub { $pages->stop_gateway }, sub { $pages->start_gateway });
survives('the gateway is killed', sub { $pages->stop_gateway('KILL') }, sub { $pages->start_gateway });
survives('the database is restarted', sub { $pages->node->stop('fast') }, sub { $pages->node->start });

subtest 'what ended meanwhile' => sub {
	$browser->go("/_ref/runs/$run");
	is_live('live');
	$pages->stop_gateway;
	$pages->sql("SELECT pdpp_run_settle('$run', 'completed')");
	$browser->await_text('#notice', 'Reconnecting', 'cut off');
	is($browser->text('#status'), 'active', 'the page does not know it');
	$pages->start_gateway;
	$browser->await_text('#status', 'completed', 'and then it does');
};

subtest 'a page that is asked for while the database is away' => sub {
	$pages->node->stop('fast');
	$browser->go("/_ref/runs/run_gone");
	$browser->await_text('main', 'tries again by itself', 'says that it tries again');
	$pages->node->start;
	$browser->await_text('main', 'never handed out this id', 'and does');
	$browser->await_text('main', 'check', 'what was never handed out: the page says what that means, and what to check');
	is_deeply([ $browser->complaints(network => 1) ], [], 'nothing else went wrong');
};

$browser->quit;
$pages->{controller}->stop;
is($pages->gateway->stop, 0, 'the gateway stops cleanly');
done_testing();
