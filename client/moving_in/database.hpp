#pragma once
// The other server's database, which is only ever read: a snapshot, and what statements find in it.

#include "moving_in/data.hpp"
#include "moving_in/shape.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::moving_in {

/// The source cannot be read just now, or at all. What it says names no secret.
class SourceError : public std::runtime_error {
  public:
    /// `busy`: somebody writes to it at this moment. `unreadable`: its file is not one that can be read as it lies
    /// there, which may be another's while somebody puts it there.
    enum class Kind : std::uint8_t { lost, busy, unreadable, refused };

    /// `hint` is what to do about it, where that is known.
    SourceError(Kind kind, const std::string& message, std::string hint = {})
        : std::runtime_error(message), kind_(kind), hint_(std::move(hint)) {}

    /// Whether trying again can help.
    [[nodiscard]] bool is_passing() const { return kind_ == Kind::lost || kind_ == Kind::busy; }
    /// Whether it can help whoever has read the source before.
    [[nodiscard]] bool may_be_replaced() const { return kind_ == Kind::unreadable; }
    /// Whether trying again at once can.
    [[nodiscard]] bool is_busy() const { return kind_ == Kind::busy; }
    [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

  private:
    Kind kind_;
    std::string hint_;
};

/// Rows one after the other, a few of them in memory at a time.
class Cursor {
  public:
    virtual ~Cursor() = default;

    /// The next row; nothing at the end.
    virtual boost::asio::awaitable<std::optional<Row>> next() = 0;
};

/// How its SQL differs.
struct Dialect {
    std::string_view name;   ///< `postgresql` or `sqlite`
    std::string_view schema; ///< of the tables, with its point
    bool tells_writes;       ///< the database knows which rows were written since: Database::written_since
    /// What rows have in the order in which they came, until one of them is gone; empty where there is no such thing.
    std::string_view row_number;
    bool holds_any_type; ///< a column may hold other values than its type says: texts for numbers, BLOBs for texts
};

class Database {
  public:
    virtual ~Database() = default;

    [[nodiscard]] virtual const Dialect& dialect() const = 0;

    /// Connects, unless that is done, and gives whether it was not. Throws SourceError.
    virtual boost::asio::awaitable<bool> open() = 0;

    /// From here until end() everything is read as it is now.
    virtual boost::asio::awaitable<void> begin() = 0;
    virtual boost::asio::awaitable<void> end() = 0;

    /// Since begin(): what orders by the bytes that a column's texts have in UTF-8, as which they are read, whatever
    /// the encoding is that they are kept in.
    [[nodiscard]] virtual std::string by_bytes(std::string_view column) const = 0;

    /// Since begin(): whether its texts are UTF-8, or become it as they are read. Else they are bytes as they are.
    [[nodiscard]] virtual bool has_characters() const { return true; }

    virtual boost::asio::awaitable<std::vector<Row>> rows(std::string sql) = 0;
    virtual boost::asio::awaitable<std::unique_ptr<Cursor>> cursor(std::string sql) = 0;

    /// Throws SourceError if what was read since begin() may not be of one state.
    virtual void check_unchanged() const {}

    virtual boost::asio::awaitable<FoundTables> tables() = 0;

    /// Those of them that are no tables.
    virtual boost::asio::awaitable<std::set<std::string>> views() = 0;

    /// The bytes of a table with its indexes; nothing where its tables cannot be told apart.
    virtual boost::asio::awaitable<std::optional<std::int64_t>> bytes(std::string table) = 0;

    /// Whether anything may have changed since the last call: false says that nothing has.
    virtual boost::asio::awaitable<bool> may_have_changed() = 0;

    /// How far the database has come in the snapshot that is being read, and a condition on the rows of a table,
    /// called `t`, that were written since it had come as far as `mark`.
    virtual boost::asio::awaitable<std::string> mark() = 0;
    [[nodiscard]] virtual std::string written_since(std::string_view mark) const = 0;

    /// Lets go of what is open: the next open() begins anew.
    virtual void close() noexcept = 0;
};

/// `postgres:CONNINFO` or `sqlite:PATH`; a null pointer for anything else. Throws std::invalid_argument for a
/// connection string that can be that of no database.
std::unique_ptr<Database> database_for(std::string_view source);

} // namespace pdpp::moving_in
