#pragma once
// `pdpp timeline RUN`: everything that happened to a run, in order.

#include "cli/command.hpp"

#include <optional>
#include <string>

namespace pdpp::cli {

struct TimelineOptions {
    std::string run_id;
    std::optional<int> limit;
    std::optional<std::string> cursor;
    bool all = false;
    bool follow = false;
};

boost::asio::awaitable<int> show_timeline(Session session, TimelineOptions options);

} // namespace pdpp::cli
