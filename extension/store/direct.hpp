#pragma once
// Direct access to our tables: what a statement would do to one row, without planning it and starting the executor,
// which costs several times as much as the work itself. docs/design/direct.md says when, and what is left to
// statements.

#include "boundary.hpp"
#include "pg.hpp"
#include "run/instant.hpp"
#include "store/catalogue.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

namespace pdpp::store {

/// Opens a table of ours and returns its current entry; `member` picks the entry from the catalogue. Waiting for the
/// lock can show that what we knew is gone (DROP and CREATE EXTENSION): then it looks again, which ends when nobody has
/// made another table in between. From then on the lock keeps the entry true (an index that REINDEX CONCURRENTLY has
/// replaced goes only once we let go).
template <typename Entry>
Relation open_current(Entry Catalogue::*member, LOCKMODE lock, Entry& entry) {
    for (;;) {
        const std::uint64_t version = catalogue_version();
        const Oid table = (catalogue().*member).table;
        LockRelationOid(table, lock); // which hears of what has changed meanwhile
        const bool is_there = catalogue_version() == version || SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table));
        if (!is_there) {
            forget_catalogue();
        } else if (entry = catalogue().*member; entry.table == table) {
            return relation_open(table, NoLock);
        }
        UnlockRelationOid(table, lock);
    }
}

/// A scan over the rows that have a value in a text column. It lives in the memory context that it was opened in; an
/// error closes it. The lock on its index stays until the transaction ends, as after a SELECT.
class KeyScan {
  public:
    /// By an index whose first key is the column. Without a valid index it walks the table.
    void open(Relation table, AttrNumber column, Oid index, Snapshot snapshot);
    [[nodiscard]] bool is_open() const { return slot_ != nullptr; }

    /// Begins again with this value, to the byte, which must stay until the scan is over.
    void seek(Datum value);

    /// The next row, or a null pointer; valid until the one after it. Backwards only by an index.
    TupleTableSlot* next(ScanDirection direction = ForwardScanDirection);

    void close();

  private:
    Relation table_ = nullptr;
    AttrNumber column_ = InvalidAttrNumber;
    Snapshot snapshot_ = nullptr;
    Relation index_ = nullptr; ///< null: the table is walked
    IndexScanDesc scan_ = nullptr;
    TableScanDesc walk_ = nullptr;
    TupleTableSlot* slot_ = nullptr;
};

/// What this transaction sees now, its own writes included; pop it with PopActiveSnapshot().
Snapshot push_latest_snapshot();

/// Looks a row up by a text column, with a snapshot of its own, as a statement would: use(table, columns, row,
/// snapshot) for the one that is found first. The lock on the table stays until the transaction ends.
template <typename Entry, typename Use>
void with_row(Entry Catalogue::*member, LOCKMODE lock, AttrNumber Entry::*column, Oid Entry::*index,
              std::string_view value, Use use) {
    Entry columns;
    Relation table = open_current(member, lock, columns);
    Snapshot snapshot = push_latest_snapshot();
    const Datum key = to_text(value);
    KeyScan scan;
    require_readable(table, columns.unreadable);
    scan.open(table, columns.*column, columns.*index, snapshot);
    scan.seek(key);
    if (TupleTableSlot* found = scan.next()) {
        use(table, columns, found, snapshot);
    }
    scan.close();
    PopActiveSnapshot();
    relation_close(table, NoLock);
}

/// Whether there is nothing in a btree, nor was when the snapshot was taken that is looked with: all that it has is the
/// page it begins with.
bool is_empty(Oid index);

/// A text column where it lies; nothing for null.
std::optional<std::string_view> text_of(TupleTableSlot* slot, AttrNumber column);

/// A timestamp; nothing for null.
std::optional<run::Instant> instant_of(TupleTableSlot* slot, AttrNumber column);

/// Copies texts out of the page they lie in, into one piece of memory.
void keep(std::initializer_list<std::optional<std::string_view>*> texts);

/// A row in the making: a column is null until it is set. Texts are copied.
template <int Columns>
class NewRow {
  public:
    NewRow() { nulls_.fill(true); }

    void set(AttrNumber column, Datum value) {
        values_[column - 1] = value;
        nulls_[column - 1] = false;
    }
    void set(AttrNumber column, std::string_view text) { set(column, to_text(text)); }
    void set(AttrNumber column, run::Instant instant) { set(column, TimestampTzGetDatum(to_timestamptz(instant))); }
    template <typename T>
    void set(AttrNumber column, const std::optional<T>& value) {
        if (value) {
            set(column, *value);
        }
    }

    [[nodiscard]] std::span<const Datum> values() const { return values_; }
    [[nodiscard]] std::span<const bool> nulls() const { return nulls_; }

  private:
    std::array<Datum, Columns> values_{};
    std::array<bool, Columns> nulls_{};
};

/// A table that is written again and again. What the executor makes of the expressions and predicates of its indexes
/// takes longer than the entries themselves, so it is kept until the catalogue changes. One for each table, for as long
/// as the session lives.
class WriteTarget {
  public:
    void open(Relation table, TupleTableSlot* row); ///< and the indexes that take an entry for the row
    void close();                                   ///< the indexes alone

    [[nodiscard]] EState* executor() const { return executor_; }
    [[nodiscard]] ResultRelInfo* relation() const { return prepared_; }

  private:
    struct IndexTarget {
        Oid index;
        ExprState* predicate;       ///< null, which is true, for one of all rows
        const IndexTarget* same_as; ///< one before it that has the same predicate
        bool takes_entry;           ///< for the row of now
    };

    void prepare(Relation table);
    [[nodiscard]] std::span<Relation> opened() const; ///< a null pointer for what is left out

    EState* executor_ = nullptr; ///< whose memory holds all that follows
    ResultRelInfo* prepared_ = nullptr;
    IndexTarget* indexes_ = nullptr;
    Oid table_ = InvalidOid;
    std::uint64_t version_ = 0; ///< of the catalogue that it was made for; 0 if it must be made anew
};

/// Inserts a row as INSERT … ON CONFLICT DO NOTHING does. False if something is in the way, or may be: then nothing was
/// inserted, and a statement has to decide, wait or raise an error. The lock on the table stays until the transaction
/// ends, as after any statement that writes.
///
/// A row whose keys are new is inserted as INSERT does, which says so if they are not: that takes less of the log.
bool insert_directly(Relation table, WriteTarget& prepared, std::span<const Datum> values, std::span<const bool> nulls,
                     bool has_new_keys);

/// A column's new value; null if there is none.
struct Change {
    AttrNumber column;
    std::optional<Datum> value;
};

/// Changes a row that was found, as UPDATE does, which waits for whoever has it locked: the table must be one where
/// that is all that an UPDATE of these columns does. False, and nothing is changed, if somebody has changed or removed
/// the row meanwhile.
bool update_directly(Relation table, WriteTarget& prepared, TupleTableSlot* found,
                     std::initializer_list<Change> changes);

/// Removes a row that we have locked, as DELETE does: the table must be one where that is all that a DELETE does.
/// False, and nothing is removed, if this transaction has changed the row since.
bool delete_directly(Relation table, const ItemPointerData& locked);

/// Locks the row that a scan has found, as SELECT … FOR UPDATE and its like do: waits for others, and follows what they
/// did to the row. The row as it is locked, to be dropped by the caller; a null pointer if it is gone, or if somebody
/// has it and the policy is to skip it. Its columns may be other than those that it was found by.
TupleTableSlot* lock_row(Relation table, TupleTableSlot* found, Snapshot snapshot, LockTupleMode mode,
                         LockWaitPolicy policy);

} // namespace pdpp::store
