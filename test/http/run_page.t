# The page of a run and the list of runs, whatever was written: they stay small, say what they leave out, and read no more of
# a run with many events than of one with few.

use strict;
use warnings;

use IPC::Run ();
use JSON::PP ();
use PdppCluster;
use PdppGateway;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PdppCluster->running('run_page');
my $gateway = PdppGateway->start(conninfo => $node->connstr('postgres'));
my $browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

sub sql { my ($statement) = @_; return $node->safe_psql('postgres', $statement); }
sub page { my ($target) = @_; return $gateway->get_as_owner($target, Accept => $browser)->{body}; }
sub unescaped { my ($text) = @_; $text =~ s/&amp;/&/g; return $text; }
sub next_of { my ($text) = @_; my ($url) = $text =~ m{rel="next" href="([^"#]+)}; return $url && unescaped($url); }
sub sequence { my ($text) = @_; return $text =~ /<li id="event-(\d+)"/g; }
sub shown { my ($text) = @_; $text =~ s/<[^>]*>//g; return $text; }

sub started { my ($run_id) = @_; sql("SELECT pdpp_run_now('$run_id', '$run_id', '$run_id'); SELECT pdpp_run_started('$run_id')"); return; }

# Writes the events `from` to `to` of a run, of a type and with data that may name their number n.
sub write_events
{
	my ($run_id, $from, $to, $type, $data) = @_;
	sql(qq{INSERT INTO pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
		SELECT '$run_id', n, '', '$type', now(), now(), $data FROM generate_series($from, $to) AS n});
	return;
}

# How large a page is with all that it loads.
sub whole
{
	my ($text) = @_;
	my $size = length $text;
	$size += length $gateway->get($_, 'Accept-Encoding' => 'gzip')->{body} for $text =~ m{(?:href|src)="(/assets/[^"]+)"}g;
	return $size;
}

# What each stream's line says.
sub streams { my ($text) = @_; return map { shown($_) } $text =~ m{<li><span class="stream">(.*?)</li>}gs; }

subtest 'progress of each stream' => sub {
	started('quiet');
	write_events('quiet', 3, 3, 'run.progress_reported', q('{"stream": "contacts", "count": 5, "total": 5}'::jsonb));
	write_events('quiet', 4, 300, 'run.progress_reported', q{jsonb_build_object('stream', 'mail', 'count', n, 'total', 5000)});
	my $text = page('/_ref/runs/quiet');
	is(join('|', streams($text)), 'contacts5 of 55 of 5|mail300 of 5,000300 of 5,000', 'one that is silent for long is there');
	unlike($text, qr/Look further/, 'all events were looked at');

	write_events('quiet', 301, 301, 'run.progress_reported', q('{"stream": "files", "count": 7}'::jsonb));
	write_events('quiet', 302, 3000, 'run.progress_reported', q{jsonb_build_object('stream', 'mail', 'count', n, 'total', 5000)});
	$text = page('/_ref/runs/quiet');
	is((streams($text))[0], 'contacts5 of 55 of 5as of event 3, since when not all were looked at', 'one of the beginning, as of when');
	like($text, qr/Streams that spoke among the newest 1,000 of 3,000 events or the first 10\./, 'where they were looked for');
	my ($further) = $text =~ m{<a href="([^"#]+)#events">Look further</a>};
	is($further, '/_ref/runs/quiet?type=run.progress_reported', 'where to look further');

	started('many_streams');
	write_events('many_streams', 3, 72, 'run.progress_reported', q{jsonb_build_object('stream', 'stream ' || n, 'count', n)});
	$text = page('/_ref/runs/many_streams');
	my @streams = streams($text);
	like($text, qr/${\ scalar @streams} of 70 streams are shown here\./, 'more than there is room for are said to be there');
	cmp_ok(scalar @streams, '>=', 30, 'many are shown');

	started('numbers');
	my @data = ('{"stream": "a", "count": 1.5, "total": 3}', '{"stream": "b", "count": 12345678901234567890, "total": 12345678901234567899}',
		'{"stream": "c", "count": -4}', '{"stream": "d", "count": 0, "total": 0}', '{"stream": "e", "total": 9}',
		'{"stream": "f", "count": 9, "total": 3}', '{"stream": "g", "count": 1e300, "total": 1e400}', '{"stream": "h", "count": "5"}');
	sql("SELECT pdpp_run_event('numbers', 'run.progress_reported', '$_')") for @data;
	$text = page('/_ref/runs/numbers');
	my %said = map { substr($_, 0, 1) => substr($_, 1) } streams($text);
	is($said{a}, '1.5 of 31.5 of 3', 'a part of one');
	like($text, qr{<progress value="1.5" max="3"}, 'in the bar too');
	like($said{b}, qr/^(12,345,678,901,234,567,890 of 12,345,678,901,234,567,899)\1$/, 'more than 64 bits');
	is($said{c}, '-4', 'less than nothing');
	is($said{d}, '0 of 0', 'nothing of nothing');
	is($said{e}, 'of 9', 'a total alone');
	is($said{f}, '9 of 39 of 3', 'more than all');
	like($text, qr{<progress value="3" max="3"}, 'fills the bar');
	like($said{g}, qr/^1,000,000.*… of 10,000,000.*…$/, 'what no bar can show, cut');
	is($said{h}, '', 'what is no number is none');
	like($text, qr/1\.5 of 3<.*data/s, 'in the rows too');

	sql(q{SELECT pdpp_run_import('[{"run_id": "imported", "connector_id": "gmail", "connector_instance_id": "ci", "trace_id": "t",
		"admitted_at": "2026-11-01T00:00:00Z", "in_flight": true, "events": [
		{"event_id": "e1", "event_type": "run.started", "occurred_at": "2026-11-01T00:00:00Z"},
		{"event_id": "e2", "event_type": "run.progress_reported", "stream_id": "mail", "occurred_at": "2026-11-01T00:00:01Z", "data": {"count": 3, "total": 10}},
		{"event_id": "e3", "event_type": "run.progress_reported", "stream_id": "files", "occurred_at": "2026-11-01T00:00:02Z", "data": {"count": 7}}]}]')});
	is(join('|', streams(page('/_ref/runs/imported'))), 'files7|mail3 of 103 of 10', 'imported, by the column');
};

subtest 'imported runs' => sub {
	sql(q{SELECT pdpp_run_import('[{"run_id": "stranded", "connector_id": "gmail", "connector_instance_id": "cs", "trace_id": "t",
		"admitted_at": "2026-11-01T00:00:00Z", "in_flight": false, "events": []}]')});
	for my $run_id (qw(imported stranded))
	{
		my $text = page("/_ref/runs/$run_id");
		unlike($text, qr/Yes, cancel it|waiting for its launch/, "$run_id: is not offered to be cancelled here");
		like($text, qr/imported from another server, which alone can end it/, "$run_id: is said to be another server's");
	}
	sql(q{SELECT pdpp_run_import('[{"run_id": "twice", "connector_id": "gmail", "connector_instance_id": "ct", "trace_id": "t",
		"admitted_at": "2026-11-01T00:00:00Z", "events": [
		{"event_id": "e1", "event_type": "run.started", "occurred_at": "2026-11-01T00:00:00Z"},
		{"event_id": "e2", "event_type": "run.started", "occurred_at": "2026-11-01T00:00:05Z"},
		{"event_id": "e3", "event_type": "run.completed", "occurred_at": "2026-11-01T00:00:09Z"},
		{"event_id": "e4", "event_type": "run.failed", "occurred_at": "2026-11-01T00:00:11Z"}]}]')});
	my $text = page('/_ref/runs/twice');
	like($text, qr/ended as completed; 1 further start; 1 late outcome afterwards\./, 'a second start is no late outcome');
	like($text, qr{<span class="key late">further start</span>}, 'in the key neither');
	my $runs = 0;
	for my $gaps ('{"a": 1, "b": 2}', '[1, 2]', '"some"')
	{
		my $run_id = 'gaps_' . ++$runs;
		started($run_id);
		sql("SELECT pdpp_run_settle('$run_id', 'completed', '{\"known_gaps\": $gaps}')");
		my ($said) = page("/_ref/runs/$run_id") =~ m{Known gaps</dt><dd><a[^>]*>([^<]*)<};
		is($said, $gaps eq '"some"' ? '&quot;some&quot;' : 2, "known gaps: $gaps");
	}
};

subtest 'the life keeps its signs' => sub {
	my $controller = $node->background_psql('postgres');
	$controller->query_safe(q{SELECT pdpp_controller_boot('x')});
	sql(q{SELECT pdpp_run_now('asked', 'asked', 'asked')});
	$controller->query_safe($_) for q{SELECT pdpp_run_claim('asked')}, q{SELECT pdpp_run_started('asked')};
	write_events('asked', 3, 30, 'note.x', q('{}'::jsonb));
	sql(q{SELECT pdpp_run_cancel('asked')});
	write_events('asked', 32, 400, 'note.x', q('{}'::jsonb));
	my $text = page('/_ref/runs/asked');
	like($text, qr/active, cancel requested/, 'a cancel request, many events ago');
	like($text, qr/<path class="cancel"/, 'is drawn while the run goes on');
	$controller->query_safe(q{SELECT pdpp_run_settle('asked', 'cancelled')});
	$text = page('/_ref/runs/asked');
	is(() = $text =~ /<path class="cancel"/g, 1, 'and once it has ended');
	like($text, qr/Marks: the first 10 and the newest 200 of 401 events\.</, 'what the marks are of');
	$controller->quit;

	sql(q{INSERT INTO pdpp.spine_events (run_id, event_seq, event_id, event_type, occurred_at, recorded_at, data_json)
		VALUES ('asked', 402, '', 'run.late_outcome', now() + interval '1 s', now(), '{"outcome": "failed"}')});
	write_events('asked', 403, 1000, 'note.x', q('{}'::jsonb));
	$text = page('/_ref/runs/asked');
	like($text, qr/<path class="late"/, 'a late outcome, many events ago');
	like($text, qr/; 1 late outcome afterwards/, 'in words too');
	write_events('asked', 1001, 7000, 'note.x', q('{}'::jsonb));
	like(page('/_ref/runs/asked'), qr/Cancel requests and late outcomes: those among the newest 5,000\./, 'how far they were looked for');
};

# How many entries of the events' indexes have been read so far, as the sessions that have ended say.
sub entries_read
{
	return sql(q{SELECT sum(idx_tup_read) FROM pg_stat_all_indexes WHERE relname = 'spine_events'});
}

# How many a page reads, by a gateway of its own, which ends.
sub entries_read_for
{
	my ($target) = @_;
	my $sessions = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'};
	my ($others, $before) = (sql($sessions), entries_read());
	my $apart = PdppGateway->start(conninfo => $node->connstr('postgres'));
	is($apart->get_as_owner($target, Accept => $browser)->{status}, 200, "$target is there");
	is($apart->stop, 0, 'its gateway ends');
	$node->poll_query_until('postgres', "SELECT ($sessions) <= $others") or die 'the sessions of the gateway stay';
	PdppGateway::await(sub { entries_read() >= $before + 200 }, 'what they read is counted');
	return entries_read() - $before;
}

subtest 'many events, none of progress' => sub {
	started('huge');
	write_events('huge', 3, 100_000, 'note.x', q{jsonb_build_object('n', n)});
	write_events('huge', 100_001, 100_001, 'note.rare', q('{}'::jsonb));
	write_events('huge', 100_002, 150_000, 'note.x', q{jsonb_build_object('n', n)});
	my $text = page('/_ref/runs/huge');
	like($text, qr/No stream spoke among the newest 1,000 of 150,000 events or the first 10\./, 'are not looked through for it');
	my $read = entries_read_for('/_ref/runs/huge');
	cmp_ok($read, '<', 5000, "nor anything else: $read");
	cmp_ok($read, '>', 200, 'as far as can be seen');
	$read = entries_read_for('/_ref/runs/huge?type=note.rare');
	cmp_ok($read, '<', 10_000, "a rare type is looked for in a part of them: $read");

	$text = page('/_ref/runs/huge?type=note.rare');
	like($text, qr/No event of this type among events 149,001 to 150,000\./, 'which is said');
	like($text, qr{rel="next" href="[^"]+">Look further →}, 'and may be gone on with');
	my ($all) = $text =~ m{<a href="([^"]+)">All of this type as JSON</a>};
	my $json = JSON::PP->new->decode(page(unescaped($all)));
	is(join(' ', map { $_->{event_seq} } @{ $json->{data} }), 100_001, 'or asked for whole');
	my $pages = 1;
	while (!sequence($text) && $pages < 100)
	{
		$text = page(next_of($text));
		++$pages;
	}
	is(join(' ', sequence($text)), 100_001, 'it is found');
	is($pages, 50, 'page by page');
	like($text, qr/1 events? on a page; there may be more\. Events 100,001 to 101,000 were looked at\./, 'and there may be more');
	my @seen = sequence(page('/_ref/runs/huge?type=note.x&order=oldest'));
	is(join(' ', @seen), join(' ', 3 .. 52), 'the oldest of a type');
	@seen = sequence(page(next_of(page('/_ref/runs/huge?type=note.x&order=oldest'))));
	is(join(' ', @seen), join(' ', 53 .. 102), 'and on');
	is($gateway->get_as_owner('/_ref/runs/huge?type=' . 'x' x 257, Accept => $browser)->{status}, 400, 'a type that is none');
};

subtest 'small, whatever was written' => sub {
	my %hostile = (quotes => q{repeat('"', 300)}, bidi => 'repeat(chr(8238), 300)', controls => 'repeat(chr(27), 300)', markup => q{repeat('<&>', 100)});
	for my $kind (sort keys %hostile)
	{
		my $run_id = "hostile_$kind";
		started($run_id);
		write_events($run_id, 3, 300, 'run.progress_reported',
			"jsonb_build_object('stream', 'stream ' || n || $hostile{$kind}, 'count', n, 'message', $hostile{$kind})");
		sql(qq{SELECT pdpp_run_settle('$run_id', 'failed', jsonb_build_object('failure_message', repeat($hostile{$kind}, 20), 'reason', $hostile{$kind},
			'connector_error_message', 'x' || repeat($hostile{$kind}, 20), 'failure_origin', $hostile{$kind}))});
		for my $query ('', '?order=oldest', '?type=run.progress_reported')
		{
			my $text = page("/_ref/runs/$run_id$query");
			cmp_ok(whole($text), '<', 60_000, "$kind$query: all of it");
			like($text, qr/What is longer is cut off here/, "$kind$query: what is cut is said");
			like($text, qr/\d+ of 298 streams are shown here/, "$kind$query: and what is not there");
			my @seen = sequence($text);
			cmp_ok(scalar @seen, '>', 1, "$kind$query: has rows");
			my @more = sequence(page(next_of($text)));
			is($more[0], $seen[-1] + ($query eq '?order=oldest' ? 1 : -1), "$kind$query: and goes on where they end");
		}
	}
	sql(qq{SELECT pdpp_run_now(repeat('"', 256), repeat('"', 256), repeat('"', 256))});
	sql(qq{SELECT pdpp_run_started(repeat('"', 256), jsonb_build_object('controller_id', repeat('"', 5000)))});
	write_events('"' x 256, 3, 300, '"' x 3000, q{jsonb_build_object('message', repeat('"', 5000))});
	for my $query ('', '?order=oldest', '?type=' . '%22' x 256)
	{
		my $text = page('/_ref/runs/' . '%22' x 256 . $query);
		cmp_ok(whole($text), '<', 60_000, 'ids that are as long as can be: all of it');
		like($text, qr/What is longer is cut off here/, 'what is cut is said');
	}

	sql(q{DO $$ BEGIN FOR n IN 1 .. 60 LOOP PERFORM pdpp_run_now(repeat('"', 256), 'c' || n || repeat('"', 250), 'r' || n || repeat('ä', 110));
		PERFORM pdpp_run_settle('r' || n || repeat('ä', 110), 'failed', jsonb_build_object('failure_message', repeat('"', 300))); END LOOP; END $$});
	my ($target, @seen, $pages) = ('/_ref/runs?connector_id=' . '%22' x 256 . '&status=failed');
	while ($target)
	{
		my $text = page($target);
		my $next = next_of($text);
		cmp_ok(whole($text), '<', 60_000, 'a list of long ids: all of it');
		like($text, qr/runs on this page, which has no room for more/, 'which is said') if $next;
		my ($tag) = $text =~ /data-tag="&quot;([\w-]+)&quot;"/;
		is($gateway->get_as_owner($target)->{headers}{etag}, "\"$tag\"", 'the entity tag is that of the API');
		push @seen, $text =~ /<li id="run-r(\d+)/g;
		$target = ++$pages < 60 ? $next : undef;
	}
	is(join(' ', @seen), join(' ', reverse 1 .. 60), 'page by page, none left out');
	my ($offered, $connections) = (0, '/_ref/runs?connector_id=' . '%22' x 256);
	for (1 .. 61)
	{
		my $text = page($connections);
		$offered += () = $text =~ /aria-label="Start a run of /g;
		$offered += () = $text =~ m{>running</a>}g;
		my ($more) = $text =~ m{<a href="([^"]+)">More connections} or last;
		$connections = unescaped($more);
	}
	is($offered, 61, 'none of the connections is left out either');
	for my $target ('/_ref/runs?' . '"' x 8000, '/_ref/runs?status=' . '&' x 8000, '/_ref/runs/quiet?' . '"' x 8000, '/_ref/runs/quiet?' . '&' x 8000, '/owner/login?return_to=/' . '"' x 8000)
	{
		my $text = $gateway->get($target, Accept => $browser, $target =~ /login/ ? () : (Authorization => 'Bearer ' . PdppGateway::token()))->{body};
		cmp_ok(whole($text), '<', 58_000, 'a page at a long address: all of it: ' . substr $target, 0, 30);
	}
	my $asked_for_many = page('/_ref/runs?limit=500');
	cmp_ok(whole($asked_for_many), '<', 60_000, 'a list of many: all of it');
};

subtest 'runs that end while their pages are read' => sub {
	my $runs = 60; # of which a third was caught between the two reads when the status was the second
	sql("SELECT pdpp_run_now('torn', 'torn ' || n, 'torn_' || n), pdpp_run_started('torn_' || n) FROM generate_series(1, $runs) AS n");
	my ($in, $out, $reader, @torn) = ('', '', $gateway->connect);
	my $ending = IPC::Run::start([ 'psql', '-Xqd', $node->connstr('postgres'), '-c',
			"DO \$\$ BEGIN FOR n IN 1 .. $runs LOOP PERFORM pg_sleep(0.02); PERFORM pdpp_run_settle('torn_' || n, 'completed'); COMMIT; END LOOP; END \$\$" ], '<', \$in, '>', \$out);
	for my $n (1 .. $runs)
	{
		my $text;
		do { $text = $reader->request('GET', "/_ref/runs/torn_$n", [ Accept => $browser, Authorization => 'Bearer ' . PdppGateway::token() ])->{body} }
		  while $text =~ /data-status="active"/;
		push @torn, $n if $text !~ /<b class="type"><bdi>run\.completed</;
	}
	IPC::Run::finish($ending);
	is("@torn", '', 'none is shown as ended without its ending');
};

subtest 'what is told of a run that has ended' => sub {
	started('told');
	sql(q{SELECT pdpp_run_settle('told', 'failed')});
	my $seen = sub {
		my ($also, $tag) = page('/_ref/runs/told') =~ /data-also="([^"]+)" data-also-tag="&quot;([\w-]+)&quot;"/ or return;
		is($gateway->get_as_owner(unescaped($also))->{headers}{etag}, "\"$tag\"", 'the page names what its events change, as it is in the API');
		return $tag;
	};
	my @tags = $seen->();
	sql(q{SELECT pdpp_run_settle('told', 'completed')});
	push @tags, $seen->();
	sql(q{SET session_replication_role = replica; UPDATE pdpp.spine_events SET occurred_at = occurred_at - interval '2 years', recorded_at = recorded_at - interval '2 years',
		admitted_at = admitted_at - interval '2 years' WHERE run_id = 'told'; SELECT pdpp_prune(now() - interval '1 year')});
	push @tags, $seen->();
	my %different = map { $_ => 1 } @tags;
	is(scalar keys %different, 3, 'a late outcome changes it, and so does retention');
};

subtest 'a start after many events' => sub {
	sql(q{SELECT pdpp_run_now('late', 'late', 'late')});
	write_events('late', 2, 13, 'note.x', q('{}'::jsonb));
	sql(q{SELECT pdpp_run_started('late', '{"controller_id": "host-7"}')});
	write_events('late', 15, 300, 'note.x', q('{}'::jsonb));
	my ($controller) = page('/_ref/runs/late') =~ m{<dt>Controller</dt><dd>(.*?)</dd>};
	is(shown($controller), 'host-7', 'its controller is known');
};

subtest 'a text that is cut, and ends as what is cut does' => sub {
	started($_) for 'cut', 'whole';
	sql(q{SELECT pdpp_run_settle('cut', 'failed', jsonb_build_object('failure_message', repeat('x', 4200) || '…'))});
	sql(q{SELECT pdpp_run_settle('whole', 'failed', jsonb_build_object('failure_message', repeat('x', 3000) || '…'))});
	like(page('/_ref/runs/cut'), qr/What is longer is cut off here/, 'is said to be cut');
	unlike(page('/_ref/runs/whole'), qr/What is longer is cut off here/, 'as one that is not is not');
};

is($gateway->stop, 0, 'the gateway ends');
done_testing();
