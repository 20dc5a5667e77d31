#pragma once
// The runs of the other server: all of them in the order of their ids, or some of them again, and which have changed.

#include "moving_in/database.hpp"
#include "moving_in/mapping.hpp"
#include "moving_in/seen.hpp"
#include "moving_in/shape.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace pdpp::moving_in {

/// The size of one of its tables.
struct TableSize {
    std::string name;
    std::int64_t rows;
    std::optional<std::int64_t> bytes; ///< nothing where they are not known
};

/// All its runs, one after the other, by the bytes of their ids. Of one run's rows all are in memory, of the others a
/// page.
class RunStream {
  public:
    boost::asio::awaitable<std::optional<SourceRun>> next();

  private:
    friend class Source;

    struct Input {
        std::unique_ptr<Cursor> cursor;
        std::vector<Row> SourceRun::*rows;
        std::optional<Row> ahead;
    };
    static boost::asio::awaitable<void> read_ahead(Input& input);

    std::vector<Input> inputs_;
};

/// What tells the rows of a table from what they were, where their database cannot.
using RowDigests = std::unordered_set<std::uint64_t>;

/// What tells the events of so many numbers from what they were, by the first of the numbers: whichever event it is
/// that has a number, of whichever run.
using BlockDigests = std::map<std::int64_t, std::uint64_t>;

/// What a look found that was not there at the look before. It counts as seen once keep() is told so.
struct Look {
    std::set<std::string> run_ids;
    /// By their runs, the numbers of the events that are new: of a run that is not in run_ids there is nothing else.
    std::map<std::string, std::vector<std::int64_t>> added;
    std::vector<Range> numbers;
    BlockDigests blocks;                       ///< those that are other than before
    std::optional<std::int64_t> compared_from; ///< where the next look goes on to compare
    std::size_t compared = 0;                  ///< how many blocks
    std::optional<std::int64_t> newest_row;    ///< Dialect::row_number
    std::map<std::string, std::string> flights;
    std::string mark;
    std::map<TableId, RowDigests> rows; ///< of tables that were compared
};

class Source {
  public:
    explicit Source(std::unique_ptr<Database> database) : database_(std::move(database)) {}

    [[nodiscard]] const Dialect& dialect() const { return database_->dialect(); }
    /// What the data of its events is, in the snapshot that is being read.
    [[nodiscard]] DataOrigin data_origin() const { return data_origin_; }

    /// Connects if that is needed, takes a snapshot and looks at the tables. Throws SourceError, and UnknownShape.
    boost::asio::awaitable<void> begin();
    /// Throws SourceError if what was read since may be of no one state: it must not be handed on.
    void check_unchanged() const { database_->check_unchanged(); }
    /// Throws UnknownShape if it can be read, but not be followed.
    boost::asio::awaitable<void> check_followable();
    boost::asio::awaitable<void> end() { return database_->end(); }
    void close() noexcept { database_->close(); }

    boost::asio::awaitable<RunStream> runs();
    boost::asio::awaitable<std::vector<SourceRun>> runs(const std::set<std::string>& run_ids);
    /// Of a run, the events of these numbers alone.
    boost::asio::awaitable<SourceRun> events(const std::string& run_id, const std::vector<std::int64_t>& numbers);

    boost::asio::awaitable<std::vector<TableSize>> sizes();

    /// How many events runs have.
    boost::asio::awaitable<std::int64_t> count_events();

    boost::asio::awaitable<Boots> newest_boots();

    /// The runs in flight, and since when.
    boost::asio::awaitable<std::map<std::string, std::string>> flights();

    /// Before a snapshot is taken: whether a look can find anything.
    boost::asio::awaitable<bool> may_have_changed();

    /// All that the snapshot has, as a look.
    boost::asio::awaitable<Look> everything();

    /// What it has that is not kept yet.
    boost::asio::awaitable<Look> changes();

    /// What a look found is dealt with.
    void keep(Look look);

  private:
    using Clock = std::chrono::steady_clock;

    boost::asio::awaitable<void> open();
    [[nodiscard]] const Shape& shape(TableId id) const { return shapes_.at(static_cast<std::size_t>(id)); }
    [[nodiscard]] std::string from(TableId id) const;
    [[nodiscard]] std::string columns(TableId id) const;
    [[nodiscard]] std::string number() const;
    [[nodiscard]] std::string numbered_event() const;
    [[nodiscard]] std::string select(TableId id, const std::string& condition) const;
    boost::asio::awaitable<void> add_input(RunStream& stream, TableId id, std::vector<Row> SourceRun::*rows,
                                           std::string condition);
    boost::asio::awaitable<RunStream> stream(std::string condition);
    boost::asio::awaitable<RowDigests> compare(TableId id, std::set<std::string>& run_ids);
    boost::asio::awaitable<void> find_written(Look& look);
    boost::asio::awaitable<void> find_events(Look& look);
    boost::asio::awaitable<void> find_without_number(Look& look);
    boost::asio::awaitable<bool> compare_blocks(Look& look, std::int64_t first, std::int64_t last);
    boost::asio::awaitable<void> compare_events(Look& look);
    boost::asio::awaitable<void> read_newest_row(Look& look);
    std::uint64_t& digest_of(Look& look, std::int64_t block) const;

    std::unique_ptr<Database> database_;
    DataOrigin data_origin_ = DataOrigin::text;
    std::array<Shape, all_tables.size()> shapes_;
    SeenNumbers seen_;
    BlockDigests blocks_;
    std::int64_t compares_from_ = std::numeric_limits<std::int64_t>::min(); ///< the block that is next
    std::size_t uncompared_ = 0;             ///< blocks that were not compared since something changed
    Clock::time_point compares_events_at_{}; ///< next, at the earliest
    std::optional<std::int64_t> newest_row_;
    bool has_to_find_without_number_ = false; ///< among all rows
    Clock::time_point finds_without_number_at_{};
    std::size_t next_gap_ = 0;
    std::map<std::string, std::string> flights_;
    std::string mark_;
    bool is_anew_ = false; ///< connected since the look that was kept
    std::map<TableId, RowDigests> rows_;
    Clock::time_point compares_at_{}; ///< next, at the earliest
    bool has_to_compare_ = false;     ///< something changed, and rows were not compared since
};

} // namespace pdpp::moving_in
