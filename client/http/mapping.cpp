// The routes. To serve another SQL function, add a row.

#include "http/mapping.hpp"

#include <charconv>

namespace pdpp::http {

namespace {

constexpr Format any_text{[](std::string_view) { return true; }, "text"};

/// Plain decimal: no sign, no blanks, no leading zero.
constexpr Format page_size{[](std::string_view value) {
                               const char* const end = value.data() + value.size();
                               int number = 0;
                               const auto [stop, failure] = std::from_chars(value.data(), end, number);
                               return failure == std::errc{} && stop == end && number >= 1 && number <= 5000 &&
                                      value.front() != '0';
                           },
                           "a whole number from 1 to 5000"};

constexpr Binding run_id{Binding::Place::segment, "run_id", "run_id", "text", any_text};

const std::vector<Route> table{
    {.methods = {verb::get, verb::head},
     .path = "/_ref/runs/{run_id}",
     .answer = SqlCall{"pdpp_run_status", pq::Effect::reads, {run_id}},
     .success = status::ok,
     .needs_session = true},

    {.methods = {verb::get, verb::head},
     .path = "/_ref/runs/{run_id}/timeline",
     .answer = SqlCall{"pdpp_run_timeline",
                       pq::Effect::reads,
                       {run_id,
                        {Binding::Place::query, "limit", "page_size", "int", page_size},
                        {Binding::Place::query, "cursor", "cursor", "text", any_text}}},
     .success = status::ok,
     .needs_session = true},

    {.methods = {verb::post},
     .path = "/owner/login",
     .answer = OwnerAction::log_in,
     .success = status::no_content,
     .needs_session = false},

    {.methods = {verb::post},
     .path = "/owner/logout",
     .answer = OwnerAction::log_out,
     .success = status::no_content,
     .needs_session = false},
};

} // namespace

std::span<const Route> routes() {
    return table;
}

} // namespace pdpp::http
