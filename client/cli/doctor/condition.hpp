#pragma once
// How a server is kept, as far as what pdpp promises depends on it.

#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pdpp::cli {

/// A replication slot that nobody uses, and keeps the log of the database for somebody.
struct IdleSlot {
    std::string name;
    std::int64_t bytes; ///< that it keeps
};

struct Condition {
    bool fsync = true;
    bool full_page_writes = true;
    bool notifies = true;           ///< pdpp.notify
    double queue_usage = 0;         ///< of notifications, from 0 to 1
    std::int64_t dropped_hints = 0; ///< pdpp.dropped_hints
    std::string wanted_standbys;    ///< synchronous_standby_names
    int standbys = 0;               ///< that are connected
    std::optional<int> synchronous; ///< of them; nothing if that may not be seen
    std::vector<IdleSlot> idle_slots;
    std::optional<int> open_for_long; ///< transactions that are idle, or prepared; nothing if that may not be seen
    std::string worker_does;          ///< empty if that may not be seen
    int worker_processes = 0;         ///< max_worker_processes
    std::string open_schema;          ///< the extension's, as SQL writes it, if everybody may create in it; else empty
    std::chrono::duration<double> clock_ahead{0}; ///< of the server's before ours
    std::chrono::duration<double> clock_doubt{0}; ///< how wrong that may be
};

/// Throws pq::Error.
boost::asio::awaitable<Condition> look_at_condition(pq::Connection& connection);

} // namespace pdpp::cli
