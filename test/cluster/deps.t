# .ci/deps finds what is there and is too old, which the build would find out late, and in other words.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $deps = abs_path(dirname(__FILE__) . '/../../.ci/deps');
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
delete @ENV{qw(CXX PG_CONFIG PG_MAJOR)};
chomp(my $pg_config = `which pg_config`);

# A file that stands before that of the same name of this machine.
sub there
{
	my ($name, $text) = @_;
	make_path(dirname("$folder/$name"));
	append_to_file("$folder/$name", $text);
	chmod 0755, "$folder/$name";
	return "$folder/$name";
}

# What is missing for a purpose; the last line where nothing is.
sub says
{
	my ($purpose, %environment) = @_;
	local %ENV = (%ENV, %environment);
	my ($code, $out, $err) = finish(start('', $deps, '--present', $purpose));
	return $code ? join("\n", 'missing:', $err =~ /^    (.*)$/mg) : $out;
}

# A compiler that says that it is an older one.
sub older { my ($name, $major) = @_; return there("$name-$major", qq{#!/bin/sh\nexec g++ "\$@" -U__GNUC__ -D__GNUC__=$major\n}) }

subtest 'a compiler' => sub {
	like(says('extension'), qr/^PostgreSQL [\d.]+\w* \(.*\), g\+\+ \d+$/, 'is named');
	like(says('extension', CXX => older('g++', 10)), qr/, g\+\+ 10$/, 'g++ 10 makes the extension');
	is(says('extension', CXX => older('g++', 9)), "missing:\na C++20 compiler (CXX=): g++ 10 or clang 14, or later", 'g++ 9 does not');
	like(says('program', CXX => older('g++', 11)), qr/^missing:\na compiler that the program takes \(CXX=\): g\+\+ 12 or clang 14, or later$/m, 'nor g++ 11 the program');
	is(says('extension', CXX => there('clang-13', qq{#!/bin/sh\nexec g++ "\$@" -D__clang_major__=13\n})),
		"missing:\na C++20 compiler (CXX=): g++ 10 or clang 14, or later", 'nor clang 13');
	is(says('extension', CXX => "$folder/none"), "missing:\na C++20 compiler (CXX=): g++ 10 or clang 14, or later", 'nor one that is not there');
	is(says('program', CXX => there('in-front', qq{#!/bin/sh\nexec "\$@"\n}) . ' g++'), says('program'), 'one that has a command in front of it is what it is');
};

subtest 'a server' => sub {
	my $twelve = there('pg_config', qq{#!/bin/sh\n[ "\$*" != --version ] || exec echo PostgreSQL 12.3\nexec $pg_config "\$@"\n});
	is(says('extension', PG_CONFIG => $twelve), "missing:\nthe headers of PostgreSQL 13 or later (pg_config on the PATH, PG_CONFIG=)", 'of 12 is too old');
};

subtest 'libraries' => sub {
	plan skip_all => 'what the program is made of is not here' if says('program') =~ /missing/;
	there('old/openssl/opensslv.h', "#define OPENSSL_VERSION_NUMBER 0x1010106fL\n"); # 1.1 has no other
	there('old/CLI/CLI.hpp', qq{#define CLI11_VERSION "1.9.1"\n});
	there('old/boost/version.hpp', qq{#define BOOST_LIB_VERSION "1_74"\n});
	is(says('program', CXX => "g++ -I$folder/old"), join("\n", 'missing:', 'Boost 1.81 or later, with headers', 'Boost.JSON 1.81 or later', 'Boost.URL 1.81 or later',
			'OpenSSL 3, with headers', 'CLI11 2'), 'that are too old');
};

done_testing();
