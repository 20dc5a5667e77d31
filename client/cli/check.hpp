#pragma once
// `pdpp check`: what must hold for every run and does not.

#include "cli/command.hpp"

namespace pdpp::cli {

struct CheckOptions {};

boost::asio::awaitable<int> check(Session session, CheckOptions options);

} // namespace pdpp::cli
