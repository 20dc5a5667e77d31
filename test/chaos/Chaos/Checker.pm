# An operator who looks every now and then whether all is well: what is wrong for a moment only is wrong too.

package Chaos::Checker;

use strict;
use warnings;

use Chaos::Record;
use Chaos::Session;
use List::Util qw(max);
use Time::HiRes qw(sleep time);

# cluster, folder
sub run
{
	my (%option) = @_;
	my $record = Chaos::Record->new($option{folder}, 'checker');
	my ($stop, $session, %told) = (0);
	local $SIG{TERM} = sub { $stop = 1 };
	until ($stop)
	{
		my $began = time;
		$session = Chaos::Session->connect($option{cluster}, 'checker') if !$session || $session->is_lost;
		# how late the guard may be is a question of the machine, and whether the tables are as made one of what is being
		# done to them just now (Chaos::Faults); both are asked at the end
		my $answer = $session && $session->query(q(select invariant, coalesce(run_id, ''), detail from pdpp_check()
			where invariant not in ('dead_boots_are_settled', 'tables_as_made')));
		if ($answer && !$answer->{lost} && !$answer->{error})
		{
			$record->write('checked');
			$told{"$_->[0] $_->[1]"}++ or $record->write('violation', 'pdpp_check', $_->[1], "$_->[0]: $_->[2] (while it went on)")
			  for @{ $answer->{rows} };
		}
		# a tenth of the time at most, however long the history
		my $until = time + max(0.5, 10 * (time - $began));
		sleep 0.05 while !$stop && time < $until;
	}
	return;
}

1;
