// Counting wrong passwords in a sliding window.

#include "http/owner/login_throttle.hpp"

#include <algorithm>

namespace pdpp::http {

std::optional<std::chrono::seconds> LoginThrottle::must_wait(std::string_view peer, Time now) {
    while (!failures_.empty() && failures_.front().at + window <= now) {
        failures_.pop_front();
    }
    const auto of_peer = [&](const Failure& failure) { return failure.peer == peer; };
    // Whichever limit is reached, it is the oldest failure it counts that has to pass; both reached: the later one.
    std::optional<Time> free_at;
    if (failures_.size() >= total_limit) {
        free_at = failures_.front().at + window;
    }
    if (static_cast<std::size_t>(std::count_if(failures_.begin(), failures_.end(), of_peer)) >= peer_limit) {
        free_at = std::find_if(failures_.begin(), failures_.end(), of_peer)->at + window;
    }
    if (!free_at) {
        return std::nullopt;
    }
    return std::chrono::ceil<std::chrono::seconds>(*free_at - now);
}

void LoginThrottle::failed(std::string_view peer, Time now) {
    failures_.push_back({std::string{peer}, now});
}

} // namespace pdpp::http
