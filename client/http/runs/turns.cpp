#include "http/runs/turns.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>
#include <map>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// Somebody in line. The timer is his patience; cancelling it is the call to come.
struct Waiter {
    Waiter(const asio::any_io_executor& executor, std::chrono::milliseconds limit) : patience(executor, limit) {}
    asio::steady_timer patience;
    bool called = false;
};

/// Those who are at one thing, or wait for it. There is nobody in line but while all turns are taken.
struct Line {
    std::size_t taken = 0;
    std::list<std::shared_ptr<Waiter>> queue;
};

} // namespace

/// Shared with the turns, which may be given back when the others are gone.
struct Turns::State {
    void give_back(const std::string& thing) {
        const auto line = lines.find(thing);
        auto& [taken, queue] = line->second;
        if (queue.empty()) {
            if (--taken == 0) {
                lines.erase(line);
            }
            return;
        }
        queue.front()->called = true;
        queue.front()->patience.cancel();
        queue.pop_front();
        --waiting;
    }

    asio::any_io_executor executor;
    std::size_t at_once;
    std::map<std::string, Line> lines;
    std::size_t waiting = 0;
};

Turns::Turns(const asio::any_io_executor& executor, std::size_t at_once)
    : state_(std::make_shared<State>(State{executor, at_once, {}})) {}

asio::awaitable<std::optional<Turns::Turn>> Turns::take(std::string thing, std::chrono::milliseconds patience) {
    const auto state = state_;
    auto& [taken, queue] = state->lines[thing];
    if (taken < state->at_once) {
        ++taken;
        co_return Turn(state, std::move(thing));
    }
    const auto waiter = std::make_shared<Waiter>(state->executor, patience);
    const auto place = queue.insert(queue.end(), waiter);
    ++state->waiting;
    boost::system::error_code ignored;
    co_await waiter->patience.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (waiter->called) {
        co_return Turn(state, std::move(thing));
    }
    queue.erase(place);
    --state->waiting;
    co_return std::nullopt;
}

std::size_t Turns::waiting() const noexcept {
    return state_->waiting;
}

Turns::Turn::Turn(std::shared_ptr<State> state, std::string thing) noexcept
    : state_(std::move(state)), thing_(std::move(thing)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): out of memory may end the program
Turns::Turn::~Turn() {
    if (state_) { // not moved from
        state_->give_back(thing_);
    }
}

} // namespace pdpp::http
