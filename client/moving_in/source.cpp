#include "moving_in/source.hpp"

#include "pq/body.hpp"

#include <boost/asio/this_coro.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

namespace pdpp::moving_in {

namespace asio = boost::asio;

namespace {

/// Gaps that one look goes through; where there are more it takes several looks to come round.
constexpr std::size_t gaps_a_look = 2000;

/// Rows are compared for a fifth of the time at most, however many there are.
constexpr int share_of_comparing = 4;

std::string literal(std::string_view text) {
    std::string quoted = "'";
    for (const char letter : text) {
        quoted += letter;
        if (letter == '\'') {
            quoted += letter;
        }
    }
    return quoted + "'";
}

} // namespace

asio::awaitable<void> RunStream::read_ahead(Input& input) {
    input.ahead = co_await input.cursor->next();
}

asio::awaitable<std::optional<SourceRun>> RunStream::next() {
    const std::string* least = nullptr;
    for (const Input& input : inputs_) {
        if (input.ahead && (least == nullptr || *input.ahead->front() < *least)) {
            least = &*input.ahead->front();
        }
    }
    if (least == nullptr) {
        co_return std::nullopt;
    }
    SourceRun run{.run_id = *least, .events = {}, .flights = {}, .history = {}, .receipts = {}};
    for (Input& input : inputs_) {
        while (input.ahead && *input.ahead->front() == run.run_id) {
            (run.*input.rows).push_back(std::move(*input.ahead));
            co_await read_ahead(input);
        }
    }
    co_return run;
}

asio::awaitable<void> Source::begin() {
    co_await database_->open();
    co_await database_->begin();
    const auto found = co_await database_->tables();
    for (const auto id : {TableId::events, TableId::flights, TableId::history, TableId::receipts}) {
        shapes_.at(static_cast<std::size_t>(id)) = shape_of(id, found);
    }
    const auto& events = found.at(shape(TableId::events).name);
    data_origin_ = events.at("data_json") == "jsonb" ? DataOrigin::jsonb : DataOrigin::text;
}

std::string Source::from(TableId id) const {
    return fmt::format(" from {}{} as t", dialect().schema, shape(id).name);
}

std::string Source::select(TableId id, const std::string& condition) const {
    const auto by_bytes = dialect().by_bytes;
    auto sql = fmt::format("select {}{} where t.run_id is not null and {} order by t.run_id{}",
                           select_list(id, shape(id), "t"), from(id), condition, by_bytes);
    if (id == TableId::events) {
        sql += fmt::format(", t.event_seq is null, t.event_seq, t.event_id{}", by_bytes);
    }
    return sql;
}

asio::awaitable<void> Source::add_input(RunStream& stream, TableId id, std::vector<Row> SourceRun::*rows,
                                        std::string condition) {
    if (shape(id).name.empty()) {
        co_return;
    }
    RunStream::Input input{.cursor = nullptr, .rows = rows, .ahead = {}}; // gcc 12 cannot await in a braced list
    input.cursor = co_await database_->cursor(select(id, condition));
    co_await RunStream::read_ahead(input);
    stream.inputs_.push_back(std::move(input));
}

asio::awaitable<RunStream> Source::stream(std::string condition) {
    RunStream stream;
    co_await add_input(stream, TableId::events, &SourceRun::events, condition);
    co_await add_input(stream, TableId::flights, &SourceRun::flights, condition);
    co_await add_input(stream, TableId::history, &SourceRun::history, condition);
    co_await add_input(stream, TableId::receipts, &SourceRun::receipts, condition);
    co_return stream;
}

asio::awaitable<RunStream> Source::runs() {
    co_return co_await stream("true");
}

asio::awaitable<std::vector<SourceRun>> Source::runs(const std::set<std::string>& run_ids) {
    std::vector<SourceRun> runs;
    std::string list;
    for (const auto& run_id : run_ids) {
        if (run_id.find('\0') == std::string::npos) { // which is never taken
            list += (list.empty() ? "" : ", ") + literal(run_id);
        }
    }
    if (list.empty()) {
        co_return runs;
    }
    auto some = co_await stream(fmt::format("t.run_id in ({})", list));
    while (auto run = co_await some.next()) {
        runs.push_back(std::move(*run));
    }
    co_return runs;
}

asio::awaitable<std::vector<TableSize>> Source::sizes() {
    std::vector<TableSize> sizes;
    for (const auto id : {TableId::events, TableId::flights, TableId::history, TableId::receipts}) {
        if (const auto& name = shape(id).name; !name.empty()) {
            const auto count = co_await database_->rows("select cast(count(*) as text)" + from(id));
            const auto bytes = co_await database_->bytes(name);
            sizes.push_back({.name = name, .rows = std::stoll(*count.front().front()), .bytes = bytes});
        }
    }
    co_return sizes;
}

asio::awaitable<std::int64_t> Source::count_events() {
    const auto count = co_await database_->rows("select cast(count(*) as text)" + from(TableId::events) +
                                                " where t.run_id is not null");
    co_return std::stoll(*count.front().front());
}

asio::awaitable<Boots> Source::newest_boots() {
    Boots boots;
    auto cursor = co_await database_->cursor("select cast(t.data_json as text)" + from(TableId::events) +
                                             " where t.event_type = 'controller.booted'");
    while (const auto row = co_await cursor->next()) {
        const auto data = fit_data(row->front().value_or("{}"), data_origin_);
        const auto controller = string_at(data, "controller_id");
        const auto seq = number_at(data, "seq");
        if (controller && seq) {
            auto& newest = boots.try_emplace(*controller, *seq).first->second;
            newest = std::max(newest, *seq);
        }
    }
    co_return boots;
}

asio::awaitable<std::map<std::string, std::string>> Source::flights() {
    std::map<std::string, std::string> flights;
    for (const Row& row : co_await database_->rows(select(TableId::flights, "true"))) {
        flights[*row[flight_column::run_id]] = row[flight_column::started_at].value_or(std::string());
    }
    co_return flights;
}

/// All rows of a table; run_ids takes those that are new, or other than they were.
asio::awaitable<RowDigests> Source::compare(TableId id, std::set<std::string>& run_ids) {
    RowDigests digests;
    const RowDigests& known = rows_[id];
    auto cursor = co_await database_->cursor("select " + select_list(id, shape(id), "t") + from(id) +
                                             " where t.run_id is not null");
    std::string text;
    while (const auto row = co_await cursor->next()) {
        text.clear();
        for (const auto& field : *row) {
            text += field ? fmt::format("{} {}", field->size(), *field) : "-";
        }
        const auto digest = std::hash<std::string_view>()(text);
        digests.insert(digest);
        if (!known.contains(digest)) {
            run_ids.insert(*row->front());
        }
    }
    co_return digests;
}

/// What was written to the tables whose rows may change: as the database tells, or as it turns out.
asio::awaitable<void> Source::find_written(Look& look) {
    constexpr std::array tables{TableId::history, TableId::receipts};
    look.mark = co_await database_->mark();
    if (!dialect().tells_writes && Clock::now() < compares_at_) {
        has_to_compare_ = true;
        co_return;
    }
    const auto began = Clock::now();
    for (const auto id : tables) {
        if (shape(id).name.empty()) {
            continue;
        }
        if (!dialect().tells_writes) {
            look.rows[id] = co_await compare(id, look.run_ids);
        } else if (!mark_.empty()) {
            for (const Row& row :
                 co_await database_->rows("select t.run_id" + from(id) + " where t.run_id is not null and " +
                                          database_->written_since(mark_))) {
                look.run_ids.insert(*row[0]);
            }
        }
    }
    compares_at_ = Clock::now() + share_of_comparing * (Clock::now() - began);
    has_to_compare_ = false;
}

asio::awaitable<void> Source::check_followable() {
    const auto views = co_await database_->views();
    for (const Shape& shape : shapes_) {
        if (views.contains(shape.name)) {
            throw UnknownShape(fmt::format(
                "expected {} as a table, which can be followed, found a view or a foreign table", shape.name));
        }
    }
}

asio::awaitable<bool> Source::may_have_changed() {
    co_await database_->open();
    const bool has_changed = co_await database_->may_have_changed();
    co_return has_changed || (has_to_compare_ && Clock::now() >= compares_at_);
}

asio::awaitable<Look> Source::everything() {
    Look look;
    co_await find_written(look);
    look.run_ids.clear(); // of all runs
    look.flights = co_await flights();
    auto islands = co_await database_->cursor(
        fmt::format("select cast(min(n.event_seq) as text), cast(max(n.event_seq) as text) from ("
                    "select t.event_seq, t.event_seq - row_number() over (order by t.event_seq) as island{} where "
                    "t.event_seq is not null) as n"
                    " group by n.island",
                    from(TableId::events)));
    while (const auto row = co_await islands->next()) {
        look.numbers.push_back({std::stoll(*row->at(0)), std::stoll(*row->at(1))});
    }
    co_return look;
}

asio::awaitable<Look> Source::changes() {
    Look look;
    co_await find_written(look);
    std::string ranges;
    for (const auto& [first, last] : seen_.missing(next_gap_, gaps_a_look)) {
        // the lowest number there is has no literal of its own
        ranges += fmt::format("{}({}, {})", ranges.empty() ? "" : ", ",
                              std::max(first, std::numeric_limits<std::int64_t>::min() + 1), last);
    }
    for (const Row& row : co_await database_->rows(fmt::format(
             "with missing(low, high) as (values {}) select cast(t.event_seq as text), t.run_id from missing as m"
             " join {}{} as t on t.event_seq between m.low and m.high",
             ranges, dialect().schema, shape(TableId::events).name))) {
        const auto number = std::stoll(*row[0]);
        look.numbers.push_back({number, number});
        if (row[1]) {
            look.run_ids.insert(*row[1]);
        }
    }
    for (const Row& row : co_await database_->rows("select t.run_id" + from(TableId::events) +
                                                   " where t.event_seq is null and t.run_id is not null")) {
        look.run_ids.insert(*row[0]);
    }
    look.flights = co_await flights();
    for (const auto& [one, other] : {std::pair{&look.flights, &flights_}, std::pair{&flights_, &look.flights}}) {
        for (const auto& [run_id, started_at] : *one) {
            const auto found = other->find(run_id);
            if (found == other->end() || found->second != started_at) {
                look.run_ids.insert(run_id);
            }
        }
    }
    co_return look;
}

void Source::keep(Look look) {
    for (const Range& range : look.numbers) {
        seen_.add(range);
    }
    flights_ = std::move(look.flights);
    mark_ = std::move(look.mark);
    for (auto& [id, digests] : look.rows) {
        rows_[id] = std::move(digests);
    }
    next_gap_ += gaps_a_look;
}

} // namespace pdpp::moving_in
