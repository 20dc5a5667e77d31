# What tests of pages in a browser begin with: a server, a gateway with an owner's password, and connections that a controller offers,
# whose connectors do what they are told.
#
#   my $pages = PdppPages->start;          # or all of the program is skipped
#   my $browser = $pages->browser;         # logged in
#   my $run = $pages->run_of('mail');
#   $pages->tell($run, '{"type": "DONE", "status": "succeeded"}');

package PdppPages;

use strict;
use warnings;

use Cwd qw(abs_path);
use Browser;
use PdppCluster;
use PdppController;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More ();

# A connector that says what is written to a file of its run's name, line by line, and ends with the line `exit N`.
my $connector = <<'SH';
cd "$0" && touch "$PDPP_RUN_ID" && exec tail -n +1 -f --pid=$$ "$PDPP_RUN_ID" | while read -r line; do
    case $line in "exit "*) exit "${line#exit }";; esac
    printf '%s\n' "$line"
done
SH

# Options: conf (of the server), connections (as of PdppController, beside mail and chat).
sub start
{
	my ($class, %option) = @_;
	Test::More::plan(skip_all => 'no browser is here: chromium and chromedriver') unless Browser::is_here();
	my $node = PdppCluster->running('pages', conf => $option{conf});
	my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
	my $self = bless { node => $node, folder => $folder, gateway => PdppGateway->start(conninfo => $node->connstr('postgres')) }, $class;
	my $command = [ 'sh', '-c', $connector, $folder ];
	$self->{controller} = PdppController->start(conninfo => $node->connstr('postgres'),
		connections => { mail => $command, chat => $command, %{ $option{connections} // {} } });
	return $self;
}

sub sql { my ($self, $statement) = @_; return $self->{node}->safe_psql('postgres', $statement); }
sub gateway { return $_[0]->{gateway}; }
sub node { return $_[0]->{node}; }
sub base { my ($self) = @_; return 'http://127.0.0.1:' . $self->gateway->port; }

# The gateway is gone, or as it was again, where it was. Options: those of PdppGateway.
sub stop_gateway { my ($self, $signal) = @_; $self->{port} = $self->gateway->port; return $self->gateway->stop($signal); }
sub start_gateway { my ($self, %option) = @_; return $self->{gateway} = PdppGateway->start(conninfo => $self->node->connstr('postgres'), port => $self->{port}, %option); }

# A browser of its own. Options: those of Browser, and logged_in (0: it is not).
sub browser
{
	my ($self, %option) = @_;
	my $logged_in = delete $option{logged_in} // 1;
	my $browser = Browser->start(base => $self->base, %option);
	return $browser unless $logged_in;
	$browser->go('/owner/login');
	$browser->log_in($PdppGateway::password);
	$browser->await(q{location.pathname === '/_ref/runs'}, 'logged in');
	return $browser;
}

# The active run of a connection, once its connector listens.
sub active_run
{
	my ($self, $connection) = @_;
	my $id;
	Programs::within(sub { $id = $self->sql("SELECT run_id FROM pdpp.controller_active_runs WHERE connector_instance_id = '$connection'"); $id && -e "$self->{folder}/$id" })
	  or die "no connector of $connection listens";
	return $id;
}

sub run_of
{
	my ($self, $connection) = @_;
	$self->sql("SELECT pdpp_connection_run_now('$connection')");
	return $self->active_run($connection);
}

# Has the connector of a run say lines, or end.
sub tell
{
	my ($self, $run_id, @lines) = @_;
	open my $file, '>>', "$self->{folder}/$run_id" or die "$run_id: $!";
	print {$file} map { "$_\n" } @lines;
	close $file or die "$run_id: $!";
	return;
}

# A run by hand, without a controller: started, and not ended.
sub started
{
	my ($self, $connector, $connection, $run_id) = @_;
	$self->sql("SELECT pdpp_run_now('$connector', '$connection', '$run_id'); SELECT pdpp_run_started('$run_id')");
	return $run_id;
}

1;
