#pragma once
// `pdpp wait RUN`: stays until a run has ended.

#include "cli/command.hpp"

#include <optional>
#include <string>

namespace pdpp::cli {

struct WaitOptions {
    std::string run_id;
    std::optional<double> timeout_seconds;
};

boost::asio::awaitable<int> wait_for_end(Session session, WaitOptions options);

} // namespace pdpp::cli
