// What pages are made of is read here, and what their forms ask for is done.

#include "http/pages/pages.hpp"

#include "http/pages/error_page.hpp"
#include "http/pages/page.hpp"
#include "http/pages/run_page.hpp"
#include "http/pages/runs_page.hpp"
#include "http/pages/times.hpp"
#include "http/runs/status_body.hpp"
#include "http/syntax/form.hpp"
#include "http/syntax/header_list.hpp"
#include "http/syntax/json_body.hpp"
#include "http/syntax/local_path.hpp"
#include "http/syntax/negotiation.hpp"
#include "http/wire/errors.hpp"
#include "log/log.hpp"
#include "pq/body.hpp"
#include "pq/jsonb_text.hpp"
#include "pq/timeline_cursor.hpp"
#include "run/link.hpp"
#include "run/timeline.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// For the drawing.
constexpr int newest_events = 200;
/// Among which is the start of nearly any run.
constexpr int first_events = 10;
/// How many of the newest events are looked through for the progress of streams, which may be told by each of them, and
/// for what is rare.
constexpr int looked_at_for_progress = 1000;
constexpr int looked_at_for_signs = 5000;
constexpr int signs_found = 100; // of either kind, beside those among the newest
/// How many events the database may look through for those of a type. It takes as long for them as for a hundredth of
/// that to be handed out, so that in more events the search goes on by pages of those.
constexpr std::int64_t searched_at_once = 20'000;
constexpr int searched_on_page = 1000;
constexpr std::size_t connections_shown = 20;
constexpr std::size_t type_limit = 256; // bytes

/// Whether `accept` says `text/html`, in whatever letters.
bool speaks_of_pages(std::string_view accept) {
    constexpr std::string_view type = "text/html";
    for (auto slash = accept.find('/'); slash != std::string_view::npos; slash = accept.find('/', slash + 1)) {
        if (slash >= 4 && beast::iequals(accept.substr(slash - 4, type.size()), type)) {
            return true;
        }
    }
    return false;
}

bool is_form(const Request& request) {
    return beast::iequals(media_type(request), "application/x-www-form-urlencoded");
}

std::string form_text(const Request& request, std::string_view name) {
    return form_value(request.body(), name).value_or("");
}

std::string_view variable(const Match& match, std::string_view name) {
    const auto found = std::ranges::find(match.variables, name, &PathVariable::name);
    return found == match.variables.end() ? std::string_view{} : found->value;
}

[[noreturn]] void refuse_parameter(std::string_view name) {
    throw invalid_request("There is no parameter " + std::string{name} + " here.", std::string{name});
}

RunPageView view_of(const Target& target) {
    RunPageView view;
    for (const auto& parameter : target.query) {
        if (parameter.name == "order" && (parameter.value == "newest" || parameter.value == "oldest")) {
            view.oldest_first = parameter.value == "oldest";
        } else if (parameter.name == "order") {
            throw invalid_request("order must be newest or oldest.", "order");
        } else if (parameter.name == "type") {
            if (parameter.value.size() > type_limit) {
                throw invalid_request("type must be at most 256 bytes.", "type");
            }
            view.event_type = parameter.value;
        } else if (parameter.name == "cursor") {
            view.cursor = parameter.value;
        } else {
            refuse_parameter(parameter.name);
        }
    }
    return view;
}

std::vector<pq::Argument> events_question(std::string_view run_id, int limit, const RunPageView& view) {
    std::vector<pq::Argument> arguments{{"run_id", "text", std::string{run_id}},
                                        {"page_size", "int", std::to_string(limit)},
                                        {"newest_first", "boolean", view.oldest_first ? "false" : "true"}};
    if (!view.event_type.empty()) {
        arguments.push_back({"event_type", "text", view.event_type});
    }
    if (!view.cursor.empty()) {
        arguments.push_back({"cursor", "text", view.cursor});
    }
    return arguments;
}

/// How many events there are in the direction of a search, `last` being the number of the newest.
std::int64_t events_ahead(const RunPageView& view, std::int64_t last) {
    const auto cursor = run::decode_cursor(view.cursor);
    if (view.oldest_first) {
        return last - (cursor ? cursor->event_seq : 0);
    }
    return cursor ? cursor->event_seq - 1 : last;
}

/// Keeps what a search is for, up to a page of it; where it goes on, and what was looked at.
void keep_found(ShownEvents& read, std::string_view run_id, std::string_view type) {
    if (read.events.empty()) {
        return;
    }
    const auto begin = read.events.front().seq;
    auto end = read.events.back().seq;
    std::erase_if(read.events, [&](const ShownEvent& event) { return event.type != type; });
    if (read.events.size() > events_on_page) {
        read.events.resize(events_on_page);
        end = read.events.back().seq;
        read.next_cursor = pq::timeline_cursor(run_id, end);
        read.truncated = true;
    }
    read.looked_at = grouped(std::min(begin, end)) + " to " + grouped(std::max(begin, end));
}

std::size_t rows_in(std::string_view list) {
    return pq::elements_of(pq::member_of(list, "data").value_or("[]")).size();
}

} // namespace

bool wants_page(const Request& request) {
    const auto [first, last] = request.equal_range(field::accept);
    if (std::none_of(first, last, [](const auto& line) { return speaks_of_pages(line.value()); })) {
        return false;
    }
    if (request.method() == verb::post && !is_form(request)) {
        return false; // which no page sends
    }
    constexpr std::array<std::string_view, 4> offer{"application/json", "text/event-stream", "application/x-ndjson",
                                                    "text/html"};
    return negotiate(header_list(request, field::accept), offer, Ties::go_to_named) == offer.back();
}

std::optional<Request> as_asked(const Request& request) {
    const std::string_view target = request.target();
    const auto path = target.substr(0, target.find('?'));
    auto query = target.substr(std::min(path.size() + 1, target.size()));
    std::string_view type;
    std::string kept;
    while (!query.empty()) {
        const auto parameter = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(parameter.size() + 1, query.size()));
        if (parameter == "as=json") {
            type = "application/json";
        } else if (parameter == "as=ndjson") {
            type = "application/x-ndjson";
        } else {
            kept.append(kept.empty() ? "?" : "&").append(parameter);
        }
    }
    if (type.empty()) {
        return std::nullopt;
    }
    Request asked = request;
    asked.target(std::string{path} + kept);
    asked.set(field::accept, type);
    return asked;
}

struct Pages::Asked {
    const Match& match;
    const Target& target;
    const Request& request;
    const std::string& request_id;
    std::string run_id;
};

asio::awaitable<Response> Pages::answer(const Match& match, const Target& target, const Request& request,
                                        const std::string& peer, const std::string& request_id) {
    const Asked asked{.match = match,
                      .target = target,
                      .request = request,
                      .request_id = request_id,
                      .run_id = std::string{variable(match, "run_id")}};
    switch (std::get<PageKind>(match.route.answer)) {
    case PageKind::home:
        co_return see_other(list_path);
    case PageKind::login:
        co_return show_login(target, request);
    case PageKind::log_in:
        co_return log_in(request, peer);
    case PageKind::log_out: {
        auto left = see_other("/owner/login");
        left.set(field::set_cookie, owner_.log_out()[field::set_cookie]);
        co_return left;
    }
    case PageKind::runs:
        co_return co_await show_runs(asked);
    case PageKind::run:
        co_return co_await show_run(asked);
    case PageKind::cancel:
        co_return co_await act_on_run(asked, cancel_call());
    case PageKind::retry:
        co_return co_await start(asked, start_call(), "retry_of");
    case PageKind::start:
        co_return co_await start(asked, start_call(), "connector_instance_id");
    }
    throw std::logic_error("a page of no kind");
}

// ---- the owner ------------------------------------------------------------------------------------------------------

Response Pages::show_login(const Target& target, const Request& request) {
    std::string return_to{list_path};
    for (const auto& parameter : target.query) {
        if (parameter.name == "return_to" && is_local_path(parameter.value)) {
            return_to = parameter.value;
        }
    }
    try {
        static_cast<void>(owner_.check_session(request));
    } catch (const Refusal&) {
        return login_page(return_to, nullptr);
    }
    return see_other(return_to);
}

Response Pages::log_in(const Request& request, const std::string& peer) {
    const auto let_in = owner_.log_in(request, peer);
    const auto wanted = form_value(request.body(), "return_to").value_or("");
    auto response = see_other(is_local_path(wanted) ? std::string_view{wanted} : list_path);
    response.set(field::set_cookie, let_in[field::set_cookie]);
    return response;
}

// ---- runs -----------------------------------------------------------------------------------------------------------

asio::awaitable<std::string> Pages::read_status(const Asked& asked) {
    if (const auto* const kept = database_.kept_status(asked.run_id)) {
        metrics_.resolved(kept->status);
        co_return std::string{kept->body};
    }
    auto status = co_await database_.status(asked.run_id, asked.request_id);
    metrics_.resolved(status.status().status);
    co_return std::move(status).take_body();
}

asio::awaitable<ShownEvents> Pages::read_page(const Asked& asked, int limit, const RunPageView& view) {
    auto question = events_question(asked.run_id, limit, view);
    const auto timeline = co_await database_.ask(timeline_call(), std::move(question), asked.request_id);
    co_return read_events(timeline);
}

/// Those of a type among the newest events. They are read from the oldest on: from the newest on, the database would
/// look for a rare type all the way to the run's beginning.
asio::awaitable<RecentEvents> Pages::read_recent(const Asked& asked, std::string_view type, std::int64_t last,
                                                 int reach, int most) {
    RecentEvents recent;
    recent.from = std::max<std::int64_t>(last - reach + 1, 1);
    RunPageView view;
    view.oldest_first = true;
    view.event_type = type;
    if (recent.from > 1) {
        view.cursor = pq::timeline_cursor(asked.run_id, recent.from - 1);
    }
    recent.found = co_await read_page(asked, most, view);
    std::ranges::reverse(recent.found.events);
    co_return recent;
}

/// What the address asks for where it names a type, `last` being the number of the newest event.
asio::awaitable<ShownEvents> Pages::search(const Asked& asked, const RunPageView& view, std::int64_t last) {
    if (events_ahead(view, last) <= searched_at_once) {
        co_return co_await read_page(asked, events_on_page, view);
    }
    auto any = view;
    any.event_type.clear();
    auto read = co_await read_page(asked, searched_on_page, any);
    keep_found(read, asked.run_id, view.event_type);
    co_return read;
}

/// What the newest events alone do not show of a run that has many.
asio::awaitable<void> Pages::read_beyond_newest(const Asked& asked, RunPageParts& parts) {
    RunPageView from_start;
    from_start.oldest_first = true;
    parts.first = co_await read_page(asked, first_events, from_start);
    parts.progress = co_await read_recent(asked, "run.progress_reported", last_seq(parts), looked_at_for_progress,
                                          looked_at_for_progress);
}

/// What the life of a run with many events has signs for. While it goes on its status tells of a cancel request.
asio::awaitable<void> Pages::read_signs(const Asked& asked, RunPageParts& parts) {
    constexpr std::array<std::string_view, 2> signs{"run.cancel_requested", "run.late_outcome"};
    for (const auto sign : signs) {
        auto found = co_await read_recent(asked, sign, last_seq(parts), looked_at_for_signs, signs_found);
        parts.signs.push_back(std::move(found));
    }
}

/// How it was started, where the events read so far do not have it though its status tells when.
asio::awaitable<void> Pages::read_start(const Asked& asked, RunPageParts& parts) {
    const auto is_start = [](const ShownEvent& event) { return event.type == "run.started"; };
    if (std::ranges::any_of(parts.first->events, is_start) || std::ranges::any_of(parts.newest.events, is_start) ||
        pq::string_in(parts.status, "started_at").empty()) {
        co_return;
    }
    RunPageView from_start;
    from_start.oldest_first = true;
    from_start.event_type = "run.started";
    parts.start = co_await read_page(asked, 1, from_start);
}

/// The status first, its events afterwards: what ends it meanwhile is among them, and its entity tag, which the page
/// asks by whether anything has changed, is of no later state than what is shown.
asio::awaitable<Response> Pages::show_run(const Asked& asked) {
    const auto view = view_of(asked.target);
    const RunPageView from_end;
    RunPageParts parts;
    const auto status = co_await read_status(asked);
    parts.status = status;
    const bool has_ended = pq::string_in(status, "status") != "active";
    if (has_ended) {
        parts.last =
            co_await database_.ask(timeline_call(), events_question(asked.run_id, 1, from_end), asked.request_id);
    }
    parts.newest = co_await read_page(asked, newest_events, from_end);
    if (!view.event_type.empty()) {
        parts.asked = co_await search(asked, view, last_seq(parts));
    } else if (!view.is_plain()) {
        parts.asked = co_await read_page(asked, events_on_page, view);
    }
    if (parts.newest.truncated) {
        co_await read_beyond_newest(asked, parts);
        co_await read_start(asked, parts);
    }
    if (parts.newest.truncated && has_ended) {
        co_await read_signs(asked, parts);
    }
    for (int halvings = 0;; ++halvings) {
        Page page("run");
        if (owner_.has_sessions()) {
            page.values().add("LOGOUT");
        }
        fill_run_page(page, view, parts, millis_now(), Room{halvings});
        auto text = page.text();
        if (text.size() <= page_limit || halvings == Room::fewest) {
            co_return page_response(status::ok, std::move(text));
        }
    }
}

/// The list, of at most `limit` runs where the address does not say how many.
asio::awaitable<std::string> Pages::read_runs(const Asked& asked, std::span<const QueryParameter> query,
                                              std::optional<std::size_t> limit) {
    std::vector<QueryParameter> filters{query.begin(), query.end()};
    std::erase_if(filters, [&](const QueryParameter& each) {
        return each.name == "connections" || (limit && each.name == "limit");
    });
    if (limit) {
        filters.push_back({"limit", std::to_string(*limit)});
    }
    auto arguments = bind_arguments(list_call(), {}, filters, asked.request);
    co_return co_await database_.ask(list_call(), std::move(arguments), asked.request_id);
}

/// What can be started: of the connections that the list is about, those on record. Empty where it cannot be said: the
/// list is there without it, and says so.
asio::awaitable<std::string> Pages::read_connections(const Asked& asked, std::span<const QueryParameter> query,
                                                     std::size_t limit) {
    auto filters = connections_query(query, limit);
    auto arguments = bind_arguments(connections_call(), {}, filters, asked.request);
    try {
        co_return co_await database_.ask(connections_call(), std::move(arguments), asked.request_id);
    } catch (const Refusal& refusal) {
        if (refusal.param == "cursor") {
            throw;
        }
    }
    co_return std::string{};
}

asio::awaitable<Response> Pages::show_runs(const Asked& asked) {
    auto query = asked.target.query;
    std::erase_if(query, [](const QueryParameter& each) { return each.value.empty(); }); // a filter that is left open
    const auto all_runs = co_await read_runs(asked, query, {});
    const auto most = rows_in(all_runs);
    auto runs = all_runs;
    auto connections = co_await read_connections(asked, query, connections_shown);
    for (int halvings = 0;; ++halvings) {
        const Room room{halvings};
        // where it goes on is the database's to say, so that fewer are asked for anew
        if (rows_in(runs) > room.rows(most)) {
            runs = co_await read_runs(asked, query, room.rows(most));
        }
        if (rows_in(connections) > room.rows(connections_shown)) {
            connections = co_await read_connections(asked, query, room.rows(connections_shown));
        }
        Page page("runs");
        if (owner_.has_sessions()) {
            page.values().add("LOGOUT");
        }
        fill_runs_page(page, query,
                       {.runs = runs,
                        .all_runs = all_runs,
                        .connections = connections,
                        .connections_limit = room.rows(connections_shown)},
                       millis_now(), room);
        auto text = page.text();
        if (text.size() <= page_limit || halvings == Room::fewest) {
            co_return page_response(status::ok, std::move(text));
        }
    }
}

asio::awaitable<Response> Pages::act_on_run(const Asked& asked, const SqlCall& call) {
    auto arguments = bind_arguments(call, asked.match.variables, {}, Request{});
    co_await database_.ask(call, std::move(arguments), asked.request_id);
    co_return see_other(run::self_link(asked.run_id).view());
}

/// Starts a run, of a connection or to repeat another. A form that is sent twice starts one.
asio::awaitable<Response> Pages::start(const Asked& asked, const SqlCall& call, std::string_view argument) {
    std::vector<pq::Argument> arguments;
    arguments.push_back({argument, "text", std::string{asked.match.variables.at(0).value}});
    if (auto key = form_text(asked.request, "idempotency_key"); !key.empty()) {
        arguments.push_back({"idempotency_key", "text", std::move(key)});
    }
    const auto acknowledgement = co_await database_.ask(call, std::move(arguments), asked.request_id);
    metrics_.admitted();
    co_return see_other(run::self_link(pq::string_in(acknowledgement, "run_id")).view());
}

} // namespace pdpp::http
