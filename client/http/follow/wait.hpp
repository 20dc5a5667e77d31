#pragma once
// `Prefer: wait=N`: an answer that is held back until there is something to say.

#include "http/follow/followed_runs.hpp"
#include "http/runs/run_status.hpp"
#include "http/wire/message.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

/// For how long the client would like to wait, at most `limit`; nothing without a preference `wait` that is a whole
/// number of seconds.
std::optional<std::chrono::seconds> wanted_wait(const Request& request, std::chrono::seconds limit);

/// Says in an answer what was honoured of the request's preferences.
void confirm_wait(Response& response, std::chrono::seconds wait);

/// What to answer a request for a status with, which is `first` just now: that itself if the run has ended, or if the
/// client has said which statuses it knows (If-None-Match) and this is none of them; else the next one, or, when `wait`
/// is over, the server drains or the client has left, the one of that moment. No connection to the database is held
/// meanwhile. Throws Refusal 503 if the database is away then.
boost::asio::awaitable<StatusText> changed_status(FollowedRuns& followed, const Request& request, Peer& peer,
                                                  StatusText first, std::chrono::seconds wait);

/// How the run of an acknowledgement has ended; null if it has not within `wait`, or nobody can say.
boost::asio::awaitable<FollowedRuns::Body> ended_status(FollowedRuns& followed, Peer& peer,
                                                        std::string_view acknowledgement, std::chrono::seconds wait);

/// Makes the answer to an admission, 202, that to a run that has ended: 200 with its status.
void replace_acknowledgement(Response& response, std::string status);

} // namespace pdpp::http
