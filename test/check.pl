#!/usr/bin/env perl
# Every test, suite by suite: what `make check` runs once everything is built and installed.
#
# Each suite is a command whose output goes to build/check/<suite>.log. A suite's tests are counted from what it prints;
# one that exits with an error without naming a failed test counts as one failure, and so does one that ran nothing. What is
# skipped, because a program that it needs is not here, counts as skipped.
# The last line is `N passed, N failed`, after `N skipped` if any were; the exit status is 0 only if none failed.
#
#   perl test/check.pl             all suites
#   perl test/check.pl http sql    these
use strict;
use warnings;
use File::Path qw(make_path);
use Time::HiRes qw(time);

# A shell that runs this in the background has interrupts ignored, and every program under test would inherit that.
$SIG{INT} = $SIG{QUIT} = 'DEFAULT';

chomp(my $pg_config = `.ci/postgresql`);
chomp(my $bindir = `$pg_config --bindir`);
chomp(my $pgxs = `$pg_config --pgxs`);
(my $server_tests = $pgxs) =~ s{/makefiles/pgxs\.mk$}{/test};

# the packages of PostgreSQL 13 have none; that of a later server does as well
my ($isolation_regress) = grep { -x } map { "$_/isolation/pg_isolation_regress" }
    $server_tests, reverse glob '/usr/lib/postgresql/*/lib/pgxs/src/test';

# where the programs under test are: elsewhere if they were built with sanitizers
my $build = $ENV{PDPP_BUILD} // 'build';

# The files of a folder for prove, these first: those that take minutes would be waited for at the end.
sub tests_of { my ($folder, @first) = @_; my %first = map { ("test/$folder/$_.t" => 1) } @first; return join ' ', sort(keys %first), grep { !$first{$_} } sort glob "test/$folder/*.t"; }

sub names_of { return map { s{.*/}{}r =~ s{\.\w+$}{}r } sort glob shift }

# How a line of output names a passed, a failed or a skipped test: a number of each.
my $tap     = sub { $_[0] =~ /^ok \d+.* # skip\b|^\S+\.t \.+ skipped\b/i ? (0, 0, 1) : $_[0] =~ /^ok \d/ ? (1, 0) : $_[0] =~ /^not ok \d(?!.*# TODO)/ ? (0, 1) : (0, 0) };
# pg_regress says it in words of its own before PostgreSQL 16
my $regress = sub { $_[0] =~ /^test .* ok\b/ ? (1, 0) : $_[0] =~ /^test .* FAILED\b/ ? (0, 1) : $tap->($_[0]) };
my $boost   = sub { $_[0] =~ /^\s+(\d+) test cases? out of \d+ (passed|failed)/ ? ($2 eq 'passed' ? ($1, 0) : (0, $1)) : (0, 0) };

my @suites = (
    # the domain and the client's pure parts
    { name => 'unit', count => $boost, run => ["$build/unit_tests", '--report_level=short', '--color_output=no'] },
    # the SQL API, a file after the other: they share a database, count what is in it and lock whole tables. SQL_OPTIONS are
    # for their sessions, and not for the making of the extensions
    { name => 'sql', count => $tap, run => [
        'test/in-cluster', 'bash', '-c',
        "createdb pdpp_sql && psql -Xqd pdpp_sql -c 'create extension pgtap' -c 'create extension pdpp' && "
          . 'PGOPTIONS="$SQL_OPTIONS" pg_prove -v --dbname pdpp_sql test/sql/*.sql' ] },
    # what psql shows of it
    { name => 'regress', count => $regress, run => [
        'test/in-cluster', "$server_tests/regress/pg_regress", '--inputdir=build/check/regress', '--outputdir=build/check/regress',
        "--bindir=$bindir", '--dbname=pdpp_regression', names_of('test/sql/psql/*.sql') ] },
    # each race, replayed
    { name => 'isolation', count => $regress, run => [
        'test/in-cluster', $isolation_regress, '--inputdir=test/isolation',
        '--outputdir=build/check/isolation', "--bindir=$bindir", '--dbname=pdpp_isolation',
        names_of('test/isolation/specs/*.spec') ] },
    # clusters that are killed, dumped and restored, and processes that are; they mostly wait, so several go at once
    { name => 'cluster', count => $tap, lane => 'cluster', run => ['test/as-postgres', 'bash', '-c', 'prove -j4 -v ' . tests_of('cluster', qw(clock controller endings_kept import_sources))] },
    # the gateway over real sockets
    { name => 'http', count => $tap, lane => 'http', run => ['test/as-postgres', 'bash', '-c', 'prove -j3 -v ' . tests_of('http', 'failover')] },
    # pages in a real browser, and pictures of them in build/pictures
    { name => 'page', count => $tap, lane => 'http', run => ['test/as-postgres', 'bash', '-c', 'prove -j2 -v ' . tests_of('page', 'list')] },
    # everything that can die is killed at random, for a short while; `make chaos` does it for longer
    { name => 'chaos', count => $tap, run => ['test/as-postgres', 'perl', 'test/chaos/chaos.pl', '--seconds', '20'] },
    # the same with three servers that fail over, where Patroni and etcd are installed; `make chaos-ha` does it for longer
    { name => 'ha', count => $tap, run => ['test/as-postgres', 'perl', 'test/chaos/ha.pl', '--seconds', '30'] },
    # every order of the steps in which runs live, boots die and servers fail, with few faults at once (docs/design/model.md)
    { name => 'model', count => $tap, run => ['perl', 'model/check.pl', '--quick'] },
    # what `make demo` shows, judged by itself
    { name => 'demo', count => $tap, run => [
        'bash', '-c', 'ONCE=1 test/demo/in-cluster && echo "ok 1 - every handle of the demo behaved"' ] },
);

make_path("build/check/$_") for qw(regress isolation);
# pg_regress wants its scripts in sql/ and what they print in expected/, beside each other
symlink '../../../test/sql/psql', 'build/check/regress/sql';
symlink '../../../expected', 'build/check/regress/expected';
# the tests run the program that was built, wherever it may be installed
$ENV{PATH} = "$ENV{PWD}/$build:$ENV{PATH}";
delete @ENV{qw(PGSERVICE PGDATABASE PGOPTIONS)};

# What a person wants to see of a failed suite: the failed tests and what was said about them, or else the end of its log.
sub explain {
    my ($suite, $log) = @_;
    my $failures = "grep -E -A 12 '^ *not ok|^ *#   Failed test|FAILED|error: in' $log | grep -vE '^ *ok |^--\$' | head -n 120";
    my $text = `([ -n "\$($failures)" ] && $failures || tail -n 40 $log) | sed 's/^/    /'`;
    $text .= `head -n 120 build/check/$suite/regression.diffs | sed 's/^/    /'` if -s "build/check/$suite/regression.diffs";
    return "$text    the whole log: $log\n";
}

sub counted { my ($passed, $failed, $skipped) = @_; return "$passed passed, $failed failed" . ($skipped ? ", $skipped skipped" : ''); }

# Runs one suite to its end and gives what it prints of itself: a line, and what a person wants to see if it failed; and
# the numbers of tests.
sub run_suite {
    my ($suite) = @_;
    my ($passed, $failed, $skipped) = (0, 0, 0);
    my $log   = "build/check/$suite->{name}.log";
    my $began = time;
    my $pid = open(my $output, '-|') // die "cannot fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec @{ $suite->{run} } or die "cannot run $suite->{run}[0]: $!\n";
    }
    open my $copy, '>', $log or die "$log: $!";
    while (my $line = <$output>) {
        print {$copy} $line;
        my ($ok, $not_ok, $skip) = $suite->{count}->($line);
        $passed += $ok;
        $failed += $not_ok;
        $skipped += $skip // 0;
    }
    close $copy;
    close $output;
    my $status = $?;
    $failed = 1 if !$failed && ($status || !($passed || $skipped));
    my $told = sprintf "%-10s %s  (%.0f s)\n", $suite->{name}, counted(sprintf('%5d', $passed), $failed, $skipped), time - $began;
    $told .= explain($suite->{name}, $log) if $failed;
    return ($told, $passed, $failed, $skipped);
}

# where to speak of a suite that has ended, from whatever process
open my $screen, '>&', \*STDOUT or die "cannot copy the standard output: $!";
$screen->autoflush(1);

# Suites that mostly wait go beside those that compute: in lanes, and in each lane one after the other. The numbers come
# back over a pipe, a line for each suite; what is printed is printed whole.
sub run_beside {
    my ($all_passed, $all_failed, $all_skipped) = (0, 0, 0);
    my @lanes = map {
        my $lane = $_;
        my $pid = open(my $results, '-|') // die "cannot fork: $!";
        if (!$pid) {
            $| = 1;
            for my $suite (@$lane) {
                my ($told, @counts) = run_suite($suite);
                print {$screen} $told;
                print "@counts\n";
            }
            exit 0;
        }
        [ $results, scalar @$lane ];
    } grep { @$_ } @_;
    for my $lane (@lanes) {
        my ($results, $missing) = @$lane;
        while (<$results>) {
            my ($passed, $failed, $skipped) = split;
            $all_passed += $passed;
            $all_failed += $failed;
            $all_skipped += $skipped;
            --$missing;
        }
        close $results;
        $all_failed += $missing; # a lane that died
    }
    return ($all_passed, $all_failed, $all_skipped);
}

my %wanted = map { $_ => 1 } @ARGV;
my @chosen = grep { !%wanted || $wanted{ $_->{name} } } @suites;
if (!$isolation_regress) {
    print "isolation  left out: no server here brings pg_isolation_regress\n";
    @chosen = grep { $_->{name} ne 'isolation' } @chosen;
}
my ($all_passed, $all_failed, $all_skipped) = run_beside(
    map { my $lane = $_; [ grep { ($_->{lane} // '') eq $lane } @chosen ] } 'cluster', 'http', '');
print "$all_skipped skipped\n" if $all_skipped;
print "$all_passed passed, $all_failed failed\n";
exit($all_failed ? 1 : 0);
