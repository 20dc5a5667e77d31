#include "http/upstream/address.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <stdexcept>

namespace pdpp::http {

namespace urls = boost::urls;

namespace {

/// None stands for the usual one.
bool is_possible_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    return text.empty() || (failure == std::errc{} && stop == text.data() + text.size() && port > 0);
}

} // namespace

UpstreamAddress parse_upstream(std::string_view text) {
    const auto parsed = urls::parse_uri(text);
    if (!parsed) {
        throw std::invalid_argument(fmt::format("{:?} is no URL", text));
    }
    urls::url url{*parsed};
    url.normalize_scheme().normalize_authority();
    const bool is_tls = url.scheme_id() == urls::scheme::https;
    if (!is_tls && url.scheme_id() != urls::scheme::http) {
        throw std::invalid_argument(fmt::format("{:?} begins neither with http:// nor with https://", text));
    }
    if (url.has_userinfo()) { // which would be printed
        throw std::invalid_argument("it must not have a user or a password");
    }
    if (url.encoded_host().empty() || !is_possible_port(url.port())) {
        throw std::invalid_argument(fmt::format("{:?} has no host, or no possible port", text));
    }
    if (url.has_query() || url.has_fragment() || (!url.encoded_path().empty() && url.encoded_path() != "/")) {
        throw std::invalid_argument(
            fmt::format("{:?} must end with the host or the port: paths are handed on as they are", text));
    }
    std::string host{url.encoded_host()};
    std::string port{url.port()};
    const std::string usual_port = is_tls ? "443" : "80";
    UpstreamAddress address{
        .is_tls = is_tls, .host = host, .port = port.empty() ? usual_port : port, .authority = host};
    if (address.port != usual_port) {
        address.authority += ":" + address.port;
    }
    if (host.front() == '[') {
        address.host = host.substr(1, host.size() - 2);
    }
    return address;
}

} // namespace pdpp::http
