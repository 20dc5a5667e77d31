// Passing output on: whole, in order, at the reader's pace, and without making the shared descriptor nonblocking.

#include <boost/test/unit_test.hpp>

#include "controller/mirror.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>

using namespace pdpp::controller;
namespace asio = boost::asio;

namespace {

struct Ends {
    Ends() { BOOST_REQUIRE(::pipe2(both.data(), O_CLOEXEC) == 0); }
    ~Ends() {
        close_reader();
        ::close(both[1]);
    }
    void close_reader() {
        if (both[0] >= 0) {
            ::close(both[0]);
        }
        both[0] = -1;
    }
    std::string read() const {
        std::string text(1 << 20, '\0');
        const auto size = ::read(both[0], text.data(), text.size());
        text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return text;
    }
    std::array<int, 2> both{};
};

bool is_blocking(int descriptor) {
    return (::fcntl(descriptor, F_GETFL) & O_NONBLOCK) == 0;
}

/// Whether `wait` has ended after everything that can run has run.
template <class Wait>
bool ends_now(asio::io_context& loop, Wait wait) {
    const auto ended = std::make_shared<bool>(false);
    asio::co_spawn(
        loop,
        [ended, wait]() -> asio::awaitable<void> {
            co_await wait();
            *ended = true;
        },
        asio::detached);
    loop.restart();
    loop.poll();
    return *ended;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mirror)

BOOST_AUTO_TEST_CASE(a_slow_reader_gets_everything_in_order) {
    asio::io_context loop;
    Ends pipe;
    Mirror mirror(loop.get_executor(), pipe.both[1]);
    std::string sent;
    for (int line = 0; line < 100000; ++line) {
        sent += std::to_string(line) + "\n";
    }
    mirror.write(sent);
    loop.poll(); // fills the pipe, and returns although nobody has read
    BOOST_TEST(is_blocking(pipe.both[1]));
    std::string received;
    while (received.size() < sent.size()) {
        received += pipe.read();
        loop.restart();
        loop.poll();
    }
    BOOST_TEST((received == sent));
    BOOST_TEST(mirror.at_line_start());
}

BOOST_AUTO_TEST_CASE(there_is_room_until_the_reader_falls_behind) {
    asio::io_context loop;
    Ends pipe;
    Mirror mirror(loop.get_executor(), pipe.both[1]);
    const auto room = [&] { return mirror.room(); };
    const auto flushed = [&] { return mirror.flushed(); };
    BOOST_TEST(ends_now(loop, room));
    BOOST_TEST(ends_now(loop, flushed));

    mirror.write(std::string(1 << 18, 'x'));
    BOOST_TEST(!ends_now(loop, room));
    BOOST_TEST(!ends_now(loop, flushed));
    mirror.lift_limit();
    BOOST_TEST(ends_now(loop, room));
    BOOST_TEST(!ends_now(loop, flushed));
    BOOST_TEST(!mirror.at_line_start());

    std::size_t received = 0;
    while (received < 1 << 18) {
        received += pipe.read().size();
        loop.restart();
        loop.poll();
    }
    BOOST_TEST(ends_now(loop, flushed));
}

BOOST_AUTO_TEST_CASE(a_reader_that_goes_away_stops_nothing) {
    std::signal(SIGPIPE, SIG_IGN);
    asio::io_context loop;
    Ends pipe;
    Mirror mirror(loop.get_executor(), pipe.both[1]);
    pipe.close_reader();
    mirror.write(std::string(1 << 20, 'x'));
    BOOST_TEST(ends_now(loop, [&] { return mirror.flushed(); }));
    BOOST_TEST(ends_now(loop, [&] { return mirror.room(); }));
    mirror.write("more");
    BOOST_TEST(ends_now(loop, [&] { return mirror.flushed(); }));
}

BOOST_AUTO_TEST_CASE(a_file_is_written_too) {
    asio::io_context loop;
    std::string name = "/tmp/pdpp-unit.XXXXXX";
    const int file = ::mkostemp(name.data(), O_CLOEXEC);
    BOOST_REQUIRE(file >= 0);
    ::unlink(name.c_str());
    Mirror mirror(loop.get_executor(), file);
    mirror.write(std::string(200000, 'x'));
    loop.poll();
    BOOST_TEST(::lseek(file, 0, SEEK_END) == 200000);
    ::close(file);
}

BOOST_AUTO_TEST_CASE(going_away_while_the_reader_is_behind_is_safe) {
    asio::io_context loop;
    Ends pipe;
    {
        Mirror mirror(loop.get_executor(), pipe.both[1]);
        mirror.write(std::string(1 << 20, 'x'));
        loop.poll();
    }
    loop.restart();
    loop.poll();
    BOOST_TEST(is_blocking(pipe.both[1]));
}

BOOST_AUTO_TEST_SUITE_END()
