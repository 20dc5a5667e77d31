#include "cli/token.hpp"

#include "cli/owner_password.hpp"

#include <chrono>

namespace pdpp::cli {

int print_token(Session /*session*/, TokenOptions options) {
    const auto password = owner_password();
    if (!password) {
        throw Failure{exit_code::usage,
                      "usage",
                      "PDPP_OWNER_PASSWORD is not set",
                      "Set it to the password that the gateway runs with.",
                      {}};
    }
    const auto lifetime = std::chrono::seconds(options.lifetime_seconds);
    print(http::OwnerSessions(*password).issue(std::chrono::system_clock::now(), lifetime) + "\n");
    return exit_code::success;
}

} // namespace pdpp::cli
