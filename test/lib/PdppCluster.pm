# A server with the extension in it: PostgreSQL::Test::Cluster, and what most tests begin with.
#
#   my $node = PdppCluster->running('main', conf => 'pdpp.liveness_grace = 0');
#   my $standby = $node->standby('standby');

package PdppCluster;

use strict;
use warnings;

# nothing is imported: a function would stand before the method of the same name
use PostgreSQL::Test::Cluster ();
use PostgreSQL::Test::Utils ();
use parent -norequire, 'PostgreSQL::Test::Cluster';

# A server that runs, without the extension. Options: conf (lines of postgresql.conf), and those of init.
sub bare
{
	my ($class, $name, %option) = @_;
	my $conf = delete $option{conf};
	my $self = $class->new($name);
	$self->init(%option);
	$self->append_conf('postgresql.conf', $conf) if defined $conf;
	$self->start;
	return $self;
}

# The same with the extension in its database postgres.
sub running
{
	my ($class, @arguments) = @_;
	my $self = $class->bare(@arguments);
	$self->safe_psql('postgres', 'CREATE EXTENSION pdpp');
	return $self;
}

# A standby of it, as it is now, that runs. Option: conf. It needs allows_streaming.
sub standby
{
	my ($self, $name, %option) = @_;
	$self->backup("for_$name");
	my $standby = (ref $self)->new($name);
	$standby->init_from_backup($self, "for_$name", has_streaming => 1);
	$standby->append_conf('postgresql.conf', $option{conf}) if defined $option{conf};
	$standby->start;
	return $standby;
}

# As PostgreSQL::Test::Cluster does since 17, where there is a template: initdb takes ten times as long as copying what it
# makes. All servers of such a template have the same system identifier; `unrelated` makes one that has its own.
sub init
{
	my ($self, %option) = @_;
	my $unrelated = delete $option{unrelated};
	local $ENV{INITDB_TEMPLATE} if $unrelated;
	my $template = $ENV{INITDB_TEMPLATE};
	my $run = \&PostgreSQL::Test::Utils::system_or_bail;
	no warnings 'redefine';
	local *PostgreSQL::Test::Utils::system_or_bail = sub {
		return $run->($template && $_[0] eq 'initdb' ? ('cp', '-RPp', $template, $self->data_dir) : @_);
	};
	return $self->SUPER::init(%option);
}

1;
