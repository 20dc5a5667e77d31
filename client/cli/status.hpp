#pragma once
// `pdpp status RUN`: what a handle resolves to.

#include "cli/command.hpp"

#include <string>

namespace pdpp::cli {

struct StatusOptions {
    std::string run_id;
};

boost::asio::awaitable<int> show_status(Session session, StatusOptions options);

} // namespace pdpp::cli
