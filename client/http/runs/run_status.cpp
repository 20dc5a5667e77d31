#include "http/runs/run_status.hpp"

#include "http/runs/status_body.hpp"
#include "http/syntax/entity_tag.hpp"
#include "run/event.hpp"

#include <utility>

namespace pdpp::http {

bool RunStatus::is_last() const {
    return run::outcome_named(status).has_value();
}

RunStatus read_status(std::string_view body, std::string_view etag) {
    return {.body = body,
            .etag = etag,
            .status = status_in_body(body),
            .trace_id = trace_id_in_body(body),
            .timeline_link = timeline_link_in_body(body)};
}

StatusText::StatusText(std::string body) : text_(std::make_unique<Text>()) {
    text_->etag = entity_tag(body);
    text_->body = std::move(body);
    status_ = read_status(text_->body, text_->etag);
}

} // namespace pdpp::http
