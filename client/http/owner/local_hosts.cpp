#include "http/owner/local_hosts.hpp"

#include "http/wire/errors.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/url/ipv4_address.hpp>
#include <boost/url/ipv6_address.hpp>
#include <boost/url/parse.hpp>

#include <algorithm>
#include <cctype>

namespace pdpp::http {

namespace urls = boost::urls;

namespace {

/// In lower case, and without the dot that ends an absolute name.
std::string normalized(std::string_view name) {
    if (name.ends_with('.')) {
        name.remove_suffix(1);
    }
    std::string text{name};
    std::ranges::transform(text, text.begin(), [](unsigned char letter) { return std::tolower(letter); });
    return text;
}

bool is_loopback(const urls::ipv6_address& address) {
    if (!address.is_v4_mapped()) {
        return address.is_loopback();
    }
    constexpr std::size_t first_of_v4 = 12;
    constexpr unsigned char loopback = 127;
    return address.to_bytes()[first_of_v4] == loopback;
}

bool is_loopback_name(std::string_view name) {
    constexpr std::string_view suffix = ".localhost";
    if (const auto address = urls::parse_ipv4_address(name)) {
        return address->is_loopback();
    }
    return name == "localhost" || (name.ends_with(suffix) && name.size() > suffix.size());
}

} // namespace

LocalHosts::LocalHosts(std::vector<std::string> more) : more_(std::move(more)) {
    for (auto& host : more_) {
        host = normalized(host);
    }
}

bool LocalHosts::accept(std::string_view host) const {
    const auto authority = urls::parse_authority(host);
    if (!authority || authority->has_userinfo()) {
        return false;
    }
    const bool is_v6 = authority->host_type() == urls::host_type::ipv6;
    if ((is_v6 && is_loopback(authority->host_ipv6_address())) ||
        (any_address_ && (is_v6 || authority->host_type() == urls::host_type::ipv4))) {
        return true;
    }
    // percent-encoded names are not decoded: no client that means a host by its name writes it so
    const auto name = normalized(authority->encoded_host());
    return is_loopback_name(name) || (!name.empty() && std::ranges::find(more_, name) != more_.end());
}

void LocalHosts::check(const Request& request) const {
    const auto host = request.find(field::host);
    if (host != request.end() && !accept(host->value())) {
        throw refusal(ErrorKind::host_not_allowed);
    }
}

} // namespace pdpp::http
