#include "cli/token.hpp"

#include "cli/owner_password.hpp"
#include "http/owner/session.hpp"

#include <memory>
#include <unistd.h>

namespace pdpp::cli {

namespace {

int print_token(std::chrono::seconds lifetime, bool json) {
    const auto password = owner_password();
    if (!password)
        return report({exit_code::usage,
                       "usage",
                       "PDPP_OWNER_PASSWORD is not set",
                       "Set it to the password that the gateway runs with.",
                       {}},
                      json);
    print(http::OwnerSessions(*password).issue(std::chrono::system_clock::now(), lifetime) + "\n");
    return exit_code::success;
}

} // namespace

void add_token_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("token", "Print a bearer token of the gateway's owner");
    const auto seconds = std::make_shared<long>(http::session_lifetime.count());
    command->add_option("--ttl", *seconds, "how long it is good for (default: 7 days)")
        ->check(CLI::Range(1L, 10L * 366 * 24 * 3600))
        ->option_text("SECONDS");
    command->footer("The token is made from the owner's password (PDPP_OWNER_PASSWORD, or the first line of the file\n"
                    "that PDPP_OWNER_PASSWORD_FILE names), without asking any server. It cannot be taken back but by\n"
                    "changing the password.\n\n"
                    "Example:\n"
                    "  curl -H \"Authorization: Bearer $(pdpp token --ttl 3600)\" \\\n"
                    "       http://127.0.0.1:8080/_ref/runs/run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b");
    command->callback([&app, &action, seconds] {
        action = [&app, seconds] {
            const bool json = wants_json(app, STDERR_FILENO);
            try {
                return print_token(std::chrono::seconds(*seconds), json);
            } catch (const Failure& failure) {
                return report(failure, json);
            }
        };
    });
}

} // namespace pdpp::cli
