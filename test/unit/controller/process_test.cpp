// Real processes: started, refused, signalled, killed with all they left behind.

#include <boost/test/unit_test.hpp>

#include "controller/process.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <poll.h>
#include <set>
#include <sstream>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

using namespace pdpp::controller;
namespace asio = boost::asio;

namespace {

struct Seen {
    std::string output;
    std::string errors;
    ExitStatus exit;
};

asio::awaitable<std::string> read_all(asio::readable_pipe& pipe) {
    std::string all;
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto [error, size] =
            co_await pipe.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
        if (error) {
            co_return all;
        }
        all.append(buffer.data(), size);
    }
}

asio::awaitable<Seen> run_to_end(Command command) {
    auto process = co_await Process::start(std::move(command));
    Seen seen;
    seen.output = co_await read_all(process.output());
    seen.errors = co_await read_all(process.errors());
    co_await process.ended();
    seen.exit = co_await process.finish();
    co_return seen;
}

template <class Value>
Value await(asio::awaitable<Value> work) {
    asio::io_context loop;
    std::optional<Value> result;
    std::exception_ptr error;
    asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown, std::optional<Value> value) {
        error = thrown;
        result = std::move(value);
    });
    loop.run();
    if (error) {
        std::rethrow_exception(error);
    }
    return std::move(*result);
}

Command shell(std::string script) {
    return {{"sh", "-c", std::move(script)}, "", {}};
}

Seen run(Command command) {
    return await(run_to_end(std::move(command)));
}

std::string launch_error(Command command) {
    try {
        run(std::move(command));
    } catch (const LaunchError& error) {
        return error.what();
    }
    return "launched";
}

/// No child of ours is left, not even as a zombie.
bool is_childless() {
    return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
}

struct Folder {
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "pdpp-unit.XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
};

std::string make_file(const std::filesystem::path& path, const std::string& content, mode_t mode) {
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
    return path.string();
}

/// What only processes can hold open that were started while it was: its other end is read until all have gone. They
/// inherit it, as it is not closed by exec.
class Trace {
  public:
    Trace() {
        std::array<int, 2> ends{};
        BOOST_REQUIRE(::pipe(ends.data()) == 0);
        ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        read_ = ends[0];
        write_ = ends[1];
    }
    ~Trace() {
        forget();
        ::close(read_);
    }
    /// Our own end goes.
    void forget() {
        if (write_ >= 0) {
            ::close(std::exchange(write_, -1));
        }
    }
    bool is_gone(int within_ms) const {
        pollfd wait{read_, POLLIN, 0};
        return ::poll(&wait, 1, within_ms) == 1 && (wait.revents & POLLHUP) != 0;
    }

  private:
    int read_;
    int write_;
};

constexpr int generous_ms = 60'000;

asio::awaitable<std::string> read_line(asio::readable_pipe& pipe) {
    std::string line;
    char next = 0;
    for (;;) {
        co_await pipe.async_read_some(asio::buffer(&next, 1), asio::use_awaitable);
        if (next == '\n') {
            co_return line;
        }
        line += next;
    }
}

/// What makes new processes for ever does so while this program runs.
const std::string tests_run = "kill -0 " + std::to_string(::getpid()) + " 2>/dev/null";

/// Every way out of the group and the parent's sight that a process can take by itself; then `last`.
std::string scattered(const std::string& last) {
    return "sleep 1000 & "        // plain
           "setsid sleep 1000 & " // a session of its own
           "setsid sh -c 'trap \"\" TERM HUP INT; sleep 1000 & wait; sleep 1000' & "
           "(setsid sh -c 'sleep 1000 & sleep 1000 & exit' &) ; " // a daemon: its parent has gone
           "bash -c 'set -m; sleep 1000 & sleep 1000' & "         // a group of its own
           "setsid sh -c 'kill -STOP $$' & "                      // stopped
           "setsid bash -c 'trap \"\" TERM; while " +
           tests_run +
           "; do sleep 1000 & sleep 0.01; kill $!; done' & " // always anew
           "sleep 0.2; echo ready; " +
           last;
}

struct Aftermath {
    ExitStatus exit;
    bool is_anybody_left;
    bool lost_guardian;
};

/// Starts what scatters its processes; `bring_to_end` is called when they are there.
Aftermath end_of(const std::string& script, const std::function<void(Process&, pid_t guardian)>& bring_to_end) {
    Trace trace;
    return await([&]() -> asio::awaitable<Aftermath> {
        auto process = co_await Process::start(shell("echo $PPID; " + script));
        trace.forget();
        const auto guardian = co_await read_line(process.output());
        const auto ready = co_await read_line(process.output());
        BOOST_TEST(ready == "ready");
        bring_to_end(process, std::stoi(guardian));
        co_await process.ended();
        const auto exit = co_await process.finish();
        co_return Aftermath{exit, !trace.is_gone(0), process.lost_guardian()};
    }());
}

/// A launcher of its own, which is killed while its run is at work; true if nothing is left then.
bool dies_with_launcher(const std::function<void(pid_t guardian)>& before) {
    Trace trace;
    std::array<int, 2> told{};
    BOOST_REQUIRE(::pipe2(told.data(), O_CLOEXEC) == 0);
    const pid_t launcher = ::fork();
    if (launcher == 0) {
        await([&]() -> asio::awaitable<int> {
            auto process = co_await Process::start(shell("echo $PPID; " + scattered("wait; sleep 1000")));
            trace.forget();
            const pid_t guardian = std::stoi(co_await read_line(process.output()));
            co_await read_line(process.output());
            if (::write(told[1], &guardian, sizeof guardian) == sizeof guardian) {
                ::pause();
            }
            co_return 0;
        }());
        ::_exit(1);
    }
    trace.forget();
    pid_t guardian = 0;
    BOOST_TEST(::read(told[0], &guardian, sizeof guardian) == static_cast<ssize_t>(sizeof guardian));
    ::close(told[0]);
    ::close(told[1]);
    before(guardian);
    ::kill(launcher, SIGKILL);
    ::waitpid(launcher, nullptr, 0);
    return trace.is_gone(generous_ms);
}

/// Takes in orphans as a launcher does, for one test.
struct OrphansTakenIn {
    OrphansTakenIn() { take_in_orphans(); }
    ~OrphansTakenIn() {
        std::signal(SIGCHLD, SIG_DFL);
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    }
};

std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(process)

BOOST_AUTO_TEST_CASE(output_errors_and_code_come_back) {
    const auto seen = run(shell("echo out; echo err >&2; exit 7"));
    BOOST_TEST(seen.output == "out\n");
    BOOST_TEST(seen.errors == "err\n");
    BOOST_TEST(seen.exit.code == 7);
    BOOST_TEST(seen.exit.signal == 0);
    BOOST_TEST(is_childless());
}

BOOST_AUTO_TEST_CASE(arguments_arrive_word_for_word) {
    const auto seen = run({{"printf", "<%s>", "", "a b", "[1,2]", "$HOME", "ä\xff"}, "", {}});
    BOOST_TEST(seen.output == "<><a b><[1,2]><$HOME><ä\xff>");
}

BOOST_AUTO_TEST_CASE(a_signal_is_told_apart_from_a_code) {
    const auto seen = run(shell("kill -KILL $$"));
    BOOST_TEST(seen.exit.signal == SIGKILL);
}

BOOST_AUTO_TEST_CASE(the_environment_is_added_to_and_taken_from) {
    ::setenv("PDPP_UNIT_KEPT", "kept", 1);
    ::setenv("PDPP_UNIT_GONE", "gone", 1);
    auto command = shell("echo $PDPP_UNIT_KEPT,${PDPP_UNIT_GONE-unset},$PDPP_UNIT_NEW");
    command.environment = {{"PDPP_UNIT_GONE", std::nullopt}, {"PDPP_UNIT_NEW", "new=1"}};
    BOOST_TEST(run(command).output == "kept,unset,new=1\n");
}

BOOST_AUTO_TEST_CASE(it_runs_in_the_directory_asked_for) {
    const Folder folder;
    auto command = shell("pwd");
    command.working_directory = folder.path.string();
    BOOST_TEST(run(command).output == std::filesystem::canonical(folder.path).string() + "\n");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_launched_says_why) {
    const Folder folder;
    const auto plain = make_file(folder.path / "plain", "#!/bin/sh\n", 0644);
    const auto garbage = make_file(folder.path / "garbage", "not a program\n", 0755);
    const auto orphan = make_file(folder.path / "orphan", "#!/no/such/interpreter\n", 0755);
    const std::string missing = folder.path / "missing";

    BOOST_TEST(launch_error({{"pdpp-no-such-command"}, "", {}}) ==
               "cannot execute \"pdpp-no-such-command\": No such file or directory");
    BOOST_TEST(launch_error({{missing}, "", {}}) == "cannot execute \"" + missing + "\": No such file or directory");
    BOOST_TEST(launch_error({{plain}, "", {}}) == "cannot execute \"" + plain + "\": Permission denied");
    BOOST_TEST(launch_error({{garbage}, "", {}}) == "cannot execute \"" + garbage + "\": Exec format error");
    BOOST_TEST(launch_error({{orphan}, "", {}}) == "cannot execute \"" + orphan + "\": No such file or directory");
    BOOST_TEST(launch_error({{"true"}, missing, {}}) ==
               "cannot enter the working directory \"" + missing + "\": No such file or directory");
    BOOST_TEST(launch_error({{"true"}, plain, {}}) ==
               "cannot enter the working directory \"" + plain + "\": Not a directory");
    BOOST_TEST(launch_error({{""}, "", {}}) == "cannot execute \"\": No such file or directory");
    BOOST_TEST(launch_error({{"true", std::string(1 << 20, 'x')}, "", {}}) ==
               "cannot execute \"true\": Argument list too long");
    BOOST_TEST(is_childless());
}

BOOST_AUTO_TEST_CASE(the_search_path_is_the_childs) {
    const Folder folder;
    make_file(folder.path / "pdpp-unit-tool", "#!/bin/sh\necho found\n", 0755);
    Command command{{"pdpp-unit-tool"}, "", {{"PATH", "/nonexistent:" + folder.path.string() + ":/usr/bin:/bin"}}};
    BOOST_TEST(run(command).output == "found\n");
    // what may not be executed is passed over, and named if nothing better follows
    ::chmod((folder.path / "pdpp-unit-tool").c_str(), 0644);
    BOOST_TEST(launch_error(command) == "cannot execute \"pdpp-unit-tool\": Permission denied");
}

BOOST_AUTO_TEST_CASE(signals_are_as_at_login) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGUSR1, [](int) {});
    auto* const hangup = std::signal(SIGHUP, SIG_DFL); // ignored where the tests run under nohup, and passed on then
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto seen = run({{"sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"}, "", {}});
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    std::signal(SIGUSR1, SIG_DFL);
    std::signal(SIGHUP, hangup);
    // glibc keeps signals 32 and 33 for itself and lets no program reset them: what was inherited of them stays
    constexpr unsigned long long of_glibc = 0x1'8000'0000;
    std::istringstream masks(seen.output);
    std::string name;
    unsigned long long mask = 0;
    int lines = 0;
    for (; masks >> name >> std::hex >> mask; ++lines) {
        BOOST_TEST((mask & ~of_glibc) == 0U, seen.output);
    }
    BOOST_TEST(lines == 3);
}

BOOST_AUTO_TEST_CASE(no_descriptor_of_ours_is_inherited) {
    // what whoever started this program wanted inherited is passed on, and nothing else
    std::set<std::string> expected{"0", "1", "2"};
    for (int descriptor = 3; descriptor < 1024; ++descriptor) {
        if (const auto flags = ::fcntl(descriptor, F_GETFD); flags >= 0 && (flags & FD_CLOEXEC) == 0) {
            expected.insert(std::to_string(descriptor));
        }
    }
    std::istringstream names(run(shell("cd /proc/$$/fd; for fd in *; do test -e $fd && echo $fd; done")).output);
    const std::set<std::string> inherited{std::istream_iterator<std::string>(names), {}};
    BOOST_TEST(inherited == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_signal_reaches_the_whole_group) {
    const auto exit = await([]() -> asio::awaitable<ExitStatus> {
        auto process = co_await Process::start(shell("sleep 1000 & echo ready; wait"));
        std::array<char, 6> ready{};
        co_await process.output().async_read_some(asio::buffer(ready), asio::use_awaitable);
        process.signal(SIGTERM);
        co_await read_all(process.output()); // ends only when the sleep has gone too
        co_await process.ended();
        co_return co_await process.finish();
    }());
    BOOST_TEST(exit.signal == SIGTERM);
}

BOOST_AUTO_TEST_CASE(what_was_left_behind_is_killed) {
    const auto rest = await([]() -> asio::awaitable<std::string> {
        auto process = co_await Process::start(shell("trap '' TERM; sleep 1000 & exit 0"));
        co_await process.ended();
        co_await process.finish();
        co_return co_await read_all(process.output());
    }());
    BOOST_TEST(rest == "");
}

BOOST_AUTO_TEST_CASE(what_was_left_behind_is_killed_wherever_it_went) {
    const auto seen = end_of(scattered("exit 5"), [](Process&, pid_t) {});
    BOOST_TEST(seen.exit.code == 5);
    BOOST_TEST(seen.exit.signal == 0);
    BOOST_TEST(!seen.is_anybody_left);
    BOOST_TEST(!seen.lost_guardian);
    BOOST_TEST(is_childless());
}

BOOST_AUTO_TEST_CASE(a_kill_reaches_all_wherever_they_went) {
    const auto seen = end_of(scattered("wait; sleep 1000"), [](Process& process, pid_t) { process.signal(SIGKILL); });
    BOOST_TEST(seen.exit.signal == SIGKILL);
    BOOST_TEST(!seen.is_anybody_left);
    BOOST_TEST(!seen.lost_guardian);
}

BOOST_AUTO_TEST_CASE(a_signal_reaches_other_sessions_too) {
    const auto heard = await([]() -> asio::awaitable<std::string> {
        auto process = co_await Process::start(
            shell("setsid sh -c 'trap \"echo heard; exit\" TERM; echo ready; while :; do sleep 0.05; done' & wait"));
        co_await read_line(process.output());
        process.signal(SIGTERM);
        const auto word = co_await read_line(process.output());
        co_await process.ended();
        co_await process.finish();
        co_return word;
    }());
    BOOST_TEST(heard == "heard");
}

BOOST_AUTO_TEST_CASE(what_a_signal_makes_it_start_is_not_signalled) {
    const auto heard = await([]() -> asio::awaitable<std::string> {
        auto process = co_await Process::start(
            shell("setsid sh -c 'trap \"sleep 0.3 && echo tidied; exit\" TERM; echo ready; while :; do sleep 0.05; "
                  "done' & wait"));
        co_await read_line(process.output());
        process.signal(SIGTERM);
        const auto word = co_await read_line(process.output());
        co_await process.ended();
        co_await process.finish();
        co_return word;
    }());
    BOOST_TEST(heard == "tidied");
}

BOOST_AUTO_TEST_CASE(a_flood_of_processes_is_stopped_and_killed) {
    // each starts another and ends: no two looks at them see the same ones
    const auto seen = end_of("setsid sh -c 'f() { " + tests_run + " && (f &) }; f' & echo ready; wait; exit 4",
                             [](Process&, pid_t) {});
    BOOST_TEST(seen.exit.code == 4);
    BOOST_TEST(!seen.is_anybody_left);
}

BOOST_AUTO_TEST_CASE(a_launcher_that_is_killed_leaves_nothing) {
    BOOST_TEST(dies_with_launcher([](pid_t) {}));
    // nor where the guardian cannot act
    BOOST_TEST(dies_with_launcher([](pid_t guardian) { ::kill(guardian, SIGSTOP); }));
    // which takes no orders from anybody else
    BOOST_TEST(dies_with_launcher([](pid_t guardian) {
        for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1}) {
            ::kill(guardian, number);
        }
    }));
}

BOOST_AUTO_TEST_CASE(a_guardian_that_is_killed_ends_its_run) {
    const OrphansTakenIn as_a_launcher_does;
    Trace of_another;
    await([&]() -> asio::awaitable<int> {
        auto other = co_await Process::start(shell("setsid sleep 1000 & echo ready; wait"));
        of_another.forget();
        co_await read_line(other.output());
        const auto seen =
            end_of(scattered("wait; sleep 1000"), [](Process&, pid_t guardian) { ::kill(guardian, SIGKILL); });
        BOOST_TEST(seen.lost_guardian);
        BOOST_TEST(seen.exit.signal == SIGKILL);
        BOOST_TEST(!seen.is_anybody_left);
        BOOST_TEST(!of_another.is_gone(0)); // whose guardian lives
        co_return 0;
    }());
    BOOST_TEST(of_another.is_gone(0));
    BOOST_TEST(is_childless());
}

BOOST_AUTO_TEST_CASE(who_may_not_be_signalled_does_not_hold_the_run_for_ever) {
    if (::geteuid() != 0) {
        BOOST_TEST_MESSAGE("skipped: only root can make somebody another user");
        return;
    }
    const Folder folder;
    std::filesystem::permissions(folder.path, std::filesystem::perms{0755});
    const auto become_root = (folder.path / "become-root").string();
    std::filesystem::copy_file("/usr/bin/setpriv", become_root);
    ::chmod(become_root.c_str(), 04755);
    std::array<int, 2> told{};
    BOOST_REQUIRE(::pipe2(told.data(), O_CLOEXEC) == 0);
    const pid_t launcher = ::fork();
    if (launcher == 0) {
        constexpr uid_t nobody = 65534;
        const auto left = ::setresuid(nobody, nobody, nobody) != 0 ? -1 : await([&]() -> asio::awaitable<int> {
            auto process =
                co_await Process::start(shell(become_root + " --reuid=0 sh -c 'echo $$; exec sleep 1000' & wait"));
            const auto pid = std::stoi(co_await read_line(process.output()));
            process.signal(SIGKILL);
            co_await process.ended();
            co_await process.finish();
            co_return ::write(told[1], &pid, sizeof pid) == sizeof pid ? process.left_behind() : -1;
        }());
        ::_exit(left);
    }
    pid_t root = 0;
    BOOST_REQUIRE(::read(told[0], &root, sizeof root) == static_cast<ssize_t>(sizeof root));
    BOOST_TEST(::kill(root, SIGKILL) == 0);
    int status = 0;
    ::waitpid(launcher, &status, 0);
    BOOST_TEST(WEXITSTATUS(status) == 1);
    ::close(told[0]);
    ::close(told[1]);
}

BOOST_AUTO_TEST_CASE(the_guardian_holds_nothing_of_ours) {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0); // such as a session with the database
    await([&]() -> asio::awaitable<int> {
        auto process = co_await Process::start(shell("echo $PPID; exec sleep 1000"));
        ::close(ends[1]);
        pollfd wait{ends[0], POLLIN, 0};
        BOOST_TEST(::poll(&wait, 1, generous_ms) == 1);
        const auto guardian = co_await read_line(process.output());
        BOOST_TEST(std::filesystem::read_symlink("/proc/" + guardian + "/fd/1") == "/dev/null");
        // its title comes last
        while (content("/proc/" + guardian + "/comm") != "run-guardian\n") {
            ::usleep(1000);
        }
        while (content("/proc/" + guardian + "/cmdline").find("unit_tests") != std::string::npos) {
            ::usleep(1000);
        }
        BOOST_TEST(std::filesystem::read_symlink("/proc/" + guardian + "/cwd") == "/");
        co_return 0;
    }());
    ::close(ends[0]);
}

BOOST_AUTO_TEST_CASE(the_end_is_told_where_children_are_ignored) {
    std::signal(SIGCHLD, SIG_IGN); // as whoever starts this program may have it
    const auto seen = run(shell("exit 3"));
    const auto error = launch_error({{"pdpp-no-such-command"}, "", {}});
    std::signal(SIGCHLD, SIG_DFL);
    BOOST_TEST(seen.exit.code == 3);
    BOOST_TEST(error == "cannot execute \"pdpp-no-such-command\": No such file or directory");
}

BOOST_AUTO_TEST_CASE(a_process_that_is_dropped_is_killed) {
    const auto rest = await([]() -> asio::awaitable<std::string> {
        auto process = std::make_optional(co_await Process::start(shell("echo $$; exec sleep 1000")));
        std::array<char, 64> text{};
        const auto size = co_await process->output().async_read_some(asio::buffer(text), asio::use_awaitable);
        process.reset();
        co_return std::string(text.data(), size);
    }());
    BOOST_TEST(::kill(std::stoi(rest), 0) != 0);
    BOOST_TEST(is_childless());
}

BOOST_AUTO_TEST_SUITE_END()
