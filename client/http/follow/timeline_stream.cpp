// Cutting pages of the timeline into pieces.

#include "http/follow/timeline_stream.hpp"

#include "pq/jsonb_text.hpp"
#include "pq/timeline_cursor.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using Clock = asio::steady_timer::clock_type;

namespace {

constexpr int largest_page = 256;

/// How long a list that is being sent stands still before it is broken off.
constexpr auto page_patience = std::chrono::seconds(30);

std::string_view required(std::string_view object, std::string_view key) {
    const auto value = pq::member_of(object, key);
    if (!value) {
        throw std::runtime_error("this is no timeline: it has no " + std::string{key});
    }
    return *value;
}

std::int64_t event_seq_of(std::string_view event) {
    const auto digits = required(event, "event_seq");
    std::int64_t event_seq = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), event_seq);
    return event_seq;
}

} // namespace

std::vector<pq::Argument> TimelineReader::question() const {
    return {{"run_id", "text", position_.run_id},
            {"page_size", "int", std::to_string(page_size_)},
            {"cursor", "text", position_.cursor}};
}

TimelineReader::Piece
TimelineReader::take(std::string_view page,
                     const std::function<std::string(std::string_view cursor, std::string_view event)>& write) {
    Piece piece{.text = {},
                .more = required(page, "truncated") == "true",
                .has_ended = required(page, "terminal_status") != "null"};
    const auto events = pq::elements_of(required(page, "data"));
    std::size_t taken = 0;
    for (const auto event : events) {
        if (taken > 0 && piece.text.size() + event.size() > piece_bytes) {
            break;
        }
        position_.cursor = pq::timeline_cursor(position_.run_id, event_seq_of(event));
        piece.text += write(*position_.cursor, event);
        ++taken;
    }
    adapt(taken, taken == events.size());
    piece.more = piece.more || taken < events.size();
    return piece;
}

/// Large events are read few at a time, so that not much is read in vain.
void TimelineReader::adapt(std::size_t taken, bool all_fitted) {
    page_size_ = all_fitted ? std::min(2 * page_size_, largest_page) : static_cast<int>(taken);
}

TimelineEvents::TimelineEvents(const SqlCall& call, TimelinePosition position, OwnerSession session,
                               FollowedRuns& followed, Peer& peer)
    : EventStream(call, position.run_id, std::move(session), followed, peer), reader_(std::move(position)) {}

std::string TimelineEvents::take(std::string_view page) {
    auto piece = reader_.take(page, event_text);
    more_ = piece.more;
    over_ = piece.has_ended && !piece.more;
    return std::move(piece.text);
}

TimelineLines::TimelineLines(const SqlCall& call, TimelinePosition position, FollowedRuns& followed, Peer& peer)
    : call_(call), followed_(followed), peer_(peer), reader_(std::move(position)) {}

std::string TimelineLines::take(std::string_view page) {
    auto piece = reader_.take(page, [](std::string_view, std::string_view event) { return std::string{event} + "\n"; });
    more_ = piece.more;
    return std::move(piece.text);
}

asio::awaitable<std::optional<std::string>> TimelineLines::next() {
    if (!first_.empty()) {
        co_return std::exchange(first_, {});
    }
    const auto give_up_at = Clock::now() + page_patience;
    while (more_) {
        const auto page = co_await followed_.read(call_, question());
        if (page) {
            auto text = take(*page);
            if (text.empty()) { // an empty piece would be the last
                continue;
            }
            co_return text;
        }
        if (Clock::now() >= give_up_at || peer_.has_left() || peer_.is_draining()) {
            throw std::runtime_error("the timeline was broken off: the database is away");
        }
        co_await peer_.wait_until(followed_.next_look(false));
    }
    co_return std::nullopt;
}

} // namespace pdpp::http
