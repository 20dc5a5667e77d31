#pragma once
// base64url without padding (RFC 4648 §5), on top of OpenSSL's base64.

#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

std::string base64url(std::string_view bytes);

/// The bytes that `text` stands for, or nothing if base64url() would not have printed them so.
std::optional<std::string> from_base64url(std::string_view text);

} // namespace pdpp::http
