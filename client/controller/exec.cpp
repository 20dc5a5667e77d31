#include "controller/exec.hpp"

#include <sys/prctl.h>

#include <cerrno>
#include <csignal>
#include <unistd.h>

namespace pdpp::controller {

namespace {

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

} // namespace

void give_up(const ExecPlan& plan, Step step, int error_number) noexcept {
    const Failure failure{step, error_number};
    // so short a write to a pipe is never cut; should it fail, the parent sees a child that ended with 127
    [[maybe_unused]] const auto written = ::write(plan.failure, &failure, sizeof failure);
    ::_exit(127);
}

void become(const ExecPlan& plan, pid_t parent) noexcept {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::setpgid(0, 0) != 0) {
        give_up(plan, Step::prepare, errno);
    }
    if (::getppid() != parent) {
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

} // namespace pdpp::controller
