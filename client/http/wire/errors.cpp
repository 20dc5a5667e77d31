#include "http/wire/errors.hpp"

#include <array>
#include <utility>

namespace pdpp::http {

namespace {

constexpr std::array error_table{
    ErrorRow{ErrorKind::invalid_request, "invalid_request", status::bad_request,
             "limit must be a whole number from 1 to 5000.", "limit"},
    ErrorRow{ErrorKind::owner_session_required,
             "owner_session_required",
             status::unauthorized,
             "This needs the owner's session: log in at /owner/login, or send a bearer token.",
             "",
             {{{field::www_authenticate, "Bearer realm=\"pdpp\""}}}},
    ErrorRow{ErrorKind::invalid_password,
             "invalid_password",
             status::unauthorized,
             "The password is wrong.",
             "",
             {{{field::www_authenticate, "Bearer realm=\"pdpp\""}}}},
    ErrorRow{ErrorKind::origin_mismatch, "origin_mismatch", status::forbidden,
             "This request comes from a page of another site."},
    ErrorRow{ErrorKind::owner_login_disabled, "owner_login_disabled", status::forbidden,
             "This server runs without an owner's password."},
    ErrorRow{ErrorKind::no_such_path, "not_found", status::not_found, "There is nothing at this path."},
    ErrorRow{ErrorKind::method_not_allowed,
             "method_not_allowed",
             status::method_not_allowed,
             "This path answers to GET, HEAD only.",
             "",
             {{{field::allow}}}},
    ErrorRow{ErrorKind::not_acceptable,
             "not_acceptable",
             status::not_acceptable,
             "This is available only as application/json, text/event-stream.",
             "",
             {{{field::vary, "Accept"}}}},
    ErrorRow{ErrorKind::precondition_failed,
             "precondition_failed",
             status::precondition_failed,
             "What is there now has another entity tag than If-Match asks for.",
             "",
             {{{field::etag}, {field::vary}}}},
    ErrorRow{ErrorKind::body_too_large, "body_too_large", status::payload_too_large, "The request body is too large."},
    ErrorRow{ErrorKind::uri_too_long, "uri_too_long", status::uri_too_long, "The request target is too long."},
    ErrorRow{ErrorKind::unsupported_media_type, "unsupported_media_type", status::unsupported_media_type,
             "The body must be application/json."},
    ErrorRow{ErrorKind::host_not_allowed, "host_not_allowed", status::misdirected_request,
             "This server runs without an owner's password, and answers to names of this machine only: use localhost, "
             "127.0.0.1 or [::1] in the URL, start it with the --public-url that you use, or give it a password."},
    ErrorRow{ErrorKind::too_many_attempts,
             "too_many_attempts",
             status::too_many_requests,
             "Too many wrong passwords. Try again later.",
             "",
             {{{field::retry_after}}}},
    ErrorRow{ErrorKind::headers_too_large, "headers_too_large", status::request_header_fields_too_large,
             "The request headers are too large."},
    ErrorRow{ErrorKind::internal_error, "internal_error", status::internal_server_error, "Something went wrong here."},
    ErrorRow{ErrorKind::upstream_unavailable,
             "upstream_unavailable",
             status::bad_gateway,
             "The server that this is handed on to cannot be reached just now. Try again.",
             "",
             {{{field::retry_after, "1"}}}},
    ErrorRow{ErrorKind::database_unavailable,
             "database_unavailable",
             status::service_unavailable,
             "The database cannot be reached just now. Try again.",
             "",
             {{{field::retry_after, "1"}}}},
    ErrorRow{ErrorKind::not_granted,
             "not_granted",
             status::service_unavailable,
             "The database does not allow this server to do this: it lacks a grant, which its log names.",
             "",
             {{{field::retry_after, "1"}}}},
    ErrorRow{ErrorKind::run_busy,
             "run_busy",
             status::service_unavailable,
             "Another transaction holds what this needs. Nothing was done. Try again.",
             "",
             {{{field::retry_after, "1"}}}},
    ErrorRow{ErrorKind::too_many_connections,
             "too_many_connections",
             status::service_unavailable,
             "This server has too many connections just now. Try again.",
             "",
             {{{field::retry_after, "1"}}}},
    ErrorRow{ErrorKind::in_doubt,
             "in_doubt",
             status::service_unavailable,
             "The database was lost before it said whether this was done. Send the same request again: it is not done "
             "twice.",
             "",
             {{{field::retry_after, "1"}}}},
    ErrorRow{ErrorKind::timeout, "timeout", status::gateway_timeout, "The database did not answer in time."},
    ErrorRow{ErrorKind::upstream_timeout, "upstream_timeout", status::gateway_timeout,
             "The server that this was handed on to did not answer in time."},
};

// a row for each kind, in their order
static_assert(error_table.size() == static_cast<std::size_t>(ErrorKind::upstream_timeout) + 1);
static_assert([] {
    for (std::size_t i = 0; i < error_table.size(); ++i) {
        if (error_table[i].kind != static_cast<ErrorKind>(i)) {
            return false;
        }
    }
    return true;
}());

const ErrorRow& row_of(ErrorKind kind) {
    return error_table[static_cast<std::size_t>(kind)];
}

} // namespace

std::span<const ErrorRow> error_rows() {
    return error_table;
}

Refusal refusal(ErrorKind kind) {
    const auto& row = row_of(kind);
    return refusal(kind, std::string{row.message}, std::string{row.param});
}

Refusal refusal(ErrorKind kind, std::string message, std::string param) {
    const auto& row = row_of(kind);
    Refusal refusal{.code = row.http_status,
                    .error_code = std::string{row.code},
                    .message = std::move(message),
                    .param = std::move(param)};
    for (const auto& header : row.headers) {
        if (!header.value.empty()) {
            refusal.headers.emplace_back(header.name, header.value);
        }
    }
    return refusal;
}

Refusal invalid_request(std::string message, std::string param) {
    return refusal(ErrorKind::invalid_request, std::move(message), std::move(param));
}

} // namespace pdpp::http
