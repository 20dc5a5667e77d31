#pragma once
// The channel on which the database says that something was committed about a run.

#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace pdpp::pq {

constexpr auto run_channel = "pdpp_run";

/// How long to trust the silence of the channel: notifications may be turned off, and a pooler swallows them.
constexpr std::chrono::milliseconds safety_net = std::chrono::seconds(10);

/// How often to look where nothing can be heard.
constexpr std::chrono::milliseconds unheard_pause = std::chrono::seconds(1);

/// What names `run_id` in a notification: the first 16 hex digits of its SHA-256. Anybody may LISTEN, so the id itself
/// is not sent.
std::string run_digest(std::string_view run_id);

/// The same as a number.
std::uint64_t run_number(std::string_view run_id);

/// Subscribes to the channel; false if the server is a hot standby, which cannot LISTEN. Throws Error.
boost::asio::awaitable<bool> listen_for_runs(Connection& connection);

} // namespace pdpp::pq
