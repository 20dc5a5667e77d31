#pragma once
// `Prefer: wait=N`: an answer that is held back until there is something to say.

#include "http/live.hpp"
#include "http/message.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

/// For how long the client would like to wait, at most `limit`; nothing without a preference `wait` that is a whole
/// number of seconds.
std::optional<std::chrono::seconds> wanted_wait(const Request& request, std::chrono::seconds limit);

/// Says in an answer what was honoured of the request's preferences.
void confirm_wait(Response& response, std::chrono::seconds wait);

/// The status of the run as soon as it is `enough`, or else as it stands when `wait` is over, the server drains or the
/// client has left; null if the database cannot be asked then. No connection to the database is held meanwhile. Throws
/// pq::Error for what will not pass.
boost::asio::awaitable<LiveRuns::Body> wait_for_status(LiveRuns& live, Client& client, std::string run_id,
                                                       std::chrono::seconds wait,
                                                       std::function<bool(std::string_view status)> enough);

} // namespace pdpp::http
