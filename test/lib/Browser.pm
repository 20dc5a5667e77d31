# A real Chromium, told what to do by WebDriver (chromedriver), and what it noticed meanwhile: errors on its console, and requests.
#
#   Browser->is_here or plan skip_all => 'no Chromium';
#   my $browser = Browser->start(base => 'http://127.0.0.1:1234');
#   $browser->go('/_ref/runs');
#   $browser->await(q{document.title.includes('completed')}, 'the run has ended');
#   is_deeply([ $browser->complaints ], []);
#
# Nothing is waited for by the clock: await() asks until it is so, for as long as the tests' patience lasts.

package Browser;

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();
use PostgreSQL::Test::Utils;
use Programs qw(child within);
use Test::More ();

my $json = JSON::PP->new->utf8->allow_nonref;
my $element_key = 'element-6066-11e4-a52e-4f735466cecf'; # the WebDriver standard's name for a reference to an element
our %key = (Tab => "\x{E004}", Enter => "\x{E007}", Shift => "\x{E008}", Escape => "\x{E00C}", Down => "\x{E015}", Space => ' ');

sub installed { my ($name) = @_; my ($path) = grep { -x } map { "$_/$name" } split /:/, $ENV{PATH}; return $path; }
sub is_here { return installed('chromium') && installed('chromedriver'); }

# chromedriver, one for each test program; it takes its browsers along when it ends.
my $driver;

sub driver
{
	return $driver if $driver;
	my $log = $PostgreSQL::Test::Utils::log_path . "/chromedriver_$$.log";
	open my $output, '>', $log or die "$log: $!";
	my $pid = child(
		sub {
			setpgrp; # with its browsers
			open STDOUT, '>&', $output or POSIX::_exit(127);
			open STDERR, '>&', $output or POSIX::_exit(127);
			exec installed('chromedriver'), '--port=0', '--log-level=WARNING' or POSIX::_exit(127);
		});
	$driver = { pid => $pid, parent => $$, http => HTTP::Tiny->new(timeout => 2 * $PostgreSQL::Test::Utils::timeout_default) };
	within(sub { slurp_file($log) =~ /started successfully on port (\d+)/ && ($driver->{url} = "http://127.0.0.1:$1") })
	  or die 'chromedriver does not start: ' . slurp_file($log);
	return $driver;
}

END
{
	if ($driver && $driver->{parent} == $$)
	{
		local $?;
		kill 'TERM', -$driver->{pid};
		waitpid $driver->{pid}, 0;
	}
}

# A command of WebDriver: gives its value, or dies of its error.
sub call
{
	my ($method, $path, $body) = @_;
	my $answer = driver()->{http}->request($method, driver()->{url} . $path,
		{ headers => { 'Content-Type' => 'application/json' }, $method eq 'POST' ? (content => $json->encode($body // {})) : () });
	my $value = eval { $json->decode($answer->{content})->{value} };
	return $value if $answer->{success};
	die(($value->{error} // "HTTP $answer->{status}") . ': ' . ($value->{message} // $answer->{content}) =~ s/\n.*//sr . "\n");
}

# A browser of its own, with nothing remembered. Options: base (of all addresses), width and height of its window, script (0: switched
# off), dark.
sub start
{
	my ($class, %option) = @_;
	my $profile = PostgreSQL::Test::Utils::tempdir();
	my @arguments = ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-first-run', '--disable-extensions',
		'--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-features=Translate,OptimizationHints,MediaRouter',
		'--password-store=basic', "--user-data-dir=$profile", sprintf('--window-size=%d,%d', $option{width} // 1000, $option{height} // 1000));
	my $session = call('POST', '/session', { capabilities => { alwaysMatch => {
		browserName => 'chrome',
		'goog:chromeOptions' => { binary => installed('chromium'), args => \@arguments },
		'goog:loggingPrefs' => { browser => 'ALL', performance => 'ALL' },
		timeouts => { pageLoad => 1000 * $PostgreSQL::Test::Utils::timeout_default, script => 1000 * $PostgreSQL::Test::Utils::timeout_default } } } });
	my $self = bless { id => $session->{sessionId}, base => $option{base}, requests => [], errors => [] }, $class;
	$self->prefer('prefers-color-scheme' => $option{dark} ? 'dark' : 'light');
	$self->script(0) if exists $option{script} && !$option{script};
	return $self;
}

sub command { my ($self, $method, $path, $body) = @_; return call($method, "/session/$self->{id}$path", $body); }

# A command of the developer tools.
sub tools { my ($self, $name, %parameters) = @_; return $self->command('POST', '/goog/cdp/execute', { cmd => $name, params => \%parameters }); }

sub quit { my ($self) = @_; return $self->command('DELETE', ''); }

# ---- what it is set to ---------------------------------------------------------------------------------------------------------

# What the reader prefers, as media features: (prefers-color-scheme => 'dark').
sub prefer
{
	my ($self, %features) = @_;
	$self->{features} = { %{ $self->{features} // {} }, %features };
	return $self->tools('Emulation.setEmulatedMedia', features => [ map { { name => $_, value => $self->{features}{$_} } } sort keys %{ $self->{features} } ]);
}

sub script { my ($self, $on) = @_; return $self->tools('Emulation.setScriptExecutionDisabled', value => $on ? JSON::PP::false : JSON::PP::true); }

sub size
{
	my ($self, $width, $height) = @_;
	return $self->tools('Emulation.setDeviceMetricsOverride', width => $width, height => $height, deviceScaleFactor => 1, mobile => JSON::PP::false);
}

# ---- where it is ---------------------------------------------------------------------------------------------------------------

sub go { my ($self, $target) = @_; return $self->command('POST', '/url', { url => $target =~ m{^/} ? $self->{base} . $target : $target }); }
sub back { my ($self) = @_; return $self->command('POST', '/back'); }
sub forward { my ($self) = @_; return $self->command('POST', '/forward'); }
sub reload { my ($self) = @_; return $self->command('POST', '/refresh'); }
sub title { my ($self) = @_; return $self->command('GET', '/title'); }

# The path of the page, with its query.
sub at { my ($self) = @_; return $self->command('GET', '/url') =~ s{^\Q$self->{base}\E}{}r; }

sub windows { my ($self) = @_; return @{ $self->command('GET', '/window/handles') }; }
sub window { my ($self) = @_; return $self->command('GET', '/window'); }
sub open_tab { my ($self) = @_; return $self->turn_to($self->command('POST', '/window/new', { type => 'tab' })->{handle}); }

# Turns to a tab, and brings it to the front.
sub turn_to
{
	my ($self, $window) = @_;
	$self->command('POST', '/window', { handle => $window });
	$self->tools('Page.bringToFront');
	return $window;
}

sub cookie { my ($self, $cookie) = @_; return $self->command('POST', '/cookie', { cookie => $cookie }); }
sub forget { my ($self) = @_; return $self->command('DELETE', '/cookie'); }

# ---- what it shows -------------------------------------------------------------------------------------------------------------

# The value of an expression in the page; arguments are `arguments[0]` and so on. Where script is switched off this goes on.
sub value { my ($self, $expression, @arguments) = @_; return $self->command('POST', '/execute/sync', { script => "return ($expression);", args => \@arguments }); }

# What calls its last argument, sooner or later.
sub later { my ($self, $script, @arguments) = @_; return $self->command('POST', '/execute/async', { script => $script, args => \@arguments }); }

sub text { my ($self, $selector) = @_; return $self->value('document.querySelector(arguments[0])?.innerText', $selector); }
sub texts { my ($self, $selector) = @_; return @{ $self->value('[...document.querySelectorAll(arguments[0])].map((part) => part.innerText)', $selector) }; }
sub count { my ($self, $selector) = @_; return $self->value('document.querySelectorAll(arguments[0]).length', $selector); }

# Waits until an expression in the page is true, in whatever page there is by then. Gives whether it came true, and says what was
# there instead.
sub await
{
	my ($self, $expression, $name, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $is_so = within(sub { return eval { $self->value($expression, @arguments) } });
	return 1 if Test::More::ok($is_so, $name);
	Test::More::diag(eval { 'instead: ' . $self->at . "\n" . substr($self->value('document.body.innerText'), 0, 2000) } // "no page: $@");
	return 0;
}

sub await_text
{
	my ($self, $selector, $text, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $self->await('document.querySelector(arguments[0])?.innerText.includes(arguments[1])', $name, $selector, $text);
}

# A mark that a reload takes away: whether the page is still the one that it was.
sub mark { my ($self) = @_; return $self->value('window.isStillThis = true'); }
sub is_marked { my ($self) = @_; return $self->value('window.isStillThis === true'); }

# ---- what the reader does ------------------------------------------------------------------------------------------------------

sub element { my ($self, $selector) = @_; return $self->command('POST', '/element', { using => 'css selector', value => $selector })->{$element_key}; }

# Clicks where a reader would: something in the way, or a part that is put there anew meanwhile, is tried again.
sub click
{
	my ($self, $selector) = @_;
	my $error;
	within(sub { return 1 if eval { $self->command('POST', '/element/' . $self->element($selector) . '/click'); 1 }; $error = $@; return $error !~ /stale|intercepted|no such element|not interactable/ })
	  or die "cannot click $selector: $error";
	die "cannot click $selector: $error" if $error && $error !~ /stale|intercepted|no such element|not interactable/;
	return;
}

sub type { my ($self, $selector, $text) = @_; return $self->command('POST', '/element/' . $self->element($selector) . '/value', { text => $text }); }

# Presses keys one after the other, wherever the focus is: characters, or names of %key. 'Shift+Tab' is both.
sub press
{
	my ($self, @keys) = @_;
	my @actions;
	for my $name (@keys)
	{
		my @held = map { $key{$_} // $_ } split /(?<=\w)\+(?=\w)/, $name;
		push @actions, (map { { type => 'keyDown', value => $_ } } @held), (map { { type => 'keyUp', value => $_ } } reverse @held);
	}
	return $self->command('POST', '/actions', { actions => [ { type => 'key', id => 'keyboard', actions => \@actions } ] });
}

# Where the mouse is.
sub point
{
	my ($self, $selector) = @_;
	my $origin = defined $selector ? { $element_key => $self->element($selector) } : 'viewport';
	return $self->command('POST', '/actions', { actions => [ { type => 'pointer', id => 'mouse', actions => [ { type => 'pointerMove', x => defined $selector ? 0 : 1, y => defined $selector ? 0 : 1, duration => 0, origin => $origin } ] } ] });
}

sub log_in
{
	my ($self, $password) = @_;
	$self->type('#password', $password);
	return $self->press('Enter');
}

# ---- what it noticed -----------------------------------------------------------------------------------------------------------

sub collect
{
	my ($self) = @_;
	push @{ $self->{errors} }, grep { $_->{level} eq 'SEVERE' } @{ $self->command('POST', '/se/log', { type => 'browser' }) };
	for my $entry (@{ $self->command('POST', '/se/log', { type => 'performance' }) })
	{
		my $message = JSON::PP->new->decode($entry->{message})->{message}; # of characters, as it was taken out of the answer
		push @{ $self->{requests} }, $message->{params}{request}{url} if $message->{method} eq 'Network.requestWillBeSent';
	}
	return;
}

# What nobody wants to see, since it was last asked: errors on the console, violations of the policy, requests to elsewhere. Options:
# network (true: what a server that is away, or an error's own page, makes the console say is none).
sub complaints
{
	my ($self, %option) = @_;
	$self->collect;
	my @elsewhere = map { "a request to $_" } grep { !m{^\Q$self->{base}\E(?:/|\z)|^(?:data|blob|about|chrome(?:-error|-untrusted)?|devtools):} } @{ $self->{requests} };
	my @errors = map { "on the console: $_->{message}" } grep { $_->{message} !~ m{^chrome(?:-untrusted)?://} && !($option{network} && $_->{source} eq 'network') } @{ $self->{errors} };
	@{$self}{qw(requests errors)} = ([], []);
	return (@errors, @elsewhere);
}

# Keeps a picture of what is in the window, in the folder that PDPP_PICTURES names. Option: format (png).
sub picture
{
	my ($self, $name, %option) = @_;
	my $folder = $ENV{PDPP_PICTURES} // return;
	my $format = $option{format} // 'png';
	my $picture = $self->tools('Page.captureScreenshot', format => $format, $format eq 'png' ? () : (quality => 80));
	open my $file, '>:raw', "$folder/$name.$format" or die "$folder/$name.$format: $!";
	print {$file} decode_base64($picture->{data});
	close $file or die "$folder/$name.$format: $!";
	return;
}

# How far two pictures are from each other, as files: from 0, the same, to 1, black and white. They are looked at from afar, in squares
# of 20 pixels, where a digit more or less does not count; pictures of other sizes are 1 apart. In a tab of no site, whose policy would
# not let them in.
sub distance
{
	my ($self, @files) = @_;
	my $before = $self->window;
	$self->open_tab;
	my $distance = $self->later(<<'SCRIPT', map { 'data:image/' . (/(\w+)$/)[0] . ';base64,' . encode_base64(slurp_file($_), '') } @files);
const [sources, done] = [[...arguments].slice(0, 2), arguments[2]];
(async () => {
	const seen = [];
	for (const source of sources) {
		const picture = Object.assign(new Image(), {src: source});
		await picture.decode();
		const [width, height] = [picture.width, picture.height];
		const canvas = Object.assign(document.createElement('canvas'), {width: Math.ceil(width / 20), height: Math.ceil(height / 20)});
		const context = canvas.getContext('2d');
		context.imageSmoothingQuality = 'high';
		context.drawImage(picture, 0, 0, canvas.width, canvas.height);
		seen.push({size: `${width} ${height}`, pixels: context.getImageData(0, 0, canvas.width, canvas.height).data});
	}
	const [one, other] = seen;
	done(one.size !== other.size ? 1 : one.pixels.reduce((sum, value, i) => sum + Math.abs(value - other.pixels[i]), 0) / one.pixels.length / 255);
})().catch((error) => done(String(error)));
SCRIPT
	$self->command('DELETE', '/window');
	$self->turn_to($before);
	return $distance;
}

1;
