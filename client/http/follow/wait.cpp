#include "http/follow/wait.hpp"

#include "http/runs/refusals.hpp"
#include "http/syntax/entity_tag.hpp"
#include "http/syntax/header_list.hpp"
#include "http/syntax/prefer.hpp"
#include "log/log.hpp"
#include "pq/body.hpp"

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
asio::awaitable<FollowedRuns::Body> wait_for_status(FollowedRuns& followed, Peer& peer, std::string run_id,
                                                    std::chrono::seconds wait,
                                                    std::function<bool(std::string_view status)> enough) {
    const auto deadline = Clock::now() + wait;
    const auto subscription = followed.subscribe(run_id, [&peer] { peer.wake(); });
    std::vector<pq::Argument> question;
    question.push_back({"run_id", "text", std::move(run_id)});
    for (;;) {
        const bool is_last_look = Clock::now() >= deadline || peer.is_draining();
        const auto found = co_await followed.read(status_call(), question);
        if (is_last_look || peer.has_left() || (found && enough(*found))) {
            co_return found;
        }
        co_await peer.wait_until(std::min(deadline, followed.next_look(found != nullptr)));
    }
}

} // namespace

std::optional<std::chrono::seconds> wanted_wait(const Request& request, std::chrono::seconds limit) {
    const auto preferences = preferences_of(request);
    const auto* const wait = find_preference(preferences, "wait");
    if (wait == nullptr || wait->value.empty() || wait->value.find_first_not_of("0123456789") != std::string::npos) {
        return std::nullopt;
    }
    std::chrono::seconds::rep seconds = 0;
    const char* const end = wait->value.data() + wait->value.size();
    const auto failure = std::from_chars(wait->value.data(), end, seconds).ec;
    return failure == std::errc::result_out_of_range ? limit : std::min(std::chrono::seconds(seconds), limit);
}

void confirm_wait(Response& response, std::chrono::seconds wait) {
    response.set(field::preference_applied, "wait=" + std::to_string(wait.count()));
}

asio::awaitable<StatusText> changed_status(FollowedRuns& followed, const Request& request, Peer& peer, StatusText first,
                                           std::chrono::seconds wait) {
    const auto& status = first.status();
    const auto known = header_list(request, field::if_none_match);
    if (status.is_last() || (known && !names_tag(*known, status.etag))) {
        co_return first;
    }
    const auto differs = [&](std::string_view later) { return later != status.body; };
    const auto later = co_await wait_for_status(followed, peer, pq::string_in(status.body, "run_id"), wait, differs);
    if (!later) {
        throw refusal_for({pq::ErrorKind::cannot_connect, "the database went away while a request waited"});
    }
    if (auto refusal = refusal_in(*later)) { // a failover has lost the run
        throw *std::move(refusal);
    }
    co_return StatusText(*later);
}

asio::awaitable<FollowedRuns::Body> ended_status(FollowedRuns& followed, Peer& peer, std::string_view acknowledgement,
                                                 std::chrono::seconds wait) {
    try {
        const auto status =
            co_await wait_for_status(followed, peer, pq::string_in(acknowledgement, "run_id"), wait, has_ended);
        if (status && has_ended(*status)) {
            co_return status;
        }
    } catch (const pq::Error& error) { // the run is admitted, come what may
        log::write(log::Level::error, {{"sqlstate", error.sqlstate()}}, "cannot wait for a run that was started: {:?}",
                   error.what());
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
