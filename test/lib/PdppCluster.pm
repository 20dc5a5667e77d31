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
	$self->make_up_for_13 if $self->pg_version < 14;
	return $self;
}

# What tests ask of a server and 13 does not have yet, in all its databases.
sub make_up_for_13
{
	my ($self) = @_;
	# in pg_catalog, whose objects no dump has
	$self->safe_psql($_, <<~'SQL') for 'template1', 'postgres';
		SET allow_system_table_mods = on;
		CREATE FUNCTION pg_catalog.pg_terminate_backend(pid integer, timeout bigint) RETURNS boolean LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_catalog.pg_terminate_backend(pid);
			FOR i IN 1 .. timeout / 10 LOOP
				PERFORM pg_stat_clear_snapshot();
				IF NOT EXISTS (SELECT FROM pg_stat_get_activity(pid)) THEN
					RETURN true;
				END IF;
				PERFORM pg_sleep(0.01);
			END LOOP;
			RETURN false;
		END
		$$;
		CREATE FUNCTION pg_catalog.pg_get_wal_replay_pause_state() RETURNS text LANGUAGE sql AS $$
			SELECT CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END
		$$;
		SQL
	return;
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
