#include "controller/mirror.hpp"

#include "pq/condition.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <sys/epoll.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace pdpp::controller {

namespace asio = boost::asio;

namespace {

constexpr std::size_t little = std::size_t{64} * 1024;

int watch_for_writing(int descriptor) {
    const int watch = ::epoll_create1(EPOLL_CLOEXEC);
    if (watch < 0) {
        throw std::system_error(errno, std::generic_category(), "epoll_create1");
    }
    epoll_event event{};
    event.events = EPOLLOUT;
    if (::epoll_ctl(watch, EPOLL_CTL_ADD, descriptor, &event) == 0) {
        return watch;
    }
    const int error_number = errno;
    ::close(watch);
    if (error_number == EPERM || error_number == EBADF) {
        return -1; // a file, always ready; or closed, which write() will say
    }
    throw std::system_error(error_number, std::generic_category(), "epoll_ctl");
}

} // namespace

struct Mirror::State {
    State(const asio::any_io_executor& executor, int target) : descriptor(target), ready(executor), progress(executor) {
        if (const int watch = watch_for_writing(target); watch >= 0) {
            ready.assign(watch);
        }
    }

    /// Writes what waits, until nothing waits.
    static asio::awaitable<void> write(std::shared_ptr<State> self) {
        while (!self->waiting.empty() && !self->gone) {
            if (self->ready.is_open()) {
                co_await self->ready.async_wait(asio::posix::descriptor_base::wait_read,
                                                asio::as_tuple(asio::use_awaitable));
            }
            if (self->closed) {
                co_return;
            }
            const auto size = std::min<std::size_t>(self->waiting.size(), PIPE_BUF);
            const auto written = ::write(self->descriptor, self->waiting.data(), size);
            if (written > 0) {
                self->waiting.erase(0, static_cast<std::size_t>(written));
            } else if (errno != EAGAIN && errno != EINTR) {
                self->gone = true;
            }
            self->progress.changed();
        }
        self->waiting.clear();
        self->writing = false;
        self->progress.changed();
    }

    int descriptor;
    asio::posix::stream_descriptor ready; ///< the epoll: readable when `descriptor` is writable; closed if always ready
    pq::Condition progress;               ///< bytes are passed on, or no longer
    std::string waiting;
    bool writing = false;
    bool unlimited = false;
    bool gone = false;   ///< nobody reads
    bool closed = false; ///< the mirror is gone
    bool at_line_start = true;
};

Mirror::Mirror(const asio::any_io_executor& executor, int descriptor)
    : state_(std::make_shared<State>(executor, descriptor)) {}

Mirror::~Mirror() {
    state_->closed = true;
    boost::system::error_code ignored;
    state_->ready.close(ignored);
}

void Mirror::write(std::string_view bytes) {
    if (bytes.empty() || state_->gone) {
        return;
    }
    state_->waiting += bytes;
    state_->at_line_start = bytes.ends_with('\n');
    if (!std::exchange(state_->writing, true)) {
        asio::co_spawn(state_->ready.get_executor(), State::write(state_), asio::detached);
    }
}

asio::awaitable<void> Mirror::room() {
    co_await state_->progress.until([this] { return state_->waiting.size() <= little || state_->unlimited; });
}

void Mirror::lift_limit() {
    state_->unlimited = true;
    state_->progress.changed();
}

asio::awaitable<void> Mirror::flushed() {
    co_await state_->progress.until([this] { return !state_->writing; });
}

bool Mirror::at_line_start() const noexcept {
    return state_->at_line_start;
}

} // namespace pdpp::controller
