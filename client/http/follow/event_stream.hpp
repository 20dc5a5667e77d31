#pragma once
// Server-sent events (WHATWG HTML, "text/event-stream"): what a run does, as it does it, to its end.

#include "http/follow/run_stream.hpp"
#include "http/owner/session.hpp"
#include "pq/run_feed.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// One event of one line of data, which holds no line ends (JSON does not). A client that reconnects sends the id of
/// the last event it got.
std::string event_text(std::string_view id, std::string_view data);

/// Begins with `retry:`, says something at least every keep_alive, whatever the database does, closes when there is
/// nothing to come, or, for clients to come back, when the server drains or the session is over. A database that is
/// away is waited for.
class EventStream : public RunStream {
  public:
    EventStream(const SqlCall& call, std::string_view run_id, OwnerSession session, FollowedRuns& followed, Peer& peer);

    boost::asio::awaitable<std::optional<std::string>> next() override;

  private:
    std::string look();

    const SqlCall& call_;
    FollowedRuns& followed_;
    Peer& peer_;
    OwnerSession session_;
    pq::RunFeed::Subscription subscription_;
    std::shared_ptr<const FollowedRuns::Reading> reading_; ///< while it looks
    bool has_changed_ = false;                             ///< since the last look was begun
    Peer::Time look_at_{}; ///< with the first look, which begin() has made, still in first_
    Peer::Time speak_at_{};
    bool has_begun_ = false;
};

/// The status of a run: as it stands, then each change of it, and the last one is how the run ended. The id of an event
/// is the entity tag of the status.
class StatusEvents : public EventStream {
  public:
    StatusEvents(const SqlCall& call, std::string run_id, std::string_view last_event_id, OwnerSession session,
                 FollowedRuns& followed, Peer& peer);

    [[nodiscard]] std::vector<pq::Argument> question() const override;

  private:
    std::string take(std::string_view status) override;

    std::string run_id_;
    std::string last_id_;
};

} // namespace pdpp::http
