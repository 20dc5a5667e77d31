#include "pq/run_feed.hpp"

#include "pq/run_channel.hpp"

#include <utility>

namespace pdpp::pq {

struct RunFeed::State {
    bool is_listening = false;
    Wakers wakers;
};

RunFeed::RunFeed() : state_(std::make_shared<State>()) {}

RunFeed::Subscription RunFeed::subscribe(std::string_view run_id, std::function<void()> wake) {
    return {state_, state_->wakers.emplace(run_number(run_id), std::move(wake))};
}

void RunFeed::wake(std::uint64_t run_number) const {
    const auto [first, last] = state_->wakers.equal_range(run_number);
    for (auto waker = first; waker != last; ++waker) {
        waker->second();
    }
}

void RunFeed::wake_all() const {
    for (const auto& [run_number, waker] : state_->wakers) {
        waker();
    }
}

void RunFeed::set_listening(bool is_listening) noexcept {
    state_->is_listening = is_listening;
}

std::chrono::milliseconds RunFeed::patience() const noexcept {
    return state_->is_listening ? safety_net : unheard_pause;
}

std::size_t RunFeed::subscriptions() const noexcept {
    return state_->wakers.size();
}

RunFeed::Subscription::Subscription(std::shared_ptr<State> state, Wakers::iterator place) noexcept
    : state_(std::move(state)), place_(place) {}

RunFeed::Subscription::~Subscription() {
    if (state_) { // not moved from
        state_->wakers.erase(place_);
    }
}

} // namespace pdpp::pq
