# The examples of docs/reference.md print what it says. To get it with what they print now, to be read and committed:
#
#   PDPP_WRITE_REFERENCE=/tmp/reference.md test/as-postgres prove test/t/reference.t

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $manual = abs_path(dirname(__FILE__) . '/../../docs/reference.md');
my $text = slurp_file($manual);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pdpp');

# One session for all of them, as a reader would type them.
my ($in, $out) = ('', '');
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-F', ' | ', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>&1',
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

# What a statement prints.
sub answer_to
{
	my ($statement) = @_;
	$out = '';
	$in = "$statement\n\\echo the end\n";
	$psql->pump until $out =~ s/^the end\n\z//m;
	return $out;
}

# What differs each time: times, generated ids, epochs.
sub masked
{
	my ($printed) = @_;
	return $printed =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/TIME/gr =~ s/\b(run|trc|evt)_[0-9a-f]{32}\b/$1_GENERATED/gr
	  =~ s/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/EPOCH/gr;
}

my $examples = 0;
my $written = $text =~ s{(?<=^```psql\n)(.*?)(?=^```$)}{
	my $block = $1;
	my $line = 1 + (substr($text, 0, $-[1]) =~ tr/\n//);
	my ($new, $old) = ('', '');
	# a statement goes from its prompt to the line that ends with a semicolon; what follows is its output
	for my $example (split /^(?==# )/m, $block)
	{
		my ($statement, $shown) = $example =~ /\A=# (.*?;)\n(.*)\z/s or die "line $line: no statement: $example";
		my $printed = answer_to($statement);
		is(masked($shown), masked($printed), (split /\n/, $statement)[0]) unless $ENV{PDPP_WRITE_REFERENCE};
		$new .= "=# $statement\n" . (masked($shown) eq masked($printed) ? $shown : $printed);
		$examples++;
	}
	$new}gemsr;
$psql->finish;

cmp_ok($examples, '>', 20, 'there are examples');
if ($ENV{PDPP_WRITE_REFERENCE})
{
	open my $file, ">", $ENV{PDPP_WRITE_REFERENCE} or die "$ENV{PDPP_WRITE_REFERENCE}: $!";
	print {$file} $written;
	close $file;
}

# Every function, setting, table and error code has its place.
for my $name (split /\n/, $node->safe_psql('postgres', q{LOAD 'pdpp';
	SELECT DISTINCT '### `' || p.proname || '`' FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'pdpp' AND p.pronamespace <> 'pdpp'::regnamespace
	UNION ALL
	SELECT '| `' || c.oid::regclass || '`' FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND e.extname = 'pdpp' AND c.relkind IN ('r', 'v')
	UNION ALL
	SELECT '| `' || name || '`' FROM pg_settings WHERE name LIKE 'pdpp.%'}))
{
	ok(index($written, "\n$name") >= 0, "$name is described");
}
my $errors = slurp_file(dirname($manual) . '/../extension/run/error.cpp');
for my $code ($errors =~ /ErrorKind\{ErrorCode::(\w+),/g)
{
	ok(index($written, "\n| `$code` |") >= 0, "$code is described");
}

$node->stop;
done_testing();
