// Which stream for which route, and what they have in common.

#include "http/follow/run_stream.hpp"

#include "http/follow/event_stream.hpp"
#include "http/follow/timeline_stream.hpp"
#include "http/runs/representation.hpp"
#include "http/wire/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace pdpp::http {

namespace {

/// Takes one argument out of `arguments`; nothing if it is not among them.
pq::Parameter take_argument(std::vector<pq::Argument>& arguments, std::string_view name) {
    const auto found = std::ranges::find(arguments, name, &pq::Argument::name);
    if (found == arguments.end()) {
        return std::nullopt;
    }
    auto value = std::move(found->value);
    arguments.erase(found);
    return value;
}

TimelinePosition position_in(std::vector<pq::Argument> arguments, std::string_view last_event_id) {
    if (take_argument(arguments, "page_size")) {
        throw invalid_request("limit is for pages: a stream has none.", "limit");
    }
    for (const std::string_view name : {"event_type", "newest_first"}) {
        if (take_argument(arguments, name)) {
            throw invalid_request(fmt::format("{} is for pages: a stream has all events in order.", name),
                                  std::string{name});
        }
    }
    TimelinePosition position{.run_id = take_argument(arguments, "run_id").value(),
                              .cursor = take_argument(arguments, "cursor")};
    if (!last_event_id.empty()) {
        position.cursor = std::string{last_event_id};
    }
    return position;
}

} // namespace

bool RunStream::begin(std::string_view answer) {
    first_ = take(answer);
    return !first_.empty() || !over_;
}

std::optional<StreamKind> acceptable_stream(const Route& route, const Request& request) {
    std::vector<std::string_view> offer(json_only.begin(), json_only.end());
    for (const auto kind : route.streams) {
        offer.push_back(media_type_of(kind));
    }
    const auto type = acceptable_type(request, offer);
    const auto chosen = std::ranges::find(route.streams, type, media_type_of);
    return chosen == route.streams.end() ? std::nullopt : std::optional(*chosen);
}

std::unique_ptr<RunStream> make_stream(StreamKind kind, const SqlCall& call, std::vector<pq::Argument> arguments,
                                       std::string_view last_event_id, OwnerSession session, FollowedRuns& followed,
                                       Peer& peer) {
    switch (kind) {
    case StreamKind::status_events:
        return std::make_unique<StatusEvents>(call, take_argument(arguments, "run_id").value(), last_event_id,
                                              std::move(session), followed, peer);
    case StreamKind::timeline_events:
        return std::make_unique<TimelineEvents>(call, position_in(std::move(arguments), last_event_id),
                                                std::move(session), followed, peer);
    case StreamKind::timeline_lines:
        return std::make_unique<TimelineLines>(call, position_in(std::move(arguments), {}), followed, peer);
    }
    throw std::logic_error("a stream of no kind");
}

Response stream_head(StreamKind kind) {
    Response head{status::ok, 11};
    head.set(field::cache_control, "no-store");
    head.set(field::content_type, media_type_of(kind));
    head.set(field::vary, varies_by);
    head.set("X-Accel-Buffering", "no"); // proxies pass on what they get, as they get it
    return head;
}

} // namespace pdpp::http
