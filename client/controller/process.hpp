#pragma once
// A child process in a process group of its own, started and awaited without blocking the event loop.
//
// Written here rather than taken from Boost.Process: in 1.81 its first version ignores a working directory that cannot
// be entered, and its second runs this program's atexit handlers in the child when the executable is missing. What
// cannot be launched is this project's main case, so the step that failed and the operating system's reason come back
// over a pipe that a successful exec closes.
//
// The end is awaited over a pidfd (Linux 5.3): a descriptor for each child, so that nothing in the process has to share
// a SIGCHLD handler, and signals that merge cannot be miscounted however many children there are.

#include "controller/ending.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/readable_pipe.hpp>

#include <sys/types.h>

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

class Process {
  public:
    /// Starts the command: when this returns its executable is running. Standard output and error are pipes; standard
    /// input, unless the command is to have none, is this process's, or /dev/null if that is a terminal, which a
    /// process group in the background may not read. Signals are as at login, but for SIGHUP where `nohup` had it
    /// ignored. Should this process be killed, the child is too. Throws LaunchError; then nothing is left behind.
    static boost::asio::awaitable<Process> start(Command command);

    Process(Process&& other) noexcept;
    Process& operator=(Process&&) = delete;
    /// A child that has not been reaped is killed with its group.
    ~Process();

    boost::asio::readable_pipe& output() noexcept { return output_; }
    boost::asio::readable_pipe& errors() noexcept { return errors_; }

    /// Returns once the child has ended (its descendants may live on). Until reap() it stays a zombie, so that its
    /// process group cannot become anybody else's.
    boost::asio::awaitable<void> ended();

    /// Signals the whole group.
    void signal(int number) noexcept;

    /// Kills what the child left behind in its group, and collects its status. Only after ended().
    ExitStatus reap() noexcept;

  private:
    Process(pid_t pid, boost::asio::posix::stream_descriptor handle, boost::asio::readable_pipe output,
            boost::asio::readable_pipe errors);

    pid_t pid_;                                    ///< of the child and of its group; 0 when reaped or moved from
    boost::asio::posix::stream_descriptor handle_; ///< the pidfd
    boost::asio::readable_pipe output_;
    boost::asio::readable_pipe errors_;
};

} // namespace pdpp::controller
