#include "controller/progress_queue.hpp"

#include <algorithm>
#include <utility>

namespace pdpp::controller {

void ProgressQueue::push(Progress progress) {
    if (waiting_.size() == capacity) {
        const auto stale = std::find_if(waiting_.rbegin(), waiting_.rend(),
                                        [&](const Progress& other) { return other.stream == progress.stream; });
        waiting_.erase(stale == waiting_.rend() ? waiting_.begin() : std::prev(stale.base()));
    }
    waiting_.push_back(std::move(progress));
}

std::optional<Progress> ProgressQueue::pop() {
    if (waiting_.empty()) {
        return std::nullopt;
    }
    auto progress = std::move(waiting_.front());
    waiting_.pop_front();
    return progress;
}

ProgressQueue::Clock::time_point ProgressQueue::due(Clock::time_point now) {
    paced_to_ = std::max(paced_to_, now - burst * interval) + interval;
    return std::max(now, paced_to_);
}

} // namespace pdpp::controller
