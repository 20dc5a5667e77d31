#pragma once
// Bodies that follow a run: one read after the other, each from where the last one ended. Between two pieces nothing is
// kept but that place.

#include "http/follow/followed_runs.hpp"
#include "http/owner/session.hpp"
#include "http/wire/reply.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

class RunStream : public BodySource {
  public:
    /// What the next read asks.
    [[nodiscard]] virtual std::vector<pq::Argument> question() const = 0;

    /// Takes the answer to the first read, which was made after the stream was. False if there is nothing to send, now
    /// or ever.
    bool begin(std::string_view answer);

  protected:
    /// What of the answer to a read is to be sent; may be empty. Sets more_ and over_.
    virtual std::string take(std::string_view answer) = 0;

    /// What begin() found.
    std::string first_;
    bool more_ = false; ///< to be read at once
    bool over_ = false; ///< nothing more will come
};

/// The stream that the request would rather have than a body, of those that the route has; nothing if it would not.
/// Throws Refusal 406 if it accepts neither.
std::optional<StreamKind> acceptable_stream(const Route& route, const Request& request);

/// A stream of `text/event-stream` or `application/x-ndjson`, as `kind` says, for the answer to `call` with
/// `arguments`; it starts behind `last_event_id` unless that is empty, and one of events ends with the session. Throws
/// Refusal 400 if the arguments do not go with a stream. `followed` and `peer` must outlive it.
std::unique_ptr<RunStream> make_stream(StreamKind kind, const SqlCall& call, std::vector<pq::Argument> arguments,
                                       std::string_view last_event_id, OwnerSession session, FollowedRuns& followed,
                                       Peer& peer);

/// The head of the answer that a stream is the body of.
Response stream_head(StreamKind kind);

} // namespace pdpp::http
