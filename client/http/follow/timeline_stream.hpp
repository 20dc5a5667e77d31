#pragma once
// The timeline of a run event by event, however long it is.

#include "http/follow/event_stream.hpp"
#include "http/follow/run_stream.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

struct TimelinePosition {
    std::string run_id;
    std::optional<std::string> cursor; ///< behind the last event that was taken; nothing at the beginning
};

/// Reads a timeline in pieces of about `piece_bytes`: what does not fit is read again from where it belongs, not kept.
/// So a client that takes nothing holds one piece, or one event if that is larger.
class TimelineReader {
  public:
    static constexpr std::size_t piece_bytes = 32768;

    explicit TimelineReader(TimelinePosition position) : position_(std::move(position)) {}

    [[nodiscard]] std::vector<pq::Argument> question() const;

    struct Piece {
        std::string text;
        bool more;      ///< of the events that stand
        bool has_ended; ///< the run has
    };

    /// Takes from `page` what fits, each event written by `write(cursor behind it, event)`.
    Piece take(std::string_view page,
               const std::function<std::string(std::string_view cursor, std::string_view event)>& write);

  private:
    void adapt(std::size_t taken, bool all_fitted);

    TimelinePosition position_;
    int page_size_ = 64;
};

/// As server-sent events, up to the end of the run. The id of an event is the cursor behind it.
class TimelineEvents : public EventStream {
  public:
    TimelineEvents(const SqlCall& call, TimelinePosition position, OwnerSession session, FollowedRuns& followed,
                   Peer& peer);

    [[nodiscard]] std::vector<pq::Argument> question() const override { return reader_.question(); }

  private:
    std::string take(std::string_view page) override;

    TimelineReader reader_;
};

/// As lines, up to the last event that stands.
class TimelineLines : public RunStream {
  public:
    TimelineLines(const SqlCall& call, TimelinePosition position, FollowedRuns& followed, Peer& peer);

    boost::asio::awaitable<std::optional<std::string>> next() override;
    [[nodiscard]] std::vector<pq::Argument> question() const override { return reader_.question(); }

  private:
    std::string take(std::string_view page) override;

    const SqlCall& call_;
    FollowedRuns& followed_;
    Peer& peer_;
    TimelineReader reader_;
};

} // namespace pdpp::http
