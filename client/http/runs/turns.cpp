#include "http/runs/turns.hpp"

#include "pq/permits.hpp"

#include <map>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

/// Shared with the turns, which may be given back when the others are gone.
struct Turns::State {
    void give_back(const std::string& thing) {
        const auto line = lines.find(thing);
        line->second.give();
        if (line->second.taken() == 0) {
            lines.erase(line);
        }
    }

    asio::any_io_executor executor;
    std::size_t at_once;
    std::map<std::string, pq::Permits> lines; ///< for each thing that somebody is at
};

Turns::Turns(const asio::any_io_executor& executor, std::size_t at_once)
    : state_(std::make_shared<State>(State{executor, at_once, {}})) {}

asio::awaitable<std::optional<Turns::Turn>> Turns::take(std::string thing, std::chrono::milliseconds patience) {
    const auto state = state_;
    auto& permits = state->lines.try_emplace(thing, state->executor, state->at_once).first->second;
    const bool is_ones_turn = co_await permits.take(std::chrono::steady_clock::now() + patience);
    if (!is_ones_turn) {
        co_return std::nullopt;
    }
    co_return Turn(state, std::move(thing));
}

std::size_t Turns::waiting() const noexcept {
    std::size_t all = 0;
    for (const auto& [thing, permits] : state_->lines) {
        all += permits.waiting();
    }
    return all;
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
