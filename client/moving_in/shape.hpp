#pragma once
// The tables of the other server, as we know them, and whether those that were found are like that.

#include "moving_in/rows.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::moving_in {

/// What a column may hold: the types by the names of PostgreSQL; SQLite has columns of any.
enum class Kind : std::uint8_t { text, number, json };

struct Column {
    std::string_view name;
    Kind kind;
    bool needed = true; ///< older installations lack those that are not
};

struct Table {
    std::string_view name;
    bool needed; ///< every installation has it
    std::span<const Column> columns;
};

enum class TableId : std::uint8_t { events, flights, history, older_history, receipts };

inline constexpr std::array all_tables{TableId::events, TableId::flights, TableId::history, TableId::older_history,
                                       TableId::receipts};

const Table& table(TableId id);

/// The columns of a table that was found, and their types; a type is empty where it says nothing.
using FoundColumns = std::map<std::string, std::string, std::less<>>;

/// What was found, by the name of the table.
using FoundTables = std::map<std::string, FoundColumns, std::less<>>;

/// A table as it is called here, and which of its columns there are.
struct Shape {
    std::string name; ///< empty if there is none
    std::vector<bool> has;
};

/// The shape of a table among those that were found. Throws UnknownShape, which says what was expected and what was
/// found, if it is none that we know.
Shape shape_of(TableId id, const FoundTables& found);

/// Columns of a table as an expression each, in the order of rows: text, or NULL for one that is not there. Where a
/// column `holds_any_type`, a number that is none is NULL too.
std::string select_list(TableId id, const Shape& shape, std::string_view alias, bool holds_any_type);

/// A column of numbers, or NULL where a column may hold what is none.
std::string number_in(std::string_view column, bool holds_any_type);

class UnknownShape : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

} // namespace pdpp::moving_in
