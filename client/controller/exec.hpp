#pragma once
// The way of a new process from fork to exec. Everything it needs is prepared before the fork; then only
// async-signal-safe calls are made, so that a thread of the program may hold any lock at that instant.

#include <sys/types.h>

namespace pdpp::controller {

/// The steps that can fail, as they are told over the failure pipe.
enum class Step : int { prepare, fork, change_directory, execute };

struct Failure {
    Step step;
    int error_number;
};

struct ExecPlan {
    const char* working_directory; ///< null: stay
    char* const* files;
    bool searches; ///< the files come from PATH
    char* const* arguments;
    char* const* environment;
    int input; ///< -1: keep standard input
    int output;
    int errors;
    int failure;
};

/// Tells what failed, and ends this process.
[[noreturn]] void give_up(const ExecPlan& plan, Step step, int error_number) noexcept;

/// Becomes the command, as leader of a process group, with signals as at login (but for SIGHUP where `nohup` had it
/// ignored). It is killed when `parent` dies, whose child this process is.
[[noreturn]] void become(const ExecPlan& plan, pid_t parent) noexcept;

} // namespace pdpp::controller
