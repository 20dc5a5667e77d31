// Following a run over reads that may fail, in the form of server-sent events.

#include "http/follow/event_stream.hpp"

#include "http/syntax/entity_tag.hpp"
#include "pq/jsonb_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using Clock = asio::steady_timer::clock_type;

namespace {

constexpr std::string_view keep_alive_comment = ":\n\n";

/// When a client that lost the stream comes back, in milliseconds: not all at the same moment.
std::string retry_text() {
    thread_local std::minstd_rand random{std::random_device{}()};
    return fmt::format("retry: {}\n\n", std::uniform_int_distribution(1000, 3000)(random));
}

} // namespace

std::string event_text(std::string_view id, std::string_view data) {
    return fmt::format("id: {}\ndata: {}\n\n", id, data);
}

EventStream::EventStream(const SqlCall& call, std::string_view run_id, OwnerSession session, FollowedRuns& followed,
                         Peer& peer)
    : call_(call), followed_(followed), peer_(peer), session_(std::move(session)),
      subscription_(followed.subscribe(run_id, [this] {
          has_changed_ = true;
          peer_.wake();
      })) {}

/// What there is to send now; empty if nothing is, or if that is still being found out.
std::string EventStream::look() {
    const bool is_due = more_ || has_changed_ || Clock::now() >= look_at_;
    if (!reading_ && is_due) {
        has_changed_ = false;
        reading_ = followed_.begin_read(call_, question(), peer_);
    }
    if (!reading_ || !reading_->is_done) {
        return {};
    }
    const auto reading = std::exchange(reading_, nullptr);
    if (reading->failure) {
        std::rethrow_exception(reading->failure);
    }
    look_at_ = followed_.next_look(reading->body != nullptr);
    return reading->body ? take(*reading->body) : std::string{};
}

asio::awaitable<std::optional<std::string>> EventStream::next() {
    std::string text;
    if (!std::exchange(has_begun_, true)) {
        look_at_ = followed_.next_look(true);
        text = retry_text() + std::exchange(first_, {});
    }
    while (text.empty()) {
        if (over_ || peer_.has_left()) {
            co_return std::nullopt;
        }
        if (peer_.is_draining() || session_.is_over()) {
            over_ = true;
            co_return retry_text();
        }
        text = look();
        if (text.empty() && Clock::now() >= speak_at_) {
            text = keep_alive_comment;
        }
        const bool is_outdated = has_changed_ && !reading_; // by what was heard of while it was read
        if (!text.empty() || over_ || is_outdated) {
            continue;
        }
        const auto wait_end = std::min(speak_at_, session_.expires_at());
        co_await peer_.wait_until(reading_ ? wait_end : std::min(wait_end, look_at_));
    }
    speak_at_ = Clock::now() + followed_.options().keep_alive;
    co_return text;
}

StatusEvents::StatusEvents(const SqlCall& call, std::string run_id, std::string_view last_event_id,
                           OwnerSession session, FollowedRuns& followed, Peer& peer)
    : EventStream(call, run_id, std::move(session), followed, peer), run_id_(std::move(run_id)),
      last_id_(last_event_id) {}

std::vector<pq::Argument> StatusEvents::question() const {
    return {{"run_id", "text", run_id_}};
}

std::string StatusEvents::take(std::string_view status) {
    if (!pq::member_of(status, "status")) {
        throw std::runtime_error("the run is there no more");
    }
    over_ = has_ended(status);
    auto id = entity_tag(status);
    if (id == last_id_) {
        return {};
    }
    last_id_ = std::move(id);
    return event_text(last_id_, status);
}

} // namespace pdpp::http
