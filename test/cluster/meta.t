# META.json is what PGXN expects (PGXN Meta Spec 1.0.0), and speaks of this version and of files that are there. The Debian
# packages are of this version too.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my $meta = JSON::PP->new->utf8->decode(slurp_file("$top/META.json"));
my ($version) = slurp_file("$top/control/pdpp.control") =~ /^default_version = '(.*)'$/m;

# required fields of the specification, and what they may hold
my $semver = qr/^\d+\.\d+\.\d+(?:-[A-Za-z][A-Za-z0-9-]*)?$/;
like($meta->{name}, qr/^[^\s\/\\\x00-\x1f]{2,}$/, 'name');
is($meta->{version}, $version, 'version is the one that CREATE EXTENSION makes');
like($meta->{version}, $semver, 'and a semantic one');
ok(length $meta->{abstract}, 'abstract');
ok((ref $meta->{maintainer} eq 'ARRAY' ? @{ $meta->{maintainer} } : length $meta->{maintainer}), 'maintainer');
is($meta->{license}, 'postgresql', 'license');
is($meta->{'meta-spec'}{version}, '1.0.0', 'meta-spec');
like($meta->{'meta-spec'}{url}, qr{^https?://pgxn\.org/meta/spec\.txt$}, 'its address');
is_deeply([ keys %{ $meta->{provides} } ], ['pdpp'], 'provides the extension');
my $extension = $meta->{provides}{pdpp};
is($extension->{version}, $version, 'of this version');
ok(-f "$top/$extension->{$_}", "its $_ is there") for qw(file docfile);
like($extension->{file}, qr/\Q$version\E/, 'the script is the one of this version');
for my $phase (keys %{ $meta->{prereqs} })
{
	like($phase, qr/^(?:configure|build|test|runtime|develop)$/, "phase $phase");
	for my $relation (keys %{ $meta->{prereqs}{$phase} })
	{
		like($relation, qr/^(?:requires|recommends|suggests|conflicts)$/, "relation $relation");
		like($_, $semver, 'a version') for values %{ $meta->{prereqs}{$phase}{$relation} };
	}
}
my @known = qw(name version abstract description maintainer license meta-spec provides prereqs generated_by tags resources
	no_index release_status);
for my $key (keys %{$meta})
{
	ok((grep { $_ eq $key } @known), "$key is a field of the specification");
}

my ($packaged) = slurp_file("$top/debian/changelog") =~ /\Apdpp \((\S+)-\d+\) /;
is($packaged, $version, 'debian/changelog begins with the version');

done_testing();
