# The commands of docs/operating/moving-in.md print what it says, beside a server of theirs.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();
use PdppCluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TheirServer;
use Upstream;

my $page = slurp_file(abs_path(dirname(__FILE__) . '/../../docs/operating/moving-in.md'));
my $node = PdppCluster->running('main');
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());

my $theirs = TheirServer->in_postgres($node, 'theirs');
my @cin = (connector_instance_id => 'cin_anna');
$theirs->event('run_stuck', 'run.started', @cin);
$theirs->event('run_fine', 'run.started', @cin);
$theirs->event('run_twice', 'run.started', @cin);
$theirs->event('run_twice', 'run.failed', @cin, data => { reason => 'token_expired' });
$theirs->event('run_twice', 'run.completed', @cin);
$theirs->event('run_fine', 'run.progress_reported', @cin);
$theirs->event('run_fine', 'run.completed', @cin);

sub store { my ($name, $text) = @_; open my $file, '>', "$folder/$name" or die $!; print {$file} $text; close $file; return; }
store('service.conf', "[theirs]\nhost=" . $node->host . "\nport=" . $node->port . "\ndbname=theirs\n");
store('new_run.sql', $theirs->event_sql('run_new', 'run.started', @cin) . "\n" . $theirs->event_sql('run_new', 'run.completed', @cin) . "\n");

store('owner-password', "of both servers\n");
chmod 0600, "$folder/owner-password" or die $!;

# where its addresses are here
my $their_gateway = Upstream->start;
my %address = ('127.0.0.1:3000' => '127.0.0.1:' . $their_gateway->port, '127.0.0.1:8080' => '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port());
$page =~ s{(127\.0\.0\.1:\d+)}{$address{$1} // $1}ge;

my @steps;
for my $block ($page =~ /^```console\n(.*?)^```$/gms)
{
	push @steps, map { /\A\$ (.*?\n)(.*)\z/s ? { command => $1, shown => $2 } : die "no command: $_" } split /^(?=\$ )/m, $block;
}
cmp_ok(scalar @steps, '>', 12, 'there are commands');
my $mark = '=== that was it ===';
store('commands', join '', "mark() { local status=\$?; echo '$mark'; return \$status; }\n", map { "$_->{command}mark\n" } @steps);
local %ENV = (%ENV, PATH => dirname($ENV{PDPP_PROGRAM}) . ":$ENV{PATH}", PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres',
	PGSERVICEFILE => "$folder/service.conf", PAGER => 'cat', LC_ALL => 'C.UTF-8', TERM => 'dumb');
my $out = '';
eval
{
	IPC::Run::run([ 'bash', '-c', 'cd "$1" && exec bash -m commands', 'bash', $folder ], '<pty<', \undef, '>pty>', \$out,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	1;
} or diag("the shell: $@");
my @printed = split /^\Q$mark\E\n/m, $out =~ s/\r//gr, -1;
sub masked { my ($shown) = @_; return $shown =~ s/^ended .*\n//gmr =~ s/\A\s+\z//r; }
for my $i (0 .. $#steps)
{
	is(masked($printed[$i] // '(nothing)'), masked($steps[$i]{shown}), $steps[$i]{command} =~ s/\n.*//sr);
}
$node->stop;
done_testing();
