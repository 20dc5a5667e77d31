#include "http/pages/run_page.hpp"

#include "http/pages/event_rows.hpp"
#include "http/pages/life.hpp"
#include "http/pages/life_figure.hpp"
#include "http/pages/times.hpp"
#include "http/pages/words.hpp"
#include "http/syntax/entity_tag.hpp"
#include "http/syntax/local_path.hpp"
#include "pq/body.hpp"
#include "pq/random.hpp"
#include "pq/timeline_cursor.hpp"
#include "run/link.hpp"
#include "text/text.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <span>
#include <vector>

namespace pdpp::http {

namespace json = boost::json;

namespace {

constexpr std::size_t message_limit = 4000; // characters
constexpr std::size_t fact_limit = 1000;

/// The status, as the page needs it again and again.
struct Shown {
    const json::object& body;
    std::string_view run_id = text_at(body, "run_id");
    std::string_view status = text_at(body, "status");
    std::string_view connection = text_at(body, "connector_instance_id");
    std::string_view cancel_requested_at = text_at(body, "cancel_requested_at");
    LifeTimes times = {};
    std::string started_at = {}; ///< of run.started itself; empty if it has not been started
    std::string path = {};       ///< of its page

    bool is_imported = false; ///< of another server, which alone may end it

    [[nodiscard]] bool is_active() const { return status == "active"; }
};

/// Cuts what is long to the room that there is, and keeps in mind that it did.
class Cutter {
  public:
    Cutter(const Room& room, std::size_t most) : limit_(room.characters(most)) {}

    std::string operator()(std::string_view text) {
        auto shown = storable(text, limit_);
        has_cut_ = has_cut_ || shown != text;
        return shown;
    }

    [[nodiscard]] bool has_cut() const { return has_cut_; }

  private:
    std::size_t limit_;
    bool has_cut_ = false;
};

const ShownEvent* event_of_type(const RunPageParts& parts, std::string_view type) {
    for (const auto* const read : {parts.first ? &*parts.first : nullptr, parts.start ? &*parts.start : nullptr,
                                   &parts.newest, parts.asked ? &*parts.asked : nullptr}) {
        if (read == nullptr) {
            continue;
        }
        const auto found = std::ranges::find(read->events, type, &ShownEvent::type);
        if (found != read->events.end()) {
            return &*found;
        }
    }
    return nullptr;
}

/// The events that the page lists.
struct Listed {
    std::span<const ShownEvent> events;
    std::string next_cursor; ///< empty if there are no more
};

Listed listed(const RunPageParts& parts, std::string_view run_id, const Room& room) {
    const auto& read = parts.asked ? *parts.asked : parts.newest;
    if (const auto rows = room.rows(events_on_page); read.events.size() > rows) {
        const std::span page = std::span{read.events}.first(rows);
        return {page, pq::timeline_cursor(run_id, page.back().seq)};
    }
    return {read.events, read.truncated ? read.next_cursor : std::string{}};
}

Shown read_shown(const json::object& body, const RunPageParts& parts, std::int64_t now) {
    Shown shown{.body = body};
    const auto admitted_at = text_at(body, "admitted_at");
    const auto started_at = text_at(body, "started_at");
    // before its start it has the admission's time
    if (event_of_type(parts, "run.started") != nullptr || !shown.is_active()) {
        shown.started_at = started_at;
    }
    const auto* const admission = event_of_type(parts, "run.admitted");
    shown.is_imported = admission != nullptr && admission->source_kind == "import";
    shown.times = {.admitted = millis_of(admitted_at).value_or(now),
                   .started = millis_of(shown.started_at),
                   .ended = millis_of(text_at(body, "completed_at")),
                   .now = now,
                   .cancel_requested = millis_of(shown.cancel_requested_at)};
    shown.path = run::self_link(shown.run_id).view();
    return shown;
}

std::string address(std::string_view path, const RunPageView& view, std::string_view cursor) {
    return with_query(path, std::vector<QueryParameter>{{"order", view.oldest_first ? "oldest" : ""},
                                                        {"type", view.event_type},
                                                        {"cursor", std::string{cursor}}});
}

void add_headline(PageValues& page, const Shown& run) {
    page.text("RUN_ID", run.run_id);
    page.value("ID_VALUE", run.run_id);
    page.text("STATUS", run.status);
    page.text("SAID", run.is_active() && !run.cancel_requested_at.empty() ? "active, cancel requested" : run.status);
    page.text("MARK", mark_of(run.status));
    const auto began = run.times.started.value_or(run.times.admitted);
    page.text("TOOK", duration(run.times.ended.value_or(run.times.now) - began));
    if (run.is_active()) {
        page.add("RUNNING").number("SINCE", began);
        if (!run.times.started) {
            page.add(run.is_imported ? "IMPORTED" : "WAITING");
        }
        if (!run.cancel_requested_at.empty()) {
            auto asked = page.add("CANCEL_ASKED").add("AT");
            asked.text("TIME", run.cancel_requested_at);
            asked.text("TEXT", readable_time(run.cancel_requested_at));
        }
    } else {
        page.add("ENDED");
    }
}

/// Why it went wrong, in the connector's own words.
void add_failure(PageValues& page, const Shown& run, const Room& room) {
    const auto* const failure = run.body.if_contains("failure");
    if (failure == nullptr || !failure->is_object()) {
        return;
    }
    const auto& what = failure->get_object();
    auto box = page.add("FAILURE");
    box.text("WHY", run.status == "abandoned" ? "Why it was abandoned:" : "Why it failed:");
    Cutter cut(room, message_limit);
    const auto add = [&](std::string_view section, std::string_view name, std::string_view key) {
        if (const auto text = text_at(what, key); !text.empty()) {
            box.add(section).text(name, cut(text));
        }
    };
    add("REASON", "REASON", "reason");
    add("HAS_MESSAGE", "MESSAGE", "message");
    if (text_at(what, "connector_error_message") != text_at(what, "message")) {
        add("HAS_CONNECTOR_ERROR", "CONNECTOR_ERROR", "connector_error_message");
    }
    add("HAS_ORIGIN", "ORIGIN", "origin");
    if (cut.has_cut()) {
        box.add("CUT");
    }
}

/// How many gaps are known of; what is neither a list nor an object as it is.
std::string gaps_words(const json::value& gaps) {
    const auto count = gaps.is_array()    ? gaps.get_array().size()
                       : gaps.is_object() ? gaps.get_object().size()
                                          : std::size_t{0};
    return gaps.is_structured() ? grouped(static_cast<std::int64_t>(count)) : json::serialize(gaps);
}

void add_facts(PageValues& page, const Shown& run, const RunPageParts& parts, const Room& room) {
    Cutter cut(room, fact_limit);
    page.text("CONNECTION", run.connection);
    page.text("CONNECTION_URL", run::runs_link(run.connection).view());
    page.text("CONNECTOR", text_at(run.body, "connector_id"));
    page.text("TRACE", cut(text_at(run.body, "trace_id")));
    const auto* const start = event_of_type(parts, "run.started");
    const auto controller = start == nullptr ? std::string_view{} : text_at(start->data, "controller_id");
    if (!controller.empty()) {
        page.add("HAS_CONTROLLER").text("CONTROLLER", cut(controller));
    } else {
        page.add("NO_CONTROLLER")
            .text("NO_CONTROLLER_WORDS", run.is_imported                         ? "of another server"
                                         : start != nullptr || run.times.started ? "none: by a session of its own"
                                         : run.is_active()                       ? "none yet"
                                                                                 : "none: it was never started");
    }
    const auto add_run = [&](std::string_view section, std::string_view key) {
        if (const auto id = text_at(run.body, key); !id.empty()) {
            auto other = page.add(section);
            other.text("ID", id);
            other.text("URL", run::self_link(id).view());
        }
    };
    add_run("REPEATS", "retry_of");
    add_run("REPEATED", "retried_by");
    if (const auto reason = text_at(run.body, "terminal_reason");
        !reason.empty() && (run.status == "completed" || run.status == "cancelled")) {
        page.add("ENDED_BY").text("REASON", cut(reason));
    }
    if (const auto* const gaps = run.body.if_contains("known_gaps"); gaps != nullptr && !gaps->is_null()) {
        page.add("GAPS").text("COUNT", cut(gaps_words(*gaps)));
    }
    if (cut.has_cut()) {
        page.add("FACTS_CUT");
    }
}

/// Admitted, started, ended, with the time between them.
void add_moments(PageValues& page, const Shown& run) {
    const auto add = [&](std::string_view name, std::string_view time, std::string_view not_yet) {
        auto moment = page.add("MOMENT");
        moment.text("NAME", name);
        if (time.empty()) {
            moment.add("NOT_YET").text("WORDS", not_yet);
        } else {
            auto at = moment.add("AT");
            at.text("TIME", time);
            at.text("TEXT", readable_time(time));
        }
        return moment;
    };
    const auto after = [&](PageValues& moment, std::string_view label, std::int64_t from,
                           std::optional<std::int64_t> to) {
        auto gap = moment.add("AFTER");
        gap.text("LABEL", label);
        gap.text("DURATION", duration(to.value_or(run.times.now) - from));
        if (!to) {
            gap.add("TICKS").number("SINCE", from);
        }
    };
    add("Admitted", text_at(run.body, "admitted_at"), {});
    auto started = add("Started", run.started_at, run.is_active() ? "not yet" : "never");
    if (run.times.started || run.is_active()) {
        after(started, run.times.started ? "after waiting" : "waiting for", run.times.admitted, run.times.started);
    }
    auto ended = add("Ended", text_at(run.body, "completed_at"), "not yet");
    if (run.times.started) {
        after(ended, run.is_active() ? "running for" : "after running", *run.times.started, run.times.ended);
    } else if (run.times.ended) {
        after(ended, "after waiting", run.times.admitted, run.times.ended);
    }
    if (const auto deadline = text_at(run.body, "deadline_at"); !deadline.empty()) {
        add("Deadline", deadline, {});
    }
}

void add_acts(PageValues& page, const Shown& run) {
    if (run.is_active()) {
        if (run.is_imported) {
            page.add("ELSEWHERE");
        } else if (run.cancel_requested_at.empty()) {
            page.add("CAN_CANCEL").text("CANCEL_URL", run.path + "/cancel");
        }
        return;
    }
    page.text("KEY", pq::random_hex(16));
    if (run.status != "completed") {
        page.add("CAN_RETRY").text("RETRY_URL", run.path + "/retry");
    }
    if (!run.connection.empty()) {
        page.add("CAN_START").text("START_URL", run::start_link(run.connection).view());
    }
}

/// What of the events is not on the page.
std::string words_of_rest(const RunPageParts& parts, std::size_t shown) {
    const auto words = shown == 0 ? std::string{} : fmt::format("{} events on a page; there may be more.", shown);
    if (!parts.asked || parts.asked->looked_at.empty()) {
        return fmt::format("{} events on a page; there are more.", shown);
    }
    return fmt::format("{}{}Events {} were looked at.", words, words.empty() ? "" : " ", parts.asked->looked_at);
}

void add_list(PageValues& page, const Shown& run, const RunPageView& view, const RunPageParts& parts,
              const Room& room) {
    page.text("PATH", run.path);
    page.value("TYPE_VALUE", view.event_type);
    page.add(view.oldest_first ? "OLDEST" : "NEWEST");
    for (const std::string_view type :
         {"run.admitted", "run.started", "run.progress_reported", "run.cancel_requested", "run.deadline_extended",
          "run.completed", "run.failed", "run.cancelled", "run.abandoned", "run.late_outcome"}) {
        page.add("KNOWN_TYPE").text("TYPE", type);
    }
    if (!view.event_type.empty()) {
        page.add("FILTERED");
    }
    if (parts.newest.pruned) {
        page.add("PRUNED");
    }
    const auto [events, next_cursor] = listed(parts, run.run_id, room);
    const bool goes_on = parts.asked && !parts.asked->looked_at.empty();
    if (events.empty()) {
        page.add("NONE").text("NONE_WORDS",
                              goes_on ? fmt::format("No event of this type among events {}.", parts.asked->looked_at)
                              : !view.event_type.empty() ? "No event of this type here."
                                                         : "No events beyond.");
    }
    add_event_rows(page, run.run_id, events, room);
    if (!view.cursor.empty()) {
        auto first = page.add("FIRST");
        first.text("FIRST_URL", address(run.path, view, {}));
        first.text("FIRST_WORDS", view.oldest_first ? "Oldest events" : "Newest events");
    }
    if (!next_cursor.empty()) {
        auto next = page.add("NEXT");
        next.text("NEXT_URL", address(run.path, view, next_cursor));
        next.text("NEXT_WORDS", goes_on ? "Look further" : view.oldest_first ? "Newer events" : "Older events");
        page.add("TRUNCATED").text("TRUNCATED_WORDS", words_of_rest(parts, events.size()));
        if (goes_on) {
            const std::vector<QueryParameter> all{{"event_type", view.event_type}, {"as", "json"}};
            page.add("ALL_OF_TYPE").text("ALL_URL", with_query(run.path + "/timeline", all));
        }
    }
}

} // namespace

void fill_run_page(Page& page, const RunPageView& view, const RunPageParts& parts, std::int64_t now, const Room& room) {
    const auto body = pq::parse_body(parts.status);
    const auto run = read_shown(body.get_object(), parts, now);
    page.title(fmt::format("{} {} · {} · {}", sign_of(run.status), run.status, run.connection, run.run_id),
               icon_of(run.status));
    auto& values = page.values();
    values.text("TAG", entity_tag(parts.status));
    values.number("NOW", now);
    values.text("NOW_TIME", time_of(now));
    values.text("NOW_TEXT", readable_time(time_of(now)));
    values.text("JSON_URL", run.path + "?as=json");
    values.text("TIMELINE_URL", run.path + "/timeline?as=json");
    values.text("LINES_URL", run.path + "/timeline?as=ndjson");
    if (run.is_active()) {
        const auto last = last_seq(parts);
        values.text("EVENTS_URL",
                    last > 0 ? fmt::format("{}/timeline?cursor={}", run.path, pq::timeline_cursor(run.run_id, last))
                             : run.path + "/timeline");
    } else {
        values.text("ALSO_URL", run.path + "/timeline?limit=1&newest_first=true");
        values.text("ALSO_TAG", entity_tag(parts.last));
    }
    add_headline(values, run);
    add_failure(values, run, room);
    add_facts(values, run, parts, room);
    add_moments(values, run);
    RunPageView told;
    told.event_type = "run.progress_reported";
    add_progress(values, looked_for_progress(parts), address(run.path, told, {}), room);
    add_life(values, run.times, run.status, parts, room);
    add_acts(values, run);
    add_list(values, run, view, parts, room);
}

} // namespace pdpp::http
