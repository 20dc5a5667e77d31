#pragma once
// `pdpp prune`: retention, batch after batch.

#include "cli/command.hpp"

#include <optional>
#include <string>

namespace pdpp::cli {

/// One of the first two.
struct PruneOptions {
    std::optional<std::string> before;
    std::optional<std::string> older_than;
    int batch_size = 1000;
};

boost::asio::awaitable<int> prune(Session session, PruneOptions options);

} // namespace pdpp::cli
