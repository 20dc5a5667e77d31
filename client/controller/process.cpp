// fork and exec. Everything the child needs is prepared before the fork: between fork and exec only async-signal-safe
// calls are made, so that a thread of this process may hold any lock at that instant.

#include "controller/process.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

extern "C" { // which this header of glibc 2.36 leaves out
#include <sys/pidfd.h>
}

namespace pdpp::controller {

namespace asio = boost::asio;

namespace {

/// The steps in the child that can fail, as it tells them over the failure pipe.
enum class Step : int { prepare, change_directory, execute };

struct Failure {
    Step step;
    int error_number;
};

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
    int get() const noexcept { return number_; }
    int release() noexcept { return std::exchange(number_, -1); }

  private:
    int number_;
};

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

    std::string_view value(std::string_view name, std::string_view otherwise) const {
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

/// What the child needs, ready before the fork.
struct Plan {
    const char* working_directory; ///< null: stay
    char* const* files;
    bool searches; ///< the files come from PATH
    char* const* arguments;
    char* const* environment;
    int input; ///< -1: keep standard input
    int output;
    int errors;
    int failure;
    pid_t parent; ///< this process
};

void restore_signals() noexcept {
    struct sigaction action {};
    for (int number = 1; number < NSIG; ++number) {
        if (::sigaction(number, nullptr, &action) != 0) {
            continue;
        }
        const bool nohup = number == SIGHUP && action.sa_handler == SIG_IGN;
        if (action.sa_handler == SIG_DFL || nohup) {
            continue;
        }
        action = {};
        action.sa_handler = SIG_DFL;
        ::sigaction(number, &action, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void give_up(const Plan& plan, Step step, int error_number) noexcept {
    const Failure failure{step, error_number};
    // so short a write to a pipe is never cut; should it fail, the parent sees a child that ended with 127
    [[maybe_unused]] const auto written = ::write(plan.failure, &failure, sizeof failure);
    ::_exit(127);
}

/// The child's way from fork to exec.
[[noreturn]] void become(const Plan& plan) noexcept {
    // The controller's death is the run's: nobody is left to tell the database how it goes on.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::setpgid(0, 0) != 0) {
        give_up(plan, Step::prepare, errno);
    }
    if (::getppid() != plan.parent) {
        ::_exit(127); // died before it could be noticed
    }
    if ((plan.input >= 0 && ::dup2(plan.input, STDIN_FILENO) < 0) || ::dup2(plan.output, STDOUT_FILENO) < 0 ||
        ::dup2(plan.errors, STDERR_FILENO) < 0) {
        give_up(plan, Step::prepare, errno);
    }
    restore_signals();
    if (plan.working_directory != nullptr && ::chdir(plan.working_directory) != 0) {
        give_up(plan, Step::change_directory, errno);
    }
    bool forbidden = false;
    for (char* const* file = plan.files; *file != nullptr; ++file) {
        ::execve(*file, plan.arguments, plan.environment);
        const int error_number = errno;
        // a folder of PATH that may not be looked into does not hold the command
        if (error_number == EACCES && (!plan.searches || ::access(*file, F_OK) == 0)) {
            forbidden = true;
        }
        if (error_number != EACCES && error_number != ENOENT && error_number != ENOTDIR) {
            give_up(plan, Step::execute, error_number);
        }
    }
    give_up(plan, Step::execute, forbidden ? EACCES : ENOENT);
}

/// Forks with all signals blocked, so that no handler of this program runs in the child.
pid_t fork_blocked(const Plan& plan) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) {
        become(plan);
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
    case Step::prepare:
        break;
    }
    return "cannot prepare the new process";
}

void kill_and_collect(pid_t pid) noexcept {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL); // should it not have its group yet
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
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
    const bool reads = command.has_input && ::isatty(STDIN_FILENO) == 0;
    const Descriptor no_input(reads ? -1 : ::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const pid_t pid = fork_blocked(
        {.working_directory = command.working_directory.empty() ? nullptr : command.working_directory.c_str(),
         .files = file_pointers.data(),
         .searches = !is_path(command.arguments.front()),
         .arguments = argument_pointers.data(),
         .environment = environment_pointers.data(),
         .input = no_input.get(),
         .output = output.write.get(),
         .errors = errors.write.get(),
         .failure = failure.write.get(),
         .parent = ::getpid()});
    output.write = Descriptor();
    errors.write = Descriptor();
    failure.write = Descriptor();

    Descriptor handle(::pidfd_open(pid, 0));
    if (handle.get() < 0) {
        const int error_number = errno;
        kill_and_collect(pid);
        throw LaunchError("cannot watch the new process", error_number);
    }
    const auto executor = co_await asio::this_coro::executor;
    Process process(pid, asio::posix::stream_descriptor(executor, handle.release()),
                    asio::readable_pipe(executor, output.read.release()),
                    asio::readable_pipe(executor, errors.read.release()));

    // Ends with nothing read as soon as exec has closed the other end.
    asio::readable_pipe told(executor, failure.read.release());
    Failure reason{};
    const auto [error, received] =
        co_await asio::async_read(told, asio::buffer(&reason, sizeof reason), asio::as_tuple(asio::use_awaitable));
    if (!error) {
        throw LaunchError(describe(reason.step, command), reason.error_number);
    }
    if (error != asio::error::eof) {
        throw boost::system::system_error(error);
    }
    co_return process;
}

Process::Process(pid_t pid, asio::posix::stream_descriptor handle, asio::readable_pipe output,
                 asio::readable_pipe errors)
    : pid_(pid), handle_(std::move(handle)), output_(std::move(output)), errors_(std::move(errors)) {}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), handle_(std::move(other.handle_)), output_(std::move(other.output_)),
      errors_(std::move(other.errors_)) {}

Process::~Process() {
    if (pid_ != 0) {
        kill_and_collect(pid_);
    }
}

asio::awaitable<void> Process::ended() {
    co_await handle_.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable);
}

void Process::signal(int number) noexcept {
    if (pid_ != 0) {
        ::kill(-pid_, number);
    }
}

ExitStatus Process::reap() noexcept {
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    if (WIFSIGNALED(status)) {
        return {.code = 0, .signal = WTERMSIG(status)};
    }
    return {.code = WEXITSTATUS(status), .signal = 0};
}

} // namespace pdpp::controller
