#include "controller/ending.hpp"

#include "text/text.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <cstring>
#include <string_view>

namespace pdpp::controller {

namespace json = boost::json;

namespace {

Ending failed(std::string_view reason, std::string_view origin, const std::string& message) {
    return {"failed", {{"reason", reason}, {"failure_message", message}, {"failure_origin", origin}}};
}

Ending cancelled(std::string_view reason) {
    return {"cancelled", {{"reason", reason}}};
}

Ending stopped(const Observed& observed) {
    switch (*observed.stopped) {
    case StopReason::owner_cancelled:
        return cancelled(observed.killed ? "owner_cancel_forced" : "owner_cancelled");
    case StopReason::drained:
        return cancelled("controller_drained");
    case StopReason::run_ended:
        return cancelled("run_already_ended");
    case StopReason::timed_out:
        break;
    }
    if (!observed.time_limit) {
        return failed("run_timed_out", "controller",
                      "the connector was still running when the run's deadline was near");
    }
    const auto limit = std::chrono::duration<double>(*observed.time_limit);
    return failed("run_timed_out", "controller",
                  fmt::format("the connector was still running after its time limit of {:g} seconds", limit.count()));
}

Ending reported(const Done& done) {
    switch (done.status) {
    case DoneStatus::succeeded:
        return {"completed", {}};
    case DoneStatus::cancelled:
        return cancelled("connector_reported_cancelled");
    case DoneStatus::failed:
        break;
    }
    if (!done.error_message || done.error_message->empty()) {
        return failed("connector_reported_failed", "connector", "the connector reported that it failed");
    }
    auto ending = failed("connector_reported_failed", "connector",
                         "the connector reported that it failed: " + storable(*done.error_message, 500));
    ending.data["connector_error_message"] = *done.error_message;
    return ending;
}

/// What other reports said is kept as far as it can explain the failure.
Ending unreadable(const Observed& observed) {
    auto ending =
        failed("connector_report_unreadable", "connector",
               "the connector reported how it ended (DONE), and the report cannot be read: " + *observed.unreadable);
    if (observed.done && observed.done->error_message && !observed.done->error_message->empty()) {
        ending.data["connector_error_message"] = *observed.done->error_message;
    }
    return ending;
}

Ending exited(const ExitStatus& exit) {
    if (exit.signal != 0) {
        return failed("connector_killed_by_signal", "connector",
                      fmt::format("the connector was killed by {}", signal_name(exit.signal)));
    }
    if (exit.code != 0) {
        return failed("connector_exit_nonzero", "connector",
                      fmt::format("the connector exited with code {}", exit.code));
    }
    return {"completed", {}};
}

void add_evidence(json::object& data, const Observed& observed) {
    if (observed.exit.signal != 0) {
        data["signal"] = signal_name(observed.exit.signal);
        data["signal_number"] = observed.exit.signal;
    } else if (observed.exit.code != 0) {
        data["exit_code"] = observed.exit.code;
    }
    if (observed.stopped) {
        data["forced"] = observed.killed;
    }
    if (observed.done && observed.done->records_emitted) {
        data["records_emitted"] = *observed.done->records_emitted;
    }
    if (observed.unreadable_progress > 0) {
        data["unreadable_progress"] = observed.unreadable_progress;
    }
}

} // namespace

std::string signal_name(int signal) {
    const char* const name = sigabbrev_np(signal);
    return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

Ending ending_of(const Observed& observed) {
    Ending ending = observed.stopped      ? stopped(observed)
                    : observed.unreadable ? unreadable(observed)
                    : observed.done       ? reported(*observed.done)
                                          : exited(observed.exit);
    add_evidence(ending.data, observed);
    return ending;
}

Ending controller_error(const std::string& message) {
    return failed("controller_error", "controller", "the controller could not follow the run: " + message);
}

std::vector<json::object> versions_of(const json::object& data) {
    constexpr std::size_t short_text = 100;
    json::object shortened = data;
    for (auto& [key, value] : shortened) {
        if (value.is_string()) {
            value = storable(value.get_string(), short_text);
        }
    }
    json::object reason;
    if (const auto* value = shortened.if_contains("reason")) {
        reason["reason"] = *value;
    }
    std::vector<json::object> versions{data};
    for (auto& less : {shortened, reason, json::object()}) {
        if (less != versions.back()) {
            versions.push_back(less);
        }
    }
    return versions;
}

} // namespace pdpp::controller
