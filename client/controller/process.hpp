#pragma once
// The processes of one run: a command, and all that it starts, under a guardian (docs/design/processes.md), started and
// awaited without blocking the event loop.
//
// Written here rather than taken from Boost.Process: in 1.81 its first version ignores a working directory that cannot
// be entered, and its second runs this program's atexit handlers in the child when the executable is missing. What
// cannot be launched is this project's main case, so the step that failed and the operating system's reason come back
// over a pipe that a successful exec closes.
//
// The guardian is awaited over a pidfd (Linux 5.3): a descriptor for each child, so that nothing in the process has to
// share a SIGCHLD handler, and its number cannot be taken for another's.

#include "controller/ending.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/readable_pipe.hpp>

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace pdpp::controller {

struct Command {
    std::vector<std::string> arguments; ///< the first is the executable, looked up in the child's PATH if it has no '/'
    std::string working_directory;      ///< empty: this process's
    std::map<std::string, std::optional<std::string>> environment; ///< added to this process's; nothing removes a name
    bool has_input = true;                                         ///< false: standard input is /dev/null
};

/// The child could not be started. what() names the step and the operating system's reason:
/// `cannot execute "x": No such file or directory`.
class LaunchError : public std::runtime_error {
  public:
    LaunchError(const std::string& step, int error_number);
};

/// Makes this program take in what is left of a run whose guardian was killed; for a process that launches. Its
/// children that end leave no zombies, whosever they were: it may be the first process of a container. Call it first.
void take_in_orphans() noexcept;

class Process {
  public:
    /// Starts the command under a guardian: when this returns its executable is running. Standard output and error are
    /// pipes; standard input, unless the command is to have none, is this process's, or /dev/null if that is a
    /// terminal, which a process group in the background may not read. Signals are as at login, but for SIGHUP where
    /// `nohup` had it ignored. Should this process be killed, all of the run's processes are too. Throws LaunchError;
    /// then nothing is left behind.
    static boost::asio::awaitable<Process> start(Command command);

    Process(Process&& other) noexcept;
    Process& operator=(Process&&) = delete;
    /// Waits, should it be needed, until the guardian has killed everything.
    ~Process();

    boost::asio::readable_pipe& output() noexcept { return output_; }
    boost::asio::readable_pipe& errors() noexcept { return errors_; }

    /// Returns once the command itself has ended (what it started may live on), or its guardian has been killed.
    boost::asio::awaitable<void> ended();

    /// Signals the command and all that descends from it, in whatever group or session.
    void signal(int number) noexcept;

    /// Kills what is left of the run, and returns when it has gone; then says how the command ended. Once.
    boost::asio::awaitable<ExitStatus> finish();

    /// After finish(): how many processes could not be killed.
    [[nodiscard]] int left_behind() const noexcept { return left_behind_; }
    /// After finish(): somebody killed the guardian. So the command was killed as well, and what it had started.
    [[nodiscard]] bool lost_guardian() const noexcept { return lost_guardian_; }

  private:
    Process(pid_t guardian, std::uint64_t born, boost::asio::posix::stream_descriptor handle,
            boost::asio::posix::stream_descriptor channel, boost::asio::readable_pipe output,
            boost::asio::readable_pipe errors);
    void release() noexcept;
    ExitStatus collect() noexcept;

    pid_t guardian_;                                ///< 0 when collected or moved from
    std::uint64_t born_;                            ///< no process of the run started earlier
    boost::asio::posix::stream_descriptor handle_;  ///< the guardian's pidfd
    boost::asio::posix::stream_descriptor channel_; ///< to the guardian
    boost::asio::readable_pipe output_;
    boost::asio::readable_pipe errors_;
    int left_behind_ = 0;
    bool lost_guardian_ = false;
};

} // namespace pdpp::controller
