#include "cli/setup/server_user.hpp"

#include <cstdlib>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pdpp::cli {

AsServersUser::AsServersUser(const std::string& socket) {
    struct stat found {};
    if (::geteuid() == 0 && !socket.empty() && ::stat(socket.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) {
        is_other_ = found.st_uid != 0 && ::seteuid(found.st_uid) == 0;
    }
}

AsServersUser::~AsServersUser() {
    if (is_other_ && ::seteuid(0) != 0) {
        std::abort(); // nothing goes on as somebody else
    }
}

std::string unix_user() {
    const auto* const entry = ::getpwuid(::geteuid());
    return entry == nullptr ? "" : entry->pw_name;
}

std::string asking_user() {
    const char* const caller = ::geteuid() == 0 ? std::getenv("SUDO_USER") : nullptr;
    if (caller != nullptr && *caller != '\0') {
        return caller;
    }
    return unix_user();
}

uid_t asking_user_id() {
    const auto* const entry = ::getpwnam(asking_user().c_str());
    return entry == nullptr ? ::geteuid() : entry->pw_uid;
}

bool is_unix_user(const std::string& name) {
    return ::getpwnam(name.c_str()) != nullptr;
}

} // namespace pdpp::cli
