// Comparing origins, by their parts.

#include "http/owner/origin.hpp"

#include "http/wire/errors.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include <iterator>

namespace pdpp::http {

namespace urls = boost::urls;

namespace {

bool is_allowed(const Request& request, const std::optional<Origin>& public_origin) {
    const auto [first, last] = request.equal_range(field::origin);
    if (first == last) {
        return true;
    }
    if (std::next(first) != last) {
        return false;
    }
    const auto origin = parse_origin(first->value());
    if (!origin) {
        return false;
    }
    const std::string host{request[field::host]};
    if (public_origin && public_origin->scheme == "https") {
        const auto asked = parse_origin("https://" + host);
        if (asked && asked->host == public_origin->host) {
            return origin == public_origin; // in clear that name may be anybody's between us and the browser
        }
    }
    // Behind a proxy that ends TLS the scheme of the Host is not known here; the page's own stands in for it.
    return origin == public_origin || origin == parse_origin(origin->scheme + "://" + host);
}

} // namespace

std::optional<Origin> parse_origin(std::string_view text) {
    const auto parsed = urls::parse_uri(text);
    if (!parsed) {
        return std::nullopt;
    }
    urls::url url{*parsed};
    url.normalize_scheme().normalize_authority();
    const bool is_https = url.scheme_id() == urls::scheme::https;
    if ((!is_https && url.scheme_id() != urls::scheme::http) || url.encoded_host().empty() || url.has_userinfo() ||
        url.has_query() || url.has_fragment() || (!url.encoded_path().empty() && url.encoded_path() != "/")) {
        return std::nullopt;
    }
    std::string port = url.port();
    if (port.empty()) {
        port = is_https ? "443" : "80";
    }
    return Origin{url.scheme(), std::string{url.encoded_host()}, std::move(port)};
}

void check_origin(const Request& request, const std::optional<Origin>& public_origin) {
    if (!is_allowed(request, public_origin)) {
        throw refusal(ErrorKind::origin_mismatch);
    }
}

} // namespace pdpp::http
