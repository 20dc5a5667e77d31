#pragma once
// Which pages may send a browser's POST: those of this server, by its Host or by its public URL. With SameSite cookies
// this is what stands against requests forged by other sites.

#include "http/wire/message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

/// Scheme, host in lower case, and the port even where it is the scheme's own.
struct Origin {
    std::string scheme;
    std::string host;
    std::string port;

    friend bool operator==(const Origin&, const Origin&) = default;
};

/// The origin of an http or https URL that has no user, query or fragment, and no path but "/"; nothing for anything
/// else.
std::optional<Origin> parse_origin(std::string_view url);

/// Throws Refusal 403 `origin_mismatch` if the request names an origin that is neither its Host nor `public_origin`; on
/// the host of a `public_origin` that is https, nothing but that will do.
/// A request without Origin does not come from a page of another site.
void check_origin(const Request& request, const std::optional<Origin>& public_origin);

} // namespace pdpp::http
