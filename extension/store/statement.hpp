#pragma once
// Statements with kept plans, over SPI.
//
//     Statement find{"select … where run_id = $1"};           // static: planned once for a session
//     const Rows rows = find.execute({run_id});
//     if (rows.any()) { … rows.text(0, 0) … }
//
// Everything happens inside in_spi(), whose memory is gone when it returns; the one value it returns is copied out.

#include "boundary.hpp"
#include "pg.hpp"
#include "run/instant.hpp"

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

namespace pdpp::store {

/// Values of one type, any of them null: a column for unnest().
class ArrayOf {
  public:
    ArrayOf(Oid type, std::size_t room)
        : type_{type}, values_{static_cast<Datum*>(palloc(sizeof(Datum) * room))}, nulls_{static_cast<bool*>(
                                                                                       palloc(sizeof(bool) * room))} {}

    void add(Datum value) {
        values_[count_] = value;
        nulls_[count_] = false;
        ++count_;
    }
    void add(std::string_view text) { add(to_text(text)); }
    void add(run::Instant instant) { add(TimestampTzGetDatum(to_timestamptz(instant))); }
    void add(std::nullopt_t /*null*/) {
        nulls_[count_] = true;
        ++count_;
    }
    template <typename T>
    void add(const std::optional<T>& value) {
        if (value) {
            add(*value);
        } else {
            add(std::nullopt);
        }
    }

    [[nodiscard]] std::size_t count() const { return count_; }
    void clear() { count_ = 0; } ///< what values refer to is the caller's

    [[nodiscard]] Oid array_type() const { return get_array_type(type_); }
    [[nodiscard]] Datum array() const; ///< in the current memory context

  private:
    Oid type_;
    Datum* values_;
    bool* nulls_;
    std::size_t count_ = 0;
};

/// One parameter of a statement: its type follows from what it is made of. Uuids and places are referred to, all else
/// is copied or lives in server memory.
struct Parameter {
    Parameter(std::string_view text) : type{TEXTOID}, value{to_text(text)} {}
    Parameter(const char* text) : Parameter{std::string_view{text}} {}
    Parameter(std::int64_t number) : type{INT8OID}, value{Int64GetDatum(number)} {}
    Parameter(std::same_as<bool> auto truth) : type{BOOLOID}, value{BoolGetDatum(truth)} {} // and no pointer
    Parameter(run::Instant instant) : type{TIMESTAMPTZOID}, value{TimestampTzGetDatum(to_timestamptz(instant))} {}
    Parameter(const Jsonb* json) : type{JSONBOID}, value{JsonbPGetDatum(json)} {}
    Parameter(const pg_uuid_t& uuid) : type{UUIDOID}, value{UUIDPGetDatum(&uuid)} {}
    Parameter(const ItemPointerData& place) : type{TIDOID}, value{PointerGetDatum(&place)} {}
    Parameter(std::span<const ItemPointerData> places) : type{TIDARRAYOID}, value{to_array(places)} {}
    Parameter(const ArrayOf& column) : type{column.array_type()}, value{column.array()} {}
    Parameter(const bytea* bytes) : type{BYTEAOID}, value{PointerGetDatum(bytes)} {}
    template <typename T>
    Parameter(const std::optional<T>& optional) : Parameter{optional ? Parameter{*optional} : null_of(T{})} {}

    Oid type;
    Datum value;
    bool is_null = false;

  private:
    explicit Parameter(Oid null_type) : type{null_type}, value{0}, is_null{true} {}

    static Datum to_array(std::span<const ItemPointerData> places);
    static Parameter null_of(std::string_view /*type*/) { return Parameter{Oid{TEXTOID}}; }
    static Parameter null_of(bool /*type*/) { return Parameter{Oid{BOOLOID}}; }
    static Parameter null_of(run::Instant /*type*/) { return Parameter{Oid{TIMESTAMPTZOID}}; }
    static Parameter null_of(const pg_uuid_t& /*type*/) { return Parameter{Oid{UUIDOID}}; }
};

/// What a statement returned. Rows and columns count from 0; asking for a row that is not there is an internal error.
class Rows {
  public:
    Rows(SPITupleTable* table, std::uint64_t count) : table_{table}, count_{count} {}

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] bool any() const { return count_ > 0; }

    [[nodiscard]] int columns() const { return table_->tupdesc->natts; }
    [[nodiscard]] std::string_view name(int column) const;
    [[nodiscard]] std::size_t size(std::uint64_t row) const; ///< bytes of the tuple, large values as references

    /// A value of this type, or null; raises datatype_mismatch if the column has another.
    [[nodiscard]] std::optional<Datum> datum(std::uint64_t row, int column, Oid type) const;
    [[nodiscard]] std::optional<std::string_view> text(std::uint64_t row, int column) const;
    [[nodiscard]] std::optional<std::int64_t> int8(std::uint64_t row, int column) const;
    [[nodiscard]] std::optional<run::Instant> instant(std::uint64_t row, int column) const;
    [[nodiscard]] std::optional<double> seconds(std::uint64_t row, int column) const; ///< of an interval, as its epoch
    [[nodiscard]] bool is_true(std::uint64_t row, int column) const;
    [[nodiscard]] std::optional<pg_uuid_t> uuid(std::uint64_t row, int column) const;
    [[nodiscard]] Jsonb* jsonb(std::uint64_t row, int column) const; ///< a null pointer for null

  private:
    SPITupleTable* table_;
    std::uint64_t count_;
};

/// A value that our tables do not let be null; raises not_null_violation if somebody has allowed it and done it.
template <typename T>
T required(const std::optional<T>& value) {
    if (!value) {
        ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("a column of pdpp's tables is null that never is"),
                        errhint("Somebody has altered a table of pdpp: pdpp_check() says where.")));
    }
    return *value;
}

/// What an INSERT does with a row whose key is taken: nothing, or it raises unique_violation, which names the index.
enum class OnConflict : std::uint8_t { skip, raise };

/// A statement of this extension, kept planned. Names in it are schema-qualified, and it takes no text but parameters.
class Statement {
  public:
    static constexpr int max_parameters = 32;

    constexpr explicit Statement(const char* sql) : sql_{sql} {}

    /// Runs it with a snapshot of its own, so that it sees what this transaction wrote and, in read committed, what
    /// others have committed since. The types of the parameters must be the same each time.
    Rows execute(std::span<const Parameter> parameters);
    Rows execute(std::initializer_list<Parameter> parameters) {
        return execute(std::span{parameters.begin(), parameters.size()});
    }

    /// The same for a statement that returns no rows: how many it has inserted, updated or deleted.
    std::uint64_t change(std::span<const Parameter> parameters);
    std::uint64_t change(std::initializer_list<Parameter> parameters) {
        return change(std::span{parameters.begin(), parameters.size()});
    }

    /// Opens a cursor on it, with the snapshot of the statement that called us: for reads that want one snapshot.
    Portal open(std::initializer_list<Parameter> parameters);

  private:
    struct Bound {
        Datum values[max_parameters];
        char nulls[max_parameters];
    };
    Bound bind(std::span<const Parameter> parameters);

    const char* sql_;
    SPIPlanPtr plan_ = nullptr;
};

/// Raises triggered_action_exception: a row of this table of ours was to be written, and was not, though nothing stood
/// in its way. Going on would acknowledge what is not there.
[[noreturn]] void refuse_unwritten(const char* table);

/// The rows that the last SPI call of this session returned.
Rows last_rows();

/// Connects to SPI, calls body() and returns its jsonb, copied to the caller's memory; a null pointer becomes SQL null.
template <typename Body>
Datum in_spi(FunctionCallInfo fcinfo, Body body) {
    if (SPI_connect() != SPI_OK_CONNECT) {
        elog(ERROR, "SPI_connect failed");
    }
    const Jsonb* result = body();
    const Datum copy = result == nullptr ? Datum{0} : SPI_datumTransfer(JsonbPGetDatum(result), false, -1);
    SPI_finish();
    fcinfo->isnull = result == nullptr;
    return copy;
}

} // namespace pdpp::store
