#pragma once
// `pdpp now CONNECTION`, `pdpp retry RUN` and `pdpp cancel RUN`: a run is asked for, and asked to end. Whoever launches
// it is another process.

#include "cli/command.hpp"

#include <optional>
#include <string>

namespace pdpp::cli {

/// One of the first three at least.
struct NowOptions {
    std::optional<std::string> connector_instance_id;
    std::optional<std::string> connector_id;
    std::optional<std::string> retry_of; ///< a run that has ended, to be repeated
    std::optional<std::string> run_id;
    std::optional<std::string> data; ///< a JSON object
    std::optional<std::string> idempotency_key;
    std::optional<double> timeout_seconds;
};

struct CancelOptions {
    std::string run_id;
};

boost::asio::awaitable<int> run_now(Session session, NowOptions options);
boost::asio::awaitable<int> cancel(Session session, CancelOptions options);

} // namespace pdpp::cli
