#pragma once
// The errors that HTTP adds to those of the SQL API (run/error.hpp): the one place that lists them. Refusals are made
// from it, and the examples of the OpenAPI document.

#include "http/wire/message.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace pdpp::http {

enum class ErrorKind {
    invalid_request,
    owner_session_required,
    invalid_password,
    origin_mismatch,
    owner_login_disabled,
    no_such_path,
    method_not_allowed,
    not_acceptable,
    precondition_failed,
    body_too_large,
    uri_too_long,
    unsupported_media_type,
    host_not_allowed,
    too_many_attempts,
    headers_too_large,
    internal_error,
    upstream_unavailable,
    database_unavailable,
    not_granted,
    run_busy,
    too_many_connections,
    in_doubt,
    timeout,
    upstream_timeout,
};

/// A header that comes with an error. Its value is empty where each case has its own.
struct ErrorHeader {
    field name = field::unknown;
    std::string_view value = {};
};

struct ErrorRow {
    ErrorKind kind;
    std::string_view code; ///< what clients key on; `not_found` is one of the SQL API too
    status http_status;
    std::string_view message; ///< for people; where each case has words of its own, an example of them
    std::string_view param = {};
    std::array<ErrorHeader, 2> headers = {};
};

/// All of them, by status.
std::span<const ErrorRow> error_rows();

/// The refusal of this kind, in the words of the table and with the header that it always has, or in words for the
/// case.
Refusal refusal(ErrorKind kind);
Refusal refusal(ErrorKind kind, std::string message, std::string param = {});

/// 400 `invalid_request`.
Refusal invalid_request(std::string message, std::string param = {});

} // namespace pdpp::http
