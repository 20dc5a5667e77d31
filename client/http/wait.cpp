#include "http/wait.hpp"

#include "http/database.hpp"
#include "http/etag.hpp"
#include "http/header_list.hpp"
#include "http/prefer.hpp"
#include "pq/body.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using Clock = asio::steady_timer::clock_type;

namespace {

/// The status of the run as soon as it is `enough`, or the one of the moment when the wait is over; null if the
/// database cannot be asked then.
asio::awaitable<LiveRuns::Body> wait_for_status(LiveRuns& live, Client& client, std::string run_id,
                                                std::chrono::seconds wait,
                                                std::function<bool(std::string_view status)> enough) {
    const auto deadline = Clock::now() + wait;
    const auto subscription = live.subscribe(run_id, [&client] { client.wake(); });
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

} // namespace

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

asio::awaitable<std::string> changed_status(LiveRuns& live, const Request& request, Client& client, std::string status,
                                            std::chrono::seconds wait) {
    const auto known = header_list(request, field::if_none_match);
    if (has_ended(status) || (known && !names_tag(*known, entity_tag(status))))
        co_return status;
    const auto differs = [&](std::string_view later) { return later != status; };
    const auto later = co_await wait_for_status(live, client, pq::string_in(status, "run_id"), wait, differs);
    if (!later)
        throw refusal_for({pq::ErrorKind::cannot_connect, "the database went away while a request waited"});
    co_return *later;
}

asio::awaitable<LiveRuns::Body> ended_status(LiveRuns& live, Client& client, std::string_view acknowledgement,
                                             std::chrono::seconds wait) {
    try {
        const auto status =
            co_await wait_for_status(live, client, pq::string_in(acknowledgement, "run_id"), wait, has_ended);
        if (status && has_ended(*status))
            co_return status;
    } catch (const pq::Error& error) { // the run is admitted, come what may
        spdlog::error("cannot wait for a run that was started: sqlstate={} {:?}", error.sqlstate(), error.what());
    }
    co_return nullptr;
}

void replace_acknowledgement(Response& response, std::string status) {
    response.result(beast::http::status::ok);
    response.erase(field::retry_after);
    response.body() = std::move(status);
    response.content_length(response.body().size());
}

} // namespace pdpp::http
