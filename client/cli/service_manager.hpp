#pragma once
// What systemd wants to hear of a service of Type=notify: sd_notify(3), of which one datagram to a socket is all that
// is needed here. libsystemd would bring five libraries along for it.

#include <string_view>

namespace pdpp::cli {

/// Nothing happens in these where no service manager listens (NOTIFY_SOCKET is not set).
void tell_ready();
void tell_reloading(); ///< tell_ready() when done
void tell_stopping();
void tell_status(std::string_view status); ///< one line for people: `systemctl status` shows it

} // namespace pdpp::cli
