# The program's own record, outside the database: a file for each process, a line for each thing it was told, written
# before anything else is done. What was not written was not acknowledged to anybody.

package Chaos::Record;

use strict;
use warnings;

use Fcntl qw(O_APPEND O_CREAT O_WRONLY);
use Time::HiRes qw(time);

sub new
{
	my ($class, $folder, $name) = @_;
	sysopen my $file, "$folder/$name.record", O_WRONLY | O_APPEND | O_CREAT or die "$folder/$name.record: $!\n";
	return bless { file => $file }, $class;
}

# One system call a line, so that a killed writer leaves at most a line without an end.
sub write
{
	my ($self, @fields) = @_;
	my $line = join("\t", sprintf('%.6f', time), map { $_ // '' } @fields) . "\n";
	defined syswrite $self->{file}, $line or die "cannot write the record: $!\n";
	return;
}

# Calls visit(fields…) for each whole line that was appended to any record of the folder since the last call.
sub follow
{
	my ($folder, $positions, $visit) = @_;
	for my $name (glob "$folder/*.record")
	{
		my $position = $positions->{$name} //= 0;
		next if (-s $name // 0) <= $position;
		open my $file, '<', $name or next;
		seek $file, $position, 0;
		while (my $line = readline $file)
		{
			last unless $line =~ s/\n\z//;
			$position += 1 + length $line;
			$visit->(split /\t/, $line, -1);
		}
		$positions->{$name} = $position;
	}
	return;
}

1;
