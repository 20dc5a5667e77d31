#include "controller/process.hpp"

#include "controller/descendants.hpp"
#include "controller/exec.hpp"
#include "controller/guardian.hpp"
#include "controller/pidfd.hpp"
#include "pq/first_of.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace pdpp::controller {

namespace asio = boost::asio;

namespace {

/// A descriptor that closes itself.
class Descriptor {
  public:
    explicit Descriptor(int number = -1) noexcept : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    [[nodiscard]] int get() const noexcept { return number_; }
    int release() noexcept { return std::exchange(number_, -1); }

  private:
    int number_;
};

/// An object of Asio's that has the descriptor from now on.
template <class Stream>
Stream given_to_asio(const asio::any_io_executor& executor, Descriptor descriptor) {
    Stream stream(executor);
    stream.assign(descriptor.get()); // which may throw
    descriptor.release();
    return stream;
}

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            throw LaunchError("cannot make a pipe", errno);
        }
        read = Descriptor(ends[0]);
        write = Descriptor(ends[1]);
    }
    Descriptor read;
    Descriptor write;
};

/// The names of an environment and what execve wants to see of it.
class Environment {
  public:
    explicit Environment(const std::map<std::string, std::optional<std::string>>& changes) {
        for (char** entry = environ; *entry != nullptr; ++entry) {
            const std::string_view text(*entry);
            if (!changes.contains(std::string(text.substr(0, text.find('='))))) {
                entries_.emplace_back(text);
            }
        }
        for (const auto& [name, value] : changes) {
            if (value) {
                entries_.push_back(name + "=" + *value);
            }
        }
    }

    [[nodiscard]] std::string_view value(std::string_view name, std::string_view otherwise) const {
        for (const std::string_view entry : entries_) {
            if (entry.starts_with(name) && entry.substr(name.size()).starts_with('=')) {
                return entry.substr(name.size() + 1);
            }
        }
        return otherwise;
    }

    std::vector<std::string>& entries() noexcept { return entries_; }

  private:
    std::vector<std::string> entries_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (auto& text : texts) {
        all.push_back(text.data());
    }
    all.push_back(nullptr);
    return all;
}

bool is_path(const std::string& executable) {
    return executable.find('/') != std::string::npos;
}

/// The files to try, in order, as execvp would; relative entries of PATH count from the child's working directory.
std::vector<std::string> candidates(const std::string& executable, std::string_view path) {
    if (is_path(executable)) {
        return {executable};
    }
    std::vector<std::string> files;
    for (bool more = true; more;) {
        const auto end = path.find(':');
        const auto folder = path.substr(0, end);
        files.push_back(folder.empty() ? executable : std::string(folder) + "/" + executable);
        more = end != std::string_view::npos;
        path.remove_prefix(more ? end + 1 : path.size());
    }
    return files;
}

/// Two sockets that keep messages apart.
struct Channel {
    Channel() {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw LaunchError("cannot make a socket", errno);
        }
        ours = Descriptor(ends[0]);
        guardians = Descriptor(ends[1]);
    }
    Descriptor ours;
    Descriptor guardians;
};

/// The guardians that are at work. What else is a child of ours while we take in orphans has lost its guardian.
std::vector<pid_t> guardians;

Title title() {
    std::ifstream arguments("/proc/self/cmdline", std::ios::binary);
    const auto size = std::distance(std::istreambuf_iterator<char>(arguments), {});
    return {program_invocation_name, static_cast<std::size_t>(size)};
}

/// Forks with all signals blocked, so that no handler of this program runs in the child.
pid_t fork_guardian(const ExecPlan& plan, int channel) {
    static const Title our_title = title();
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) {
        guard(plan, channel, our_title);
    }
    const int error_number = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) {
        throw LaunchError("cannot start a process", error_number);
    }
    return pid;
}

std::string describe(Step step, const Command& command) {
    switch (step) {
    case Step::change_directory:
        return fmt::format("cannot enter the working directory \"{}\"", command.working_directory);
    case Step::execute:
        return fmt::format("cannot execute \"{}\"", command.arguments.front());
    case Step::fork:
        return "cannot start a process";
    case Step::prepare:
        break;
    }
    return "cannot prepare the new process";
}

/// Kills what has come to us of a run whose guardian was killed. Not for long, as this holds up the whole program.
void kill_orphans(std::uint64_t born) noexcept {
    constexpr timespec pause{.tv_sec = 0, .tv_nsec = 10'000'000};
    constexpr int most_rounds = 100;
    int without_any = 0;
    for (int round = 0; round < most_rounds && without_any < 2; ++round) {
        const bool any = kill_all({.root = ::getpid(), .without = guardians, .since = born}) > 0;
        without_any = any ? 0 : without_any + 1; // one look can miss who changes parents meanwhile
        ::nanosleep(&pause, nullptr);
    }
}

asio::awaitable<void> read_failure(asio::readable_pipe& from, Failure& reason, boost::system::error_code& error) {
    const auto outcome =
        co_await asio::async_read(from, asio::buffer(&reason, sizeof reason), asio::as_tuple(asio::use_awaitable));
    error = std::get<0>(outcome);
}

/// Whoever stops a guardian would hold up its launcher, too. Never returns.
asio::awaitable<void> keep_going(int guardian) {
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (;;) {
        pause.expires_after(std::chrono::seconds(1));
        co_await pause.async_wait(asio::use_awaitable);
        ::pidfd_send_signal(guardian, SIGCONT, nullptr, 0);
    }
}

} // namespace

LaunchError::LaunchError(const std::string& step, int error_number)
    : std::runtime_error(step + ": " + std::generic_category().message(error_number)) {}

asio::awaitable<Process> Process::start(Command command) {
    if (command.arguments.empty() || command.arguments.front().empty()) {
        throw LaunchError("cannot execute \"\"", ENOENT);
    }
    Environment environment(command.environment);
    auto files = candidates(command.arguments.front(), environment.value("PATH", "/usr/local/bin:/usr/bin:/bin"));
    const auto file_pointers = pointers(files);
    const auto argument_pointers = pointers(command.arguments);
    const auto environment_pointers = pointers(environment.entries());

    Pipe output;
    Pipe errors;
    Pipe failure;
    Channel channel;
    const bool reads = command.has_input && ::isatty(STDIN_FILENO) == 0;
    const Descriptor no_input(reads ? -1 : ::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const auto born = started_from_now();
    const pid_t pid = fork_guardian(
        {.working_directory = command.working_directory.empty() ? nullptr : command.working_directory.c_str(),
         .files = file_pointers.data(),
         .searches = !is_path(command.arguments.front()),
         .arguments = argument_pointers.data(),
         .environment = environment_pointers.data(),
         .input = no_input.get(),
         .output = output.write.get(),
         .errors = errors.write.get(),
         .failure = failure.write.get()},
        channel.guardians.get());
    output.write = Descriptor();
    errors.write = Descriptor();
    failure.write = Descriptor();
    channel.guardians = Descriptor();

    // What cannot be watched is over before anybody hears that nothing was launched.
    const auto not_watched = [&](int error_number) {
        channel.ours = Descriptor(); // which tells the guardian
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        return LaunchError("cannot watch the new process", error_number);
    };
    Descriptor handle(::pidfd_open(pid, 0));
    if (handle.get() < 0) {
        throw not_watched(errno);
    }
    const auto executor = co_await asio::this_coro::executor;
    auto process = [&] {
        try {
            return Process(pid, born, given_to_asio<asio::posix::stream_descriptor>(executor, std::move(handle)),
                           given_to_asio<asio::posix::stream_descriptor>(executor, std::move(channel.ours)),
                           given_to_asio<asio::readable_pipe>(executor, std::move(output.read)),
                           given_to_asio<asio::readable_pipe>(executor, std::move(errors.read)));
        } catch (const boost::system::system_error& error) {
            throw not_watched(error.code().value());
        }
    }();

    // Ends with nothing read as soon as exec has closed the other end.
    auto told = given_to_asio<asio::readable_pipe>(executor, std::move(failure.read));
    Failure reason{};
    boost::system::error_code error;
    co_await pq::first_of(read_failure(told, reason, error), keep_going(process.handle_.native_handle()));
    if (!error) {
        throw LaunchError(describe(reason.step, command), reason.error_number);
    }
    if (error != asio::error::eof) {
        throw boost::system::system_error(error);
    }
    co_return process;
}

void take_in_orphans() noexcept {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    std::signal(SIGCHLD, SIG_IGN);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) { // who ended before that
    }
}

Process::Process(pid_t guardian, std::uint64_t born, asio::posix::stream_descriptor handle,
                 asio::posix::stream_descriptor channel, asio::readable_pipe output, asio::readable_pipe errors)
    : guardian_(guardian), born_(born), handle_(std::move(handle)), channel_(std::move(channel)),
      output_(std::move(output)), errors_(std::move(errors)) {
    guardians.push_back(guardian);
}

Process::Process(Process&& other) noexcept
    : guardian_(std::exchange(other.guardian_, 0)), born_(other.born_), handle_(std::move(other.handle_)),
      channel_(std::move(other.channel_)), output_(std::move(other.output_)), errors_(std::move(other.errors_)),
      left_behind_(other.left_behind_), lost_guardian_(other.lost_guardian_) {}

Process::~Process() {
    if (guardian_ != 0) {
        release();
        pollfd wait{handle_.native_handle(), POLLIN, 0};
        while (::poll(&wait, 1, -1) < 0 && errno == EINTR) {
        }
        collect();
    }
}

asio::awaitable<void> Process::ended() {
    co_await pq::first_of(channel_.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable),
                          keep_going(handle_.native_handle()));
}

void Process::signal(int number) noexcept {
    if (guardian_ != 0) {
        const auto byte = static_cast<unsigned char>(number);
        ::pidfd_send_signal(handle_.native_handle(), SIGCONT, nullptr, 0); // should somebody have stopped it
        ::send(channel_.native_handle(), &byte, sizeof byte, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

asio::awaitable<ExitStatus> Process::finish() {
    release();
    co_await pq::first_of(handle_.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable),
                          keep_going(handle_.native_handle()));
    co_return collect();
}

/// Tells the guardian that the run is over.
void Process::release() noexcept {
    ::pidfd_send_signal(handle_.native_handle(), SIGCONT, nullptr, 0);
    ::shutdown(channel_.native_handle(), SHUT_WR);
}

/// What the guardian, which has ended, has told.
ExitStatus Process::collect() noexcept {
    ExitStatus exit{.code = 0, .signal = SIGKILL};
    lost_guardian_ = true;
    Report report{};
    while (::recv(channel_.native_handle(), &report, sizeof report, MSG_DONTWAIT) ==
           static_cast<ssize_t>(sizeof report)) {
        if (report.kind == Report::Kind::ended) {
            exit = report.exit;
        } else {
            lost_guardian_ = false;
            left_behind_ = report.left;
        }
    }
    siginfo_t info{};
    // in vain where children are collected by themselves
    ::waitid(P_PIDFD, static_cast<id_t>(handle_.native_handle()), &info, WEXITED);
    std::erase(guardians, std::exchange(guardian_, 0));
    if (lost_guardian_) {
        kill_orphans(born_);
    }
    return exit;
}

} // namespace pdpp::controller
