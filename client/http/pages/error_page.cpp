#include "http/pages/error_page.hpp"

#include "http/pages/page.hpp"
#include "http/syntax/form.hpp"
#include "http/syntax/local_path.hpp"
#include "text/text.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>

namespace pdpp::http {

namespace {

constexpr std::size_t said_limit = 1000; // characters of an error's message, which may name what was asked for
constexpr std::size_t way_limit = 4000;  // bytes of an address that a login leads back to, else to the list

std::string heading_of(const Refusal& refusal) {
    switch (refusal.code) {
    case status::not_found:
        return refusal.param == "run_id"           ? "No such run"
               : refusal.error_code == "not_found" ? "Nothing here"
                                                   : "Not found";
    case status::conflict:
        return refusal.error_code == "run_already_active" ? "It is running already" : "Not as things stand";
    case status::forbidden:
        return "Not allowed";
    case status::too_many_requests:
        return "Too many tries";
    case status::service_unavailable:
        return "Just now this cannot be shown";
    case status::gateway_timeout:
        return "The database did not answer in time";
    case status::internal_server_error:
        return "Something went wrong here";
    default:
        return "This cannot be answered";
    }
}

bool may_pass(const Refusal& refusal) {
    return refusal.code == status::service_unavailable || refusal.code == status::gateway_timeout;
}

bool is_read(const Request& request) {
    return request.method() == verb::get || request.method() == verb::head;
}

/// Where somebody who is stuck may go on.
void add_way_back(PageValues& values, const Request& request) {
    const auto back = return_path(request);
    const bool is_of_run = back != list_path && !is_read(request);
    auto way = values.add("BACK");
    way.text("BACK_URL", is_of_run ? std::string_view{back} : list_path);
    way.text("BACK_WORDS", is_of_run ? "Back to the run" : "To the list of runs");
}

} // namespace

std::string return_path(const Request& request) {
    const std::string_view target = request.target();
    if (!is_local_path(target)) {
        return std::string{list_path};
    }
    if (is_read(request)) {
        return std::string{target};
    }
    // of a run, what stands before the last segment: /_ref/runs/ID/cancel
    const auto path = target.substr(0, target.find('?'));
    const auto last = path.rfind('/');
    if (path.starts_with("/_ref/runs/") && last > list_path.size()) {
        return std::string{path.substr(0, last)};
    }
    return std::string{list_path};
}

Response login_page(std::string_view return_to, const Refusal* refusal) {
    Page page("login");
    page.title("Log in · pdpp", "pdpp");
    page.values().value("RETURN_TO", return_to.size() <= way_limit ? return_to : list_path);
    if (refusal != nullptr) {
        auto problem = page.values().add("PROBLEM");
        problem.text("MESSAGE", refusal->message);
        if (refusal->code == status::too_many_requests) {
            for (const auto& [name, value] : refusal->headers) {
                if (name == field::retry_after) {
                    problem.text("ADVICE", fmt::format("In {} s this server listens again.", value));
                }
            }
        }
    }
    auto response = page_response(refusal != nullptr ? refusal->code : status::ok, page);
    if (refusal != nullptr) {
        for (const auto& [name, value] : refusal->headers) {
            response.set(name, value);
        }
    }
    return response;
}

Response error_page(const Request& request, const Refusal& refusal, std::string_view request_id) {
    const std::string_view target = request.target();
    if (refusal.error_code == "owner_session_required") {
        return see_other("/owner/login?return_to=" + percent_encoded(return_path(request)));
    }
    if (target.substr(0, target.find('?')) == "/owner/login" && !is_read(request)) {
        return login_page(form_value(request.body(), "return_to").value_or(""), &refusal);
    }
    Page page("error");
    auto& values = page.values();
    const auto heading = heading_of(refusal);
    page.title(heading + " · pdpp", "pdpp");
    values.number("HTTP_STATUS", static_cast<int>(refusal.code));
    values.text("CODE", refusal.error_code);
    values.text("HEADING", heading);
    values.text("MESSAGE", storable(refusal.message, said_limit));
    values.text("REQUEST_ID", request_id);
    if (refusal.code == status::not_found) {
        values.add(refusal.param == "run_id"                              ? "NOT_FOUND_RUN"
                   : refusal.error_code == "connector_instance_not_found" ? "NOT_FOUND_CONNECTION"
                                                                          : "NOT_FOUND_PATH");
    }
    const bool tries_again = may_pass(refusal) && is_read(request);
    if (tries_again) {
        values.add("TRIES_AGAIN");
    } else if (may_pass(refusal)) {
        auto again = values.add("SEND_AGAIN");
        again.value("KEY", form_value(request.body(), "idempotency_key").value_or(""));
    }
    for (const auto& [name, value] : refusal.headers) {
        if (name == field::location && refusal.error_code == "run_already_active") {
            values.add("ACTIVE_RUN").text("ACTIVE_URL", value);
        }
    }
    add_way_back(values, request);
    auto response = page_response(refusal.code, page);
    for (const auto& [name, value] : refusal.headers) {
        response.set(name, value);
    }
    response.set(field::cache_control, "no-store");
    if (tries_again) {
        response.set("Refresh", "3");
    }
    return response;
}

} // namespace pdpp::http
