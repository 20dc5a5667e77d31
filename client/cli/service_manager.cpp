#include "cli/service_manager.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace pdpp::cli {

namespace {

/// What the manager waits for is worth a short wait where its queue is full; a status is not.
enum class Patience { none, a_second };

void notify(std::string_view state, Patience patience = Patience::a_second) {
    const char* const socket_path = std::getenv("NOTIFY_SOCKET");
    const std::string_view path = socket_path == nullptr ? "" : socket_path;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return;
    }
    std::ranges::copy(path, address.sun_path);
    if (path.front() == '@') {
        address.sun_path[0] = '\0'; // the abstract namespace
    }
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return;
    }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    const timeval second{.tv_sec = 1, .tv_usec = 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
    ::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL | (patience == Patience::none ? MSG_DONTWAIT : 0),
             reinterpret_cast<const sockaddr*>(&address), size);
    ::close(descriptor);
}

} // namespace

void tell_ready() {
    notify("READY=1");
}

void tell_reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000LL + now.tv_nsec / 1000));
}

void tell_stopping() {
    notify("STOPPING=1");
}

void tell_status(std::string_view status) {
    notify(fmt::format("STATUS={}", status), Patience::none);
}

} // namespace pdpp::cli
