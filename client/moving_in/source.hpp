#pragma once
// The runs of the other server: all of them in the order of their ids, or some of them again, and which have changed.

#include "moving_in/database.hpp"
#include "moving_in/mapping.hpp"
#include "moving_in/seen.hpp"
#include "moving_in/shape.hpp"

#include <array>
#include <chrono>
#include <cstdint>
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
    std::int64_t bytes;
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

/// What a look found that was not there at the look before. It counts as seen once keep() is told so.
struct Look {
    std::set<std::string> run_ids;
    std::vector<Range> numbers;
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

    boost::asio::awaitable<std::vector<TableSize>> sizes();

    /// How many events runs have.
    boost::asio::awaitable<std::int64_t> count_events();

    boost::asio::awaitable<Boots> newest_boots();

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

    [[nodiscard]] const Shape& shape(TableId id) const { return shapes_.at(static_cast<std::size_t>(id)); }
    [[nodiscard]] std::string from(TableId id) const;
    [[nodiscard]] std::string select(TableId id, const std::string& condition) const;
    boost::asio::awaitable<void> add_input(RunStream& stream, TableId id, std::vector<Row> SourceRun::*rows,
                                           std::string condition);
    boost::asio::awaitable<RunStream> stream(std::string condition);
    boost::asio::awaitable<std::map<std::string, std::string>> flights();
    boost::asio::awaitable<RowDigests> compare(TableId id, std::set<std::string>& run_ids);
    boost::asio::awaitable<void> find_written(Look& look);

    std::unique_ptr<Database> database_;
    DataOrigin data_origin_ = DataOrigin::text;
    std::array<Shape, 4> shapes_;
    SeenNumbers seen_;
    std::size_t next_gap_ = 0;
    std::map<std::string, std::string> flights_;
    std::string mark_;
    std::map<TableId, RowDigests> rows_;
    Clock::time_point compares_at_{}; ///< next, at the earliest
    bool has_to_compare_ = false;     ///< something changed, and rows were not compared since
};

} // namespace pdpp::moving_in
