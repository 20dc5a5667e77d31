#include "http/pages/runs_page.hpp"

#include "http/pages/reading.hpp"
#include "http/pages/times.hpp"
#include "http/pages/words.hpp"
#include "http/syntax/entity_tag.hpp"
#include "http/syntax/local_path.hpp"
#include "pq/body.hpp"
#include "pq/random.hpp"
#include "run/link.hpp"
#include "text/text.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include <algorithm>
#include <cctype>
#include <vector>

namespace pdpp::http {

namespace json = boost::json;

namespace {

constexpr std::size_t reason_limit = 120; // characters

std::string_view value_in(std::span<const QueryParameter> query, std::string_view name) {
    const auto found = std::ranges::find(query, name, &QueryParameter::name);
    return found == query.end() ? std::string_view{} : std::string_view{found->value};
}

/// The list's address with these filters, but `cursor`.
std::string list_address(std::span<const QueryParameter> query, std::string_view cursor) {
    std::vector<QueryParameter> with{query.begin(), query.end()};
    std::erase_if(with, [](const QueryParameter& each) { return each.name == "cursor"; });
    with.push_back({"cursor", std::string{cursor}});
    return with_query(list_path, with);
}

void add_run_row(PageValues& page, const json::object& run, std::int64_t now, const Room& room) {
    auto row = page.add("RUN");
    const auto run_id = text_at(run, "run_id");
    const auto status = text_at(run, "status");
    row.text("ROW", percent_encoded(run_id));
    row.text("RUN_ID", run_id);
    row.text("URL", run::self_link(run_id).view());
    row.text("STATUS", status);
    row.text("MARK", mark_of(status));
    row.text("CONNECTION", text_at(run, "connector_instance_id"));
    if (text_at(run, "connector_id") != text_at(run, "connector_instance_id")) {
        row.add("OTHER_CONNECTOR").text("CONNECTOR", text_at(run, "connector_id"));
    }
    const auto admitted = text_at(run, "admitted_at");
    row.text("TIME", admitted);
    row.text("TEXT", readable_time(admitted));
    const auto began = millis_of(text_at(run, "started_at")).value_or(millis_of(admitted).value_or(now));
    const auto ended = millis_of(text_at(run, "completed_at"));
    row.text("TOOK", duration(ended.value_or(now) - began));
    if (ended) {
        row.add("ENDED");
    } else {
        row.add("RUNNING").number("SINCE", began);
    }
    std::string reason{text_at(run, "terminal_reason")};
    if (const auto* const failure = run.if_contains("failure"); failure != nullptr && failure->is_object()) {
        if (const auto message = text_at(failure->get_object(), "message"); !message.empty()) {
            reason.append(reason.empty() ? "" : ": ").append(message);
        }
    } else if (!text_at(run, "cancel_requested_at").empty()) {
        reason = "cancel requested";
    }
    std::ranges::replace(reason, '\n', ' ');
    row.text("REASON", storable(reason, room.characters(reason_limit)));
}

void add_connections(PageValues& page, std::span<const QueryParameter> query, std::string_view body) {
    if (body.empty()) {
        page.add("UNREAD_CONNECTIONS");
        return;
    }
    const auto list = pq::parse_body(body);
    const auto& connections = list.at("data").as_array();
    if (connections.empty()) {
        return;
    }
    auto start = page.add("STARTABLE");
    if (!value_in(query, "connections").empty()) {
        start.add("OPEN");
    }
    for (const auto& each : connections) {
        const auto& connection = each.as_object();
        const auto id = text_at(connection, "connector_instance_id");
        auto shown = start.add("CONNECTION");
        shown.text("ROW", percent_encoded(id));
        shown.text("NAME", id);
        shown.text("CONNECTOR", text_at(connection, "connector_id"));
        if (const auto* const active = connection.if_contains("active_run"); active != nullptr && active->is_object()) {
            shown.add("BUSY").text("ACTIVE_URL", run::self_link(text_at(active->get_object(), "run_id")).view());
            continue;
        }
        auto idle = shown.add("IDLE");
        idle.text("START_URL", run::start_link(id).view());
        idle.text("KEY", pq::random_hex(16));
        const auto* const offered = connection.if_contains("offered");
        if (offered != nullptr && offered->is_bool() && !offered->get_bool()) {
            idle.add("NOT_OFFERED");
        }
    }
    if (const auto cursor = text_at(list.as_object(), "next_cursor"); !cursor.empty()) {
        std::vector<QueryParameter> with{query.begin(), query.end()};
        std::erase_if(with, [](const QueryParameter& each) { return each.name == "connections"; });
        with.push_back({"connections", std::string{cursor}});
        start.add("MORE_CONNECTIONS").text("MORE_URL", list_address(with, value_in(query, "cursor")));
    }
}

std::string heading_of(std::span<const QueryParameter> query) {
    const auto status = value_in(query, "status");
    std::string heading = status.empty() ? "Runs" : fmt::format("{} runs", status);
    heading.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(heading.front())));
    if (const auto connection = value_in(query, "connector_instance_id"); !connection.empty()) {
        heading.append(" of ").append(connection);
    } else if (const auto connector = value_in(query, "connector_id"); !connector.empty()) {
        heading.append(" of ").append(connector);
    }
    if (const auto repeated = value_in(query, "retry_of"); !repeated.empty()) {
        heading.append(" that repeat ").append(repeated);
    }
    return heading;
}

} // namespace

std::vector<QueryParameter> connections_query(std::span<const QueryParameter> query, std::size_t limit) {
    std::vector<QueryParameter> filters{{"limit", std::to_string(limit)}};
    for (const std::string_view name : {"connector_id", "connector_instance_id"}) {
        filters.push_back({std::string{name}, std::string{value_in(query, name)}});
    }
    filters.push_back({"cursor", std::string{value_in(query, "connections")}});
    std::erase_if(filters, [](const QueryParameter& each) { return each.value.empty(); });
    return filters;
}

void fill_runs_page(Page& page, std::span<const QueryParameter> query, const RunsPageParts& parts, std::int64_t now,
                    const Room& room) {
    const auto list = pq::parse_body(parts.runs);
    const auto& runs = list.at("data").as_array();
    auto& values = page.values();
    const auto heading = heading_of(query);
    page.title(heading + " · pdpp", "pdpp");
    values.text("HEADING", heading);
    values.text("TAG", entity_tag(parts.all_runs));
    values.number("NOW", now);
    values.text("NOW_TIME", time_of(now));
    values.text("NOW_TEXT", readable_time(time_of(now)));
    for (const std::string_view status : {"active", "completed", "failed", "cancelled", "abandoned"}) {
        auto choice = values.add("CHOICE");
        choice.text("WORD", status);
        if (value_in(query, "status") == status) {
            choice.add("CHOSEN");
        }
    }
    values.value("F_CONNECTION", value_in(query, "connector_instance_id"));
    values.value("F_CONNECTOR", value_in(query, "connector_id"));
    values.value("F_SINCE", value_in(query, "since"));
    values.value("F_UNTIL", value_in(query, "until"));
    if (const auto repeated = value_in(query, "retry_of"); !repeated.empty()) {
        values.add("RETRIES").value("OF", repeated);
    }
    const bool is_older = !value_in(query, "cursor").empty();
    const bool is_filtered = std::ranges::any_of(query, [](const auto& each) {
        return each.name != "cursor" && each.name != "limit" && each.name != "connections";
    });
    if (is_filtered) {
        values.add("FILTERED");
    }
    if (is_older) {
        values.add("OLDER").text("NEWEST_URL", list_address(query, {}));
    }
    if (runs.empty()) {
        values.add(is_filtered || is_older ? "NONE_MATCH" : "NONE_AT_ALL");
    }
    for (const auto& each : runs) {
        add_run_row(values, each.as_object(), now, room);
    }
    if (const auto cursor = text_at(list.as_object(), "next_cursor"); !cursor.empty()) {
        auto next = values.add("NEXT");
        next.text("NEXT_URL", list_address(query, cursor));
        if (parts.runs != parts.all_runs) {
            next.add("FEWER").text("FEWER_WORDS",
                                   fmt::format("{} runs on this page, which has no room for more of such "
                                               "length; there are more.",
                                               runs.size()));
        }
    }
    add_connections(values, query, parts.connections);
    values.text("ALSO_URL", with_query("/_ref/connections", connections_query(query, parts.connections_limit)));
    values.text("ALSO_TAG", parts.connections.empty() ? "" : entity_tag(parts.connections));
}

} // namespace pdpp::http
