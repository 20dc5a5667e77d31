#include "cli/output.hpp"

#include "cli/setup/next_steps.hpp"
#include "pq/advice.hpp"
#include "pq/body.hpp"
#include "pq/grants.hpp"
#include "pq/write.hpp"
#include "text/shell.hpp"
#include "text/text.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <utility>

namespace pdpp::cli {

namespace json = boost::json;

namespace {

std::string string_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// The first line: libpq explains itself at length below it.
std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

/// A line of a table, or nothing if there is nothing to say.
std::string row(std::string_view name, const std::string& value) {
    return value.empty() ? std::string() : fmt::format("{:<13} {}\n", name, printable(value));
}

Failure refusal(const pq::Error& error, const std::string& conninfo) {
    Failure failure{exit_code::refused, "refused", first_line(error.what()), first_line(error.hint()), {}};
    if (auto typed = pq::typed_refusal(error)) {
        failure.exit_code = typed->code == "not_found" ? exit_code::unknown_run : exit_code::refused;
        failure.code = typed->code;
        failure.details = std::move(typed->extra);
        if (!typed->param.empty()) {
            failure.details["param"] = typed->param;
        }
    } else if (error.sqlstate() == pq::sqlstate::read_only_sql_transaction) {
        failure.exit_code = exit_code::cannot_connect;
        failure.code = "no_primary";
        failure.message = "the server takes no writes: it is a standby, or its default_transaction_read_only is on";
        failure.hint = "Name the primary with --db, or all hosts: host=a,b.";
    } else if (error.sqlstate() == pq::sqlstate::insufficient_privilege) {
        failure.code = "permission_denied";
        const auto role = pq::role_in(conninfo);
        failure.hint =
            fmt::format("Ask a superuser of the server to run {}, or in SQL {} to look at runs, the same "
                        "with 'controller' to launch them.",
                        pq::init_command(pq::database_in(conninfo), role), pq::grant_for("pdpp_run_status", role));
    } else if (error.sqlstate() == pq::sqlstate::undefined_function) {
        failure.code = "extension_outdated";
        failure.message = "the extension in this database is older than this program";
        failure.hint = "Bring it up to date: ALTER EXTENSION pdpp UPDATE";
    }
    return failure;
}

/// A write whose fate could not be learned, with the ids to look for.
Failure doubt(const pq::Error& error, const std::string& conninfo) {
    const auto look = "Once the database is back, look with: pdpp status" + database_option(conninfo) + " ";
    Failure failure{exit_code::cannot_connect, "in_doubt", first_line(error.what()), look + "RUN", {}};
    if (const auto* const known = dynamic_cast<const pq::InDoubt*>(&error)) {
        const auto add = [&](std::string_view key, const std::optional<std::string>& id) {
            if (id) {
                failure.details[key] = *id;
            }
        };
        const auto& ids = known->ids();
        add("run_id", ids.run_id);
        add("trace_id", ids.trace_id);
        add("idempotency_key", ids.idempotency_key);
        if (ids.idempotency_key) {
            failure.hint = "Once the database is back, repeat the command with the same --idempotency-key.";
        } else if (ids.run_id) {
            failure.hint = look + in_shell(*ids.run_id);
        }
    }
    return failure;
}

} // namespace

Failure failure_of(const pq::Error& error, const std::string& conninfo) {
    const auto message = first_line(error.what());
    switch (error.kind()) {
    case pq::ErrorKind::cannot_connect:
    case pq::ErrorKind::not_let_in:
        return {exit_code::cannot_connect,
                "cannot_connect",
                "cannot connect to the database: " + message,
                !error.hint().empty() ? error.hint()
                : error.kind() == pq::ErrorKind::cannot_connect
                    ? fmt::format("If the server there is down, start it. {}", pq::check_what_is_said)
                    : std::string{pq::check_what_is_said},
                {}};
    case pq::ErrorKind::connection_lost:
        return {exit_code::cannot_connect,
                "connection_lost",
                "the connection to the database was lost: " + message,
                "Try again.",
                {}};
    case pq::ErrorKind::in_doubt:
        return doubt(error, conninfo);
    case pq::ErrorKind::timeout:
        return {exit_code::cannot_connect,
                "timeout",
                "the database did not answer in time: " + message,
                "Look whether it is overloaded or a lock is held, then try again.",
                {}};
    case pq::ErrorKind::refused:
        return refusal(error, conninfo);
    case pq::ErrorKind::misused:
        break;
    }
    return {exit_code::other_ending, "internal_error", message, "", {}};
}

Failure failure_of_envelope(std::string_view body) {
    const auto error = pq::parse_body(body).as_object().at("error").as_object();
    Failure failure{exit_code::unknown_run,
                    string_at(error, "code"),
                    string_at(error, "message"),
                    "Ids are case-sensitive; look whether --db names the database that handed this one out.",
                    {}};
    for (const auto& [key, value] : error) {
        if (key != "code" && key != "message") {
            failure.details.emplace(key, value);
        }
    }
    return failure;
}

bool is_error_envelope(std::string_view body) {
    return body.starts_with("{\"error\": {");
}

std::string failure_text(const Failure& failure) {
    auto text = fmt::format("pdpp: {}\n", printable(failure.message));
    if (!failure.hint.empty()) {
        text += fmt::format("      {}\n", printable(failure.hint));
    }
    return text;
}

std::string failure_json(const Failure& failure) {
    json::object error{{"code", failure.code}, {"message", failure.message}};
    if (!failure.hint.empty()) {
        error["hint"] = failure.hint;
    }
    for (const auto& [key, value] : failure.details) {
        error.emplace(key, value);
    }
    return json::serialize(json::object{{"error", std::move(error)}}) + "\n";
}

std::string status_text(std::string_view body) {
    const auto status = pq::parse_body(body).as_object();
    auto text = row("run", string_at(status, "run_id")) + row("status", string_at(status, "status")) +
                row("reason", string_at(status, "terminal_reason"));
    if (const auto* failure = status.if_contains("failure"); failure != nullptr && failure->is_object()) {
        const auto& object = failure->get_object();
        text += row("message", string_at(object, "message")) + row("origin", string_at(object, "origin")) +
                row("connector said", string_at(object, "connector_error_message"));
    }
    return text + row("connector", string_at(status, "connector_id")) +
           row("connection", string_at(status, "connector_instance_id")) + row("trace", string_at(status, "trace_id")) +
           row("repeats", string_at(status, "retry_of")) + row("repeated by", string_at(status, "retried_by")) +
           row("admitted", string_at(status, "admitted_at")) + row("started", string_at(status, "started_at")) +
           row("cancel asked", string_at(status, "cancel_requested_at")) +
           row("deadline", string_at(status, "deadline_at")) + row("ended", string_at(status, "completed_at"));
}

std::string ending_text(std::string_view body) {
    const auto status = pq::parse_body(body).as_object();
    auto text =
        fmt::format("run {} {}", printable(string_at(status, "run_id")), printable(string_at(status, "status")));
    if (const auto reason = string_at(status, "terminal_reason"); !reason.empty()) {
        text += ": " + printable(reason);
    }
    if (const auto* failure = status.if_contains("failure"); failure != nullptr && failure->is_object()) {
        if (const auto message = string_at(failure->get_object(), "message"); !message.empty()) {
            text += " (" + printable(message) + ")";
        }
    }
    return text + "\n";
}

std::string acknowledgement_text(std::string_view body) {
    return fmt::format("run {} started\n", printable(pq::string_in(body, "run_id")));
}

std::string timeline_text(std::string_view body) {
    std::string text;
    const auto page = pq::parse_body(body).as_object();
    for (const auto& item : page.at("data").as_array()) {
        const auto& event = item.as_object();
        const auto* data = event.if_contains("data");
        const bool has_data = data != nullptr && !(data->is_object() && data->get_object().empty());
        auto line = fmt::format("{:>5}  {}  {:<24}", json::serialize(event.at("event_seq")),
                                printable(string_at(event, "occurred_at")), printable(string_at(event, "event_type")));
        if (has_data) {
            line += "  " + printable(json::serialize(*data));
        }
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

TimelinePage timeline_page(std::string_view body) {
    const auto page = pq::parse_body(body).as_object();
    TimelinePage result{.is_empty = page.at("data").as_array().empty(),
                        .is_truncated = page.at("truncated").as_bool(),
                        .has_ended = !page.at("terminal_status").is_null(),
                        .next_cursor = {}};
    if (auto cursor = string_at(page, "next_cursor"); !cursor.empty()) {
        result.next_cursor = std::move(cursor);
    }
    return result;
}

std::string runs_text(std::string_view body, bool with_heading) {
    const auto list = pq::parse_body(body).as_object();
    const auto line = [](std::string_view status, std::string_view admitted, std::string_view ended,
                         std::string_view connection, std::string_view run, std::string_view reason) {
        auto text =
            fmt::format("{:<9}  {:<24}  {:<24}  {:<20}  {:<36}  {}", status, admitted, ended, connection, run, reason);
        return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
    };
    std::string text = with_heading ? line("STATUS", "ADMITTED", "ENDED", "CONNECTION", "RUN", "REASON") : "";
    for (const auto& item : list.at("data").as_array()) {
        const auto& run = item.as_object();
        const auto shown = [&](std::string_view key) { return printable(string_at(run, key)); };
        text += line(shown("status"), shown("admitted_at"), shown("completed_at"), shown("connector_instance_id"),
                     shown("run_id"), shown("terminal_reason"));
    }
    return text;
}

std::string connections_text(std::string_view body, bool with_heading) {
    const auto list = pq::parse_body(body).as_object();
    const auto line = [](std::string_view connection, std::string_view connector, std::string_view controller,
                         std::string_view run) {
        auto text = fmt::format("{:<24}  {:<20}  {:<20}  {}", connection, connector, controller, run);
        return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
    };
    std::string text = with_heading ? line("CONNECTION", "CONNECTOR", "OFFERED BY", "ACTIVE RUN") : "";
    for (const auto& item : list.at("data").as_array()) {
        const auto& connection = item.as_object();
        const auto shown = [](const json::object& object, std::string_view key) {
            return printable(string_at(object, key));
        };
        const auto* const run = connection.at("active_run").if_object();
        const auto controller = shown(connection, "controller_id");
        text += line(shown(connection, "connector_instance_id"), shown(connection, "connector_id"),
                     controller.empty() ? "-" : controller, run == nullptr ? "-" : shown(*run, "run_id"));
    }
    return text;
}

std::optional<std::string> next_page(std::string_view body) {
    auto cursor = pq::string_in(body, "next_cursor");
    return cursor.empty() ? std::nullopt : std::optional(std::move(cursor));
}

bool is_ended_status(std::string_view body) {
    return !is_error_envelope(body) && is_terminal(pq::string_in(body, "status"));
}

bool is_ended_timeline(std::string_view body) {
    return !is_error_envelope(body) && timeline_page(body).has_ended;
}

bool is_terminal(std::string_view status) {
    return status == "completed" || status == "failed" || status == "cancelled" || status == "abandoned";
}

std::string handle_text(std::string_view body, const std::string& conninfo) {
    const auto run_id = pq::string_in(body, "run_id");
    const auto of_run = database_option(conninfo) + " " + in_shell(run_id);
    return printable(run_id) + "\n" + row("trace", pq::string_in(body, "trace_id")) +
           row("wait for it", "pdpp wait" + of_run) + row("follow it", "pdpp timeline --follow" + of_run);
}

std::string cancel_text(std::string_view body) {
    return fmt::format("run {} was asked to end\n", printable(pq::string_in(body, "run_id")));
}

} // namespace pdpp::cli
