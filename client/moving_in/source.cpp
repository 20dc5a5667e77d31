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

/// Gaps that one look goes through: the newest, and others, of which it takes several looks to come round.
constexpr std::size_t newest_gaps = 1000;
constexpr std::size_t gaps_a_look = 1000;

/// Rows are compared for a fifth of the time at most, however many there are.
constexpr int share_of_comparing = 4;

/// Numbers whose events have one digest, blocks of them that are compared at once, and how long nothing is compared
/// then: so many times as long as that took.
constexpr std::int64_t numbers_in_block = 256;
constexpr std::size_t blocks_at_once = 64;
constexpr int rest_from_comparing = 24;

constexpr auto lowest_number = std::numeric_limits<std::int64_t>::min();

std::int64_t block_of(std::int64_t number) {
    return number & ~(numbers_in_block - 1);
}

std::int64_t end_of(std::int64_t block) {
    return block + (numbers_in_block - 1);
}

/// Those of a block are added up, so it does not matter in which order they come.
std::uint64_t digest_of_event(const Row& event) {
    std::string text;
    for (const auto& field : event) {
        text += field ? fmt::format("{} {}", field->size(), *field) : "-";
    }
    return std::hash<std::string_view>()(text);
}

void add_number(std::vector<Range>& numbers, std::int64_t number) {
    if (!numbers.empty() && numbers.back().last < number && numbers.back().last + 1 == number) {
        numbers.back().last = number;
    } else {
        numbers.push_back({number, number});
    }
}

/// A BLOB with these bytes, which is another value than the text.
std::string blob_literal(std::string_view text) {
    std::string quoted = "x'";
    for (const unsigned char byte : text) {
        quoted += fmt::format("{:02x}", byte);
    }
    return quoted + "'";
}

/// As SQL has it, where the lowest number there is has no literal of its own.
std::int64_t literal_number(std::int64_t number) {
    return std::max(number, lowest_number + 1);
}

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

asio::awaitable<void> Source::open() {
    const bool opened = co_await database_->open();
    is_anew_ = is_anew_ || opened;
}

asio::awaitable<void> Source::begin() {
    co_await open();
    co_await database_->begin();
    const auto found = co_await database_->tables();
    for (const auto id : all_tables) {
        shapes_.at(static_cast<std::size_t>(id)) = shape_of(id, found);
    }
    const auto& events = found.at(shape(TableId::events).name);
    data_origin_ =
        events.at("data_json") == "jsonb" && database_->has_characters() ? DataOrigin::jsonb : DataOrigin::text;
}

std::string Source::from(TableId id) const {
    return fmt::format(" from {}{} as t", dialect().schema, shape(id).name);
}

std::string Source::columns(TableId id) const {
    return select_list(id, shape(id), "t", dialect().holds_any_type);
}

std::string Source::number() const {
    return number_in("t.event_seq", dialect().holds_any_type);
}

/// What tells which event it is that has a number.
std::string Source::numbered_event() const {
    return fmt::format("select cast({} as text), t.event_id, t.run_id", number());
}

std::string Source::select(TableId id, const std::string& condition) const {
    auto sql = fmt::format("select {}{} where t.run_id is not null and {} order by {}", columns(id), from(id),
                           condition, database_->by_bytes("t.run_id"));
    if (id == TableId::events) {
        sql += fmt::format(", {0} is null, {0}, {1}", number(), database_->by_bytes("t.event_id"));
    }
    return sql;
}

asio::awaitable<void> Source::add_input(RunStream& stream, TableId id, std::vector<Row> SourceRun::*rows,
                                        std::string condition) {
    if (shape(id).name.empty()) {
        co_return;
    }
    std::vector<std::string> parts{condition};
    if (dialect().holds_any_type) { // which is ordered by type first: a BLOB is above all texts
        parts = {condition + " and t.run_id < x''", condition + " and t.run_id >= x''"};
    }
    for (const auto& part : parts) {
        RunStream::Input input{.cursor = nullptr, .rows = rows, .ahead = {}}; // gcc 12 cannot await in a braced list
        input.cursor = co_await database_->cursor(select(id, part));
        co_await RunStream::read_ahead(input);
        stream.inputs_.push_back(std::move(input));
    }
}

asio::awaitable<RunStream> Source::stream(std::string condition) {
    RunStream stream;
    co_await add_input(stream, TableId::events, &SourceRun::events, condition);
    co_await add_input(stream, TableId::flights, &SourceRun::flights, condition);
    co_await add_input(stream, TableId::history, &SourceRun::history, condition);
    co_await add_input(stream, TableId::older_history, &SourceRun::history, condition);
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
            list += dialect().holds_any_type ? ", " + blob_literal(run_id) : "";
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

asio::awaitable<SourceRun> Source::events(const std::string& run_id, const std::vector<std::int64_t>& numbers) {
    const auto condition =
        fmt::format("t.run_id = {} and t.event_seq in ({})", literal(run_id), fmt::join(numbers, ", "));
    SourceRun run{.run_id = run_id, .events = {}, .flights = {}, .history = {}, .receipts = {}};
    run.events = co_await database_->rows(select(TableId::events, condition));
    co_return run;
}

asio::awaitable<std::vector<TableSize>> Source::sizes() {
    std::vector<TableSize> sizes;
    for (const auto id : all_tables) {
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
    auto cursor = co_await database_->cursor("select " + columns(id) + from(id) + " where t.run_id is not null");
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
    constexpr std::array tables{TableId::history, TableId::older_history, TableId::receipts};
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
        if (!dialect().tells_writes || is_anew_) { // it may be another server, which counts otherwise
            look.rows[id] = co_await compare(id, look.run_ids);
        } else {
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
    co_await open();
    const bool has_changed = co_await database_->may_have_changed();
    if (has_changed) {
        uncompared_ = blocks_.size();
        co_return true;
    }
    const auto now = Clock::now();
    co_return (has_to_compare_ && now >= compares_at_) || (uncompared_ > 0 && now >= compares_events_at_) ||
        (has_to_find_without_number_ && now >= finds_without_number_at_);
}

std::uint64_t& Source::digest_of(Look& look, std::int64_t block) const {
    const auto known = blocks_.find(block);
    return look.blocks.try_emplace(block, known == blocks_.end() ? 0 : known->second).first->second;
}

asio::awaitable<Look> Source::everything() {
    Look look;
    co_await find_written(look);
    look.run_ids.clear(); // of all runs
    look.flights = co_await flights();
    co_await read_newest_row(look);
    auto events = co_await database_->cursor(
        fmt::format("{}{} where t.event_seq is not null and {} is not null order by t.event_seq", numbered_event(),
                    from(TableId::events), number())); // the first condition is that of an index
    while (const auto row = co_await events->next()) {
        const auto number = std::stoll(*row->front());
        add_number(look.numbers, number);
        look.blocks[block_of(number)] += digest_of_event(*row);
    }
    co_return look;
}

/// Those whose numbers were not seen.
asio::awaitable<void> Source::find_events(Look& look) {
    std::string ranges;
    for (const auto& [first, last] : seen_.missing(next_gap_, gaps_a_look, newest_gaps)) {
        ranges += fmt::format("{}({}, {})", ranges.empty() ? "" : ", ", literal_number(first), last);
    }
    for (const Row& row : co_await database_->rows(
             fmt::format("with missing(low, high) as (values {}) {} from missing as m"
                         " join {}{} as t on t.event_seq between m.low and m.high"
                         " where {} is not null",
                         ranges, numbered_event(), dialect().schema, shape(TableId::events).name, number()))) {
        const auto number = std::stoll(*row[0]);
        add_number(look.numbers, number);
        digest_of(look, block_of(number)) += digest_of_event(row);
        if (row[2]) {
            look.added[*row[2]].push_back(number);
        }
    }
}

/// The events of these blocks as they are: where they are not as they were, their runs are read again. Whether any was.
asio::awaitable<bool> Source::compare_blocks(Look& look, std::int64_t first, std::int64_t last) {
    struct Found {
        std::uint64_t digest = 0;
        std::vector<std::int64_t> numbers;
        std::set<std::string> run_ids;
    };
    std::map<std::int64_t, Found> found;
    for (auto block = blocks_.lower_bound(first); block != blocks_.end() && block->first <= last; ++block) {
        found[block->first]; // of which there may be no event any more
    }
    auto events = co_await database_->cursor(fmt::format("{}{} where t.event_seq between {} and {} and {} is not null",
                                                         numbered_event(), from(TableId::events), literal_number(first),
                                                         end_of(last), number()));
    while (const auto row = co_await events->next()) {
        const auto number = std::stoll(*row->front());
        auto& block = found[block_of(number)];
        block.digest += digest_of_event(*row);
        block.numbers.push_back(number);
        if (row->at(2)) {
            block.run_ids.insert(*row->at(2));
        }
    }
    bool is_other = false;
    for (auto& [block, now] : found) {
        if (auto& digest = digest_of(look, block); digest != now.digest) {
            is_other = true;
            digest = now.digest;
            look.run_ids.merge(now.run_ids);
            std::ranges::for_each(now.numbers, [&](std::int64_t number) { add_number(look.numbers, number); });
        }
    }
    co_return is_other;
}

/// A number that was seen may be another event's now: SQLite gives that of the newest row again when it is gone, and a
/// server that was restored from a copy, or whose standby took its place, has forgotten what it gave. The newest are
/// compared in each look, and if they are not what they were, all; else some after the others.
asio::awaitable<void> Source::compare_events(Look& look) {
    if (blocks_.empty()) {
        co_return;
    }
    const auto newest = blocks_.rbegin()->first;
    const bool compares_all = co_await compare_blocks(look, newest, newest);
    const auto began = Clock::now();
    if (!compares_all && (began < compares_events_at_ || uncompared_ == 0)) {
        co_return;
    }
    auto block = compares_all ? blocks_.begin() : blocks_.lower_bound(compares_from_);
    if (block == blocks_.end()) {
        block = blocks_.begin();
    }
    do {
        const auto first = block->first;
        auto last = first;
        for (std::size_t count = 0; block != blocks_.end() && count < blocks_at_once; ++count) {
            last = (block++)->first;
            ++look.compared;
        }
        (void)co_await compare_blocks(look, first, last);
    } while (compares_all && block != blocks_.end());
    look.compared_from = block == blocks_.end() ? lowest_number : block->first;
    compares_events_at_ = Clock::now() + rest_from_comparing * (Clock::now() - began);
}

asio::awaitable<void> Source::read_newest_row(Look& look) {
    if (dialect().row_number.empty()) {
        co_return;
    }
    try {
        const auto newest = co_await database_->rows(
            fmt::format("select cast(max({}) as text){}", dialect().row_number, from(TableId::events)));
        look.newest_row = newest.front().front() ? std::stoll(*newest.front().front()) : 0;
    } catch (const SourceError& error) {
        if (error.is_passing()) {
            throw;
        }
        // the table was made WITHOUT ROWID
    }
}

/// Those that have no number. Where they cannot be looked for but among all rows, the newest rows are looked at each
/// time, and the others now and then.
asio::awaitable<void> Source::find_without_number(Look& look) {
    co_await read_newest_row(look);
    const auto began = Clock::now();
    const bool looks_at_all = !look.newest_row || !newest_row_ || began >= finds_without_number_at_;
    auto sql =
        fmt::format("select t.run_id{} where {} is null and t.run_id is not null", from(TableId::events), number());
    if (!looks_at_all) {
        sql += fmt::format(" and {} > {}", dialect().row_number, *newest_row_);
    }
    for (const Row& row : co_await database_->rows(sql)) {
        look.run_ids.insert(*row[0]);
    }
    if (looks_at_all) {
        finds_without_number_at_ = Clock::now() + share_of_comparing * (Clock::now() - began);
    }
    has_to_find_without_number_ = !looks_at_all;
}

asio::awaitable<Look> Source::changes() {
    Look look;
    co_await find_written(look);
    co_await find_events(look);
    co_await compare_events(look);
    co_await find_without_number(look);
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
    for (const auto& [block, digest] : look.blocks) {
        blocks_[block] = digest;
    }
    compares_from_ = look.compared_from.value_or(compares_from_);
    uncompared_ -= std::min(uncompared_, look.compared);
    newest_row_ = look.newest_row;
    flights_ = std::move(look.flights);
    mark_ = std::move(look.mark);
    is_anew_ = false;
    for (auto& [id, digests] : look.rows) {
        rows_[id] = std::move(digests);
    }
    next_gap_ += gaps_a_look;
}

} // namespace pdpp::moving_in
