# A running controller, and its log.
#
#   my $controller = PdppController->start(conninfo => $node->connstr('pdpp'), connections => { mail => ['true'] });
#   is($controller->stop, 0);

package PdppController;

use strict;
use warnings;

use JSON::PP ();
use PostgreSQL::Test::Utils;
use parent 'PdppServer';

my $count = 0;

# Starts `pdpp controller` and waits until it has offered its connections: name => command, or all of its settings (hash);
# each one's connector is called NAME-connector. Options: conninfo, connections, file (a connections file in their place), args
# (array), before (a command that runs it), ready (what to wait for in its log instead).
sub start
{
	my ($class, %option) = @_;
	my $file = $option{file} // connections_file(
		$PostgreSQL::Test::Utils::log_path . "/connections_$$" . '_' . ++$count . '.json', %{ $option{connections} });
	return $class->launch(
		name => 'controller',
		arguments => [ '--db', $option{conninfo}, 'controller', '--connections', $file, @{ $option{args} // [] } ],
		ready => $option{ready} // qr/offering connections|"message":"offering"/,
		before => $option{before});
}

# Writes a connections file; gives its name.
sub connections_file
{
	my ($name, %setups) = @_;
	my @all = map {
		my $setup = $setups{$_};
		{ connector_instance_id => $_, connector_id => "$_-connector", ref $setup eq 'HASH' ? %{$setup} : (command => $setup) }
	} sort keys %setups;
	open my $file, '>', $name or die "$name: $!";
	print {$file} JSON::PP->new->utf8->canonical->encode(\@all);
	close $file or die "$name: $!";
	return $name;
}

1;
