#pragma once
// `pdpp serve`: the HTTP gateway, until it is told to stop.

#include "cli/command.hpp"
#include "cli/serve_options.hpp"

namespace pdpp::cli {

int serve(Session session, ServeCommandLine command_line);

} // namespace pdpp::cli
