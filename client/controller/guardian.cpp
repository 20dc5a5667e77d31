#include "controller/guardian.hpp"

#include "controller/descendants.hpp"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace pdpp::controller {

namespace {

using Clock = std::chrono::steady_clock;

/// How long it is tried to kill what is left while nobody goes: not for ever, as some cannot be killed (those of
/// another user; those that wait for a device), and the run's ending waits. And how long in all, should some be made
/// anew for ever.
constexpr std::chrono::seconds patience{10};
constexpr std::chrono::seconds longest_finish{60};
constexpr int pause_ms = 20;

/// In `ps` and `top`. Without the program's own name, so that a SIGKILL for all that are called so leaves somebody.
constexpr char own_name[] = "run-guardian";

/// The one descriptor that is kept.
constexpr int channel = STDIN_FILENO;

void call_itself(Title title) noexcept {
    ::prctl(PR_SET_NAME, own_name);
    if (title.size > 0) {
        std::memset(title.text, 0, title.size);
        std::memcpy(title.text, own_name, std::min(sizeof own_name, title.size) - 1);
    }
}

/// What the launcher has open, its sessions and its output among them, must not seem to live on when it is dead.
void let_go(int kept) noexcept {
    ::dup2(kept, channel);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nothing, STDOUT_FILENO);
    ::dup2(nothing, STDERR_FILENO);
    if (::close_range(STDERR_FILENO + 1, ~0U, 0) != 0) { // before Linux 5.9
        for (int descriptor = STDERR_FILENO + 1; descriptor < 65536; ++descriptor) {
            ::close(descriptor);
        }
    }
    [[maybe_unused]] const int moved = ::chdir("/");
}

void tell(const Report& report) noexcept {
    [[maybe_unused]] const auto sent = ::send(channel, &report, sizeof report, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ExitStatus exit_status(const siginfo_t& info) noexcept {
    if (info.si_code == CLD_EXITED) {
        return {.code = info.si_status, .signal = 0};
    }
    return {.code = 0, .signal = info.si_status};
}

/// In milliseconds: how often children are looked for where the system has no descriptor left that tells of them.
constexpr int look_interval = 100;

class Guardian {
  public:
    explicit Guardian(pid_t connector) noexcept : connector_(connector) {
        sigset_t watched;
        sigemptyset(&watched);
        sigaddset(&watched, SIGCHLD);
        children_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    }

    /// Until the launcher says that it is over, or dies.
    void serve() noexcept {
        for (;;) {
            std::array<pollfd, 2> waits{{{channel, POLLIN, 0}, {children_, POLLIN, 0}}};
            ::poll(waits.data(), waits.size(), children_ < 0 ? look_interval : -1);
            if (waits[0].revents != 0) {
                unsigned char number = 0;
                const auto size = ::recv(channel, &number, sizeof number, MSG_DONTWAIT);
                if (size == 1) {
                    pass_on(number);
                } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
                    return;
                }
            }
            if (children_ < 0 || waits[1].revents != 0) {
                drain();
                collect();
            }
        }
    }

    /// Kills what is left. Gives how many could not be.
    int finish() noexcept {
        const auto end = Clock::now() + longest_finish;
        auto deadline = Clock::now() + patience;
        // its number is its own until it is collected below
        ::kill(-connector_, SIGKILL);
        ::kill(connector_, SIGKILL);
        int alive = 0;
        for (int round = 0;; ++round) {
            pid_t collected = 0;
            do {
                collected = ::waitpid(-1, nullptr, WNOHANG);
                if (collected > 0) { // a machine that has much to do is slow, and no reason to give up
                    deadline = std::min(end, Clock::now() + patience);
                }
            } while (collected > 0);
            if (collected < 0) {
                return 0; // there are no more children, so there are no descendants
            }
            if (Clock::now() >= deadline) {
                return std::max(alive, 1);
            }
            if (round > 0) {
                alive = kill_all(everybody());
            }
            pollfd wait{children_, POLLIN, 0};
            ::poll(&wait, 1, pause_ms);
            drain();
        }
    }

  private:
    static Family everybody() noexcept { return {.root = ::getpid(), .without = {}}; }

    void pass_on(int number) noexcept {
        // the group in one go, so that nobody in it is forgotten who is just being forked
        ::kill(-connector_, number);
        if (number == SIGKILL) {
            kill_all(everybody());
        } else {
            signal_outside_group(everybody(), connector_, number);
        }
    }

    void drain() const noexcept {
        std::array<signalfd_siginfo, 8> ignored{};
        while (::read(children_, ignored.data(), sizeof ignored) > 0) {
        }
    }

    /// Orphans that have ended go at once. The connector stays a zombie, so that its number, which is that of its
    /// group, cannot become anybody else's.
    void collect() noexcept {
        while (!ended_) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
                return;
            }
            if (info.si_pid == connector_) {
                ended_ = true;
                tell({.kind = Report::Kind::ended, .exit = exit_status(info), .left = 0});
            } else {
                ::waitpid(info.si_pid, nullptr, WNOHANG);
            }
        }
    }

    const pid_t connector_;
    int children_;
    bool ended_ = false;
};

} // namespace

void guard(const ExecPlan& plan, int kept, Title title) noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL; // children of who ignores it leave no status
    // One that is stopped when the launcher dies must go on. Its own group is out of reach of the terminal's signals.
    if (::sigaction(SIGCHLD, &action, nullptr) != 0 || ::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ||
        ::prctl(PR_SET_PDEATHSIG, SIGCONT) != 0 || ::setpgid(0, 0) != 0) {
        give_up(plan, Step::prepare, errno);
    }
    const pid_t self = ::getpid();
    const pid_t connector = ::_Fork();
    if (connector == 0) {
        become(plan, self);
    }
    if (connector < 0) {
        give_up(plan, Step::fork, errno);
    }
    ::setpgid(connector, connector); // as it does itself: whoever is first
    let_go(kept);
    call_itself(title);
    Guardian guardian(connector);
    guardian.serve();
    tell({.kind = Report::Kind::finished, .exit = {}, .left = guardian.finish()});
    ::_exit(0);
}

} // namespace pdpp::controller
