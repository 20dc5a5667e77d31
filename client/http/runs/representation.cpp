// Headers by what a body says.

#include "http/runs/representation.hpp"

#include "http/wire/errors.hpp"

#include "http/syntax/entity_tag.hpp"
#include "http/syntax/header_list.hpp"
#include "http/syntax/negotiation.hpp"
#include "http/syntax/traceparent.hpp"
#include "http/wire/envelope.hpp"
#include "pq/body.hpp"

#include <fmt/compile.h>
#include <fmt/ranges.h>

namespace pdpp::http {

namespace {

/// Seconds until something may have changed.
constexpr std::string_view soon = "1";

/// How long an answer is good: until it is asked for again. A run that has ended may still be repeated, and says so
/// then.
constexpr std::string_view for_now = "no-cache";

void link_timeline(Response& response, std::string_view timeline_link) {
    response.insert(field::link, fmt::format(FMT_COMPILE("<{}>; rel=\"timeline\""), timeline_link));
}

/// The answer that says: what you have is what there is.
Response not_modified(const Response& found) {
    Response response{status::not_modified, 11};
    for (const auto name : {field::etag, field::cache_control, field::vary, field::retry_after}) {
        if (const auto header = found.find(name); header != found.end()) {
            response.set(name, header->value());
        }
    }
    return response;
}

/// With its tag; or without its body, for a client that has it. Throws Refusal for one that wants another.
Response unless_known(const Request& request, std::string_view etag, Response response) {
    response.insert(field::vary, varies_by);
    response.insert(field::etag, etag);
    const auto wanted = header_list(request, field::if_match);
    if (wanted && !names_tag(*wanted, etag, TagComparison::strong)) {
        auto another = refusal(ErrorKind::precondition_failed);
        another.headers = {{field::etag, std::string{etag}}, {field::vary, std::string{varies_by}}};
        throw another;
    }
    const auto known = header_list(request, field::if_none_match);
    if (known && names_tag(*known, etag)) {
        return not_modified(response);
    }
    return response;
}

} // namespace

std::string_view acceptable_type(const Request& request, std::span<const std::string_view> offer) {
    const auto type = negotiate(header_list(request, field::accept), offer);
    if (!type) {
        throw refusal(ErrorKind::not_acceptable, fmt::format("This is available only as {}.", fmt::join(offer, ", ")));
    }
    return *type;
}

Response answer_to_read(const Request& request, std::string body) {
    const auto etag = entity_tag(body);
    return unless_known(request, etag, json_response(status::ok, std::move(body), for_now));
}

namespace {

/// All but the body, which is to follow if this says 200.
Response status_head(const Request& request, const RunStatus& run_status) {
    auto response = json_head(status::ok, run_status.body.size(), for_now);
    if (!run_status.is_last()) {
        response.insert(field::retry_after, soon);
    }
    link_timeline(response, run_status.timeline_link);
    return unless_known(request, run_status.etag, std::move(response));
}

} // namespace

Response answer_to_status(const Request& request, const RunStatus& run_status) {
    auto response = status_head(request, run_status);
    if (response.result() == status::ok) {
        response.body() = run_status.body;
    }
    return response;
}

Response answer_to_status(const Request& request, StatusText text) {
    auto response = status_head(request, text.status());
    if (response.result() == status::ok) {
        response.body() = std::move(text).take_body();
    }
    return response;
}

Response answer_to_admission(const Request& request, status success, std::string acknowledgement) {
    auto response = json_response(success, std::move(acknowledgement));
    const auto run = pq::parse_body(response.body());
    response.set(field::location, run.at("links").at("self").as_string());
    response.set(field::retry_after, soon);
    // A repeated request is answered with the first one's run, which is part of the first one's trace.
    const auto trace = trace_of(request);
    if (trace && run.at("trace_id").is_string() && *trace == std::string_view{run.at("trace_id").as_string()}) {
        response.set("traceparent", request["traceparent"]);
    }
    return response;
}

} // namespace pdpp::http
