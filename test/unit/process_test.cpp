// Real processes: started, refused, signalled, killed with all they left behind.

#define BOOST_TEST_DYN_LINK
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
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
        if (error)
            co_return all;
        all.append(buffer.data(), size);
    }
}

asio::awaitable<Seen> run_to_end(Command command) {
    auto process = co_await Process::start(std::move(command));
    Seen seen;
    seen.output = co_await read_all(process.output());
    seen.errors = co_await read_all(process.errors());
    co_await process.ended();
    seen.exit = process.reap();
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
    if (error)
        std::rethrow_exception(error);
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
    for (; masks >> name >> std::hex >> mask; ++lines)
        BOOST_TEST((mask & ~of_glibc) == 0U, seen.output);
    BOOST_TEST(lines == 3);
}

BOOST_AUTO_TEST_CASE(no_descriptor_of_ours_is_inherited) {
    // what whoever started this program wanted inherited is passed on, and nothing else
    std::set<std::string> expected{"0", "1", "2"};
    for (int descriptor = 3; descriptor < 1024; ++descriptor)
        if (const auto flags = ::fcntl(descriptor, F_GETFD); flags >= 0 && (flags & FD_CLOEXEC) == 0)
            expected.insert(std::to_string(descriptor));
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
        co_return process.reap();
    }());
    BOOST_TEST(exit.signal == SIGTERM);
}

BOOST_AUTO_TEST_CASE(what_was_left_behind_is_killed) {
    const auto rest = await([]() -> asio::awaitable<std::string> {
        auto process = co_await Process::start(shell("trap '' TERM; sleep 1000 & exit 0"));
        co_await process.ended();
        process.reap();
        co_return co_await read_all(process.output());
    }());
    BOOST_TEST(rest == "");
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
