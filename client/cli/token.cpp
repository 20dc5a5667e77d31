#include "cli/token.hpp"

#include "cli/owner_password.hpp"

#include <chrono>

namespace pdpp::cli {

// NOLINTNEXTLINE(performance-unnecessary-value-param): all commands take the same
int print_token(Session /*session*/, TokenOptions options) {
    const auto password = owner_password(UsualFiles::looked_for);
    if (!password) {
        throw no_owner_password(
            "Set PDPP_OWNER_PASSWORD_FILE to the file of the password that the gateway runs with, or "
            "PDPP_OWNER_PASSWORD to the password.");
    }
    const auto lifetime = std::chrono::seconds(options.lifetime_seconds);
    print(http::OwnerSessions(*password).issue(std::chrono::system_clock::now(), lifetime, owner_subject()) + "\n");
    return exit_code::success;
}

} // namespace pdpp::cli
