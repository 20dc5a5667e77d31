#pragma once
// Under which names what lets everybody in may be addressed. A page of any site can have its own name resolved
// to 127.0.0.1 and then read what such a server answers, as its own; only the name in the request tells it apart.

#include "http/wire/message.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

class LocalHosts {
  public:
    /// `more` are hosts, without ports, that are accepted beside those that are this machine wherever they are looked
    /// up: localhost and what ends in .localhost, 127.0.0.0/8 and [::1].
    explicit LocalHosts(std::vector<std::string> more);

    /// Addresses are accepted too, whichever: for one that listens on all of its machine's. No page has an address that
    /// is not its own.
    void accept_addresses() noexcept { any_address_ = true; }

    /// Whether `host`, perhaps with a port, is one of these; the port does not matter, since it may be forwarded.
    [[nodiscard]] bool accept(std::string_view host) const;

    /// Throws Refusal 421 `host_not_allowed` for a request to any other host. One that names none (HTTP/1.0) is no
    /// browser's.
    void check(const Request& request) const;

  private:
    std::vector<std::string> more_; ///< as normalized() has them
    bool any_address_ = false;
};

} // namespace pdpp::http
