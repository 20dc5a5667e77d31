#pragma once
// `pdpp token`: a bearer token for the gateway's owner.

#include "cli/command.hpp"
#include "http/owner/session.hpp"

namespace pdpp::cli {

struct TokenOptions {
    long lifetime_seconds = http::session_lifetime.count();
};

int print_token(Session session, TokenOptions options);

} // namespace pdpp::cli
