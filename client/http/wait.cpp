#include "http/wait.hpp"

#include "http/prefer.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using Clock = asio::steady_timer::clock_type;

std::optional<std::chrono::seconds> wanted_wait(const Request& request, std::chrono::seconds limit) {
    const auto preferences = preferences_of(request);
    const auto* const wait = find_preference(preferences, "wait");
    if (wait == nullptr || wait->value.empty() || wait->value.find_first_not_of("0123456789") != std::string::npos)
        return std::nullopt;
    std::chrono::seconds::rep seconds = 0;
    const char* const end = wait->value.data() + wait->value.size();
    const auto failure = std::from_chars(wait->value.data(), end, seconds).ec;
    return failure == std::errc::result_out_of_range ? limit : std::min(std::chrono::seconds(seconds), limit);
}

void confirm_wait(Response& response, std::chrono::seconds wait) {
    response.set(field::preference_applied, "wait=" + std::to_string(wait.count()));
}

asio::awaitable<LiveRuns::Body> wait_for_status(LiveRuns& live, Client& client, std::string run_id,
                                                std::chrono::seconds wait,
                                                std::function<bool(std::string_view status)> enough) {
    const auto deadline = Clock::now() + wait;
    const auto subscription = live.subscribe(run_id, client);
    std::vector<pq::Argument> question;
    question.push_back({"run_id", "text", std::move(run_id)});
    for (;;) {
        const bool is_last_look = Clock::now() >= deadline || client.is_draining();
        const auto found = co_await live.read(status_call(), question);
        if (is_last_look || client.has_left() || (found && enough(*found)))
            co_return found;
        co_await client.wait_until(std::min(deadline, live.next_look(found != nullptr)));
    }
}

} // namespace pdpp::http
