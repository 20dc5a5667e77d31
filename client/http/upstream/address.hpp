#pragma once
// Where the server is that requests are handed on to.

#include <string>
#include <string_view>

namespace pdpp::http {

struct UpstreamAddress {
    bool is_tls = false;
    std::string host; ///< a name or an address, one of IPv6 without its brackets
    std::string port;
    std::string authority; ///< as a Host header has it

    bool operator==(const UpstreamAddress&) const = default;
};

/// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`, with nothing behind it but a slash. Throws
/// std::invalid_argument with what is wrong about `text`.
UpstreamAddress parse_upstream(std::string_view text);

} // namespace pdpp::http
