#include "cli/owner_password.hpp"

#include <cstdlib>

namespace pdpp::cli {

std::optional<std::string> owner_password() {
    const char* const password = std::getenv("PDPP_OWNER_PASSWORD");
    if (password == nullptr || *password == '\0')
        return std::nullopt;
    return password;
}

} // namespace pdpp::cli
