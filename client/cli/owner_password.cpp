#include "cli/owner_password.hpp"

#include "cli/output.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

namespace pdpp::cli {

namespace {

/// The value of a variable; empty if it is not set.
std::string in_environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

} // namespace

std::optional<std::string> owner_password() {
    auto password = in_environment("PDPP_OWNER_PASSWORD");
    const auto path = in_environment("PDPP_OWNER_PASSWORD_FILE");
    if (path.empty())
        return password.empty() ? std::nullopt : std::optional{std::move(password)};
    if (!password.empty())
        throw Failure{exit_code::usage,
                      "usage",
                      "PDPP_OWNER_PASSWORD and PDPP_OWNER_PASSWORD_FILE are both set",
                      "Unset one of them.",
                      {}};
    std::ifstream file(path);
    if (!std::getline(file, password) || password.empty())
        throw Failure{exit_code::usage,
                      "usage",
                      fmt::format("there is no password in {}", path),
                      "PDPP_OWNER_PASSWORD_FILE names a file whose first line is the owner's password.",
                      {}};
    return password;
}

} // namespace pdpp::cli
