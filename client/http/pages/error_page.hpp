#pragma once
// What was refused, as a page.

#include "http/wire/message.hpp"

#include <string_view>

namespace pdpp::http {

/// The page of a refusal, with its status, its code and its headers. Of a read that may succeed soon it tries again by
/// itself; without a session it leads to the login (303), and back from there.
Response error_page(const Request& request, const Refusal& refusal, std::string_view request_id);

/// The login. `refusal`, if not null, is what became of the last try.
Response login_page(std::string_view return_to, const Refusal* refusal);

/// Where the login leads back to: what was asked for, or, if that cannot be had by asking again, the page it is about.
std::string return_path(const Request& request);

} // namespace pdpp::http
