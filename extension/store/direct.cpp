#include "store/direct.hpp"

#include <algorithm>
#include <utility>

namespace pdpp::store {

void KeyScan::open(Relation table, AttrNumber column, Oid index, Snapshot snapshot) {
    table_ = table;
    column_ = column;
    snapshot_ = snapshot;
    slot_ = table_slot_create(table, nullptr);
    if (OidIsValid(index)) {
        index_ = index_open(index, AccessShareLock);
        scan_ = pg::begin_index_scan(table, index_, snapshot, 1);
    }
}

namespace {

/// Equality of texts, looked up once for a session.
FmgrInfo* text_equality() {
    static FmgrInfo equality;
    if (equality.fn_addr == nullptr) {
        fmgr_info_cxt(F_TEXTEQ, &equality, TopMemoryContext);
    }
    return &equality;
}

} // namespace

void KeyScan::seek(Datum value) {
    ScanKeyData key;
    if (index_ != nullptr) {
        // of the same bytes, as every index that is used has it
        ScanKeyEntryInitializeWithInfo(&key, 0, 1, BTEqualStrategyNumber, TEXTOID, index_->rd_indcollation[0],
                                       text_equality(), value);
        index_rescan(scan_, &key, 1, nullptr, 0);
        return;
    }
    ScanKeyEntryInitializeWithInfo(&key, 0, column_, InvalidStrategy, TEXTOID, C_COLLATION_OID, text_equality(), value);
    if (walk_ != nullptr) {
        table_endscan(walk_);
    }
    walk_ = table_beginscan(table_, snapshot_, 1, &key);
}

TupleTableSlot* KeyScan::next(ScanDirection direction) {
    const bool found = index_ != nullptr ? index_getnext_slot(scan_, direction, slot_)
                                         : table_scan_getnextslot(walk_, ForwardScanDirection, slot_);
    return found ? slot_ : nullptr;
}

void KeyScan::close() {
    if (!is_open()) {
        return;
    }
    if (index_ != nullptr) {
        index_endscan(scan_);
        index_close(index_, NoLock);
        index_ = nullptr;
    }
    if (walk_ != nullptr) {
        table_endscan(walk_);
        walk_ = nullptr;
    }
    ExecDropSingleTupleTableSlot(slot_);
    slot_ = nullptr;
}

bool is_empty(Oid index) {
    Relation opened = index_open(index, AccessShareLock);
    const bool empty = RelationGetNumberOfBlocks(opened) <= 1;
    index_close(opened, NoLock);
    return empty;
}

std::optional<std::string_view> text_of(TupleTableSlot* slot, AttrNumber column) {
    bool is_null = false;
    const Datum datum = slot_getattr(slot, column, &is_null);
    if (is_null) {
        return {};
    }
    return text_view(datum);
}

std::optional<run::Instant> instant_of(TupleTableSlot* slot, AttrNumber column) {
    bool is_null = false;
    const Datum datum = slot_getattr(slot, column, &is_null);
    if (is_null) {
        return {};
    }
    return to_instant(DatumGetTimestampTz(datum));
}

void keep(std::initializer_list<std::optional<std::string_view>*> texts) {
    std::size_t bytes = 0;
    for (const auto* text : texts) {
        bytes += *text ? (*text)->size() : 0;
    }
    auto* to = static_cast<char*>(palloc(bytes));
    for (auto* text : texts) {
        if (*text) {
            memcpy(to, (*text)->data(), (*text)->size());
            *text = std::string_view{to, (*text)->size()};
            to += (*text)->size();
        }
    }
}

Snapshot push_latest_snapshot() {
    CommandCounterIncrement(); // what the running statement wrote counts too
    PushActiveSnapshot(GetTransactionSnapshot());
    return GetActiveSnapshot();
}

namespace {

/// Whether what is known of its indexes stays true. One that CREATE INDEX CONCURRENTLY builds does not take entries
/// yet, and methods other than btree may keep something of their own from one entry to the next.
bool can_be_kept(const ResultRelInfo* target) {
    const std::span indexes{target->ri_IndexRelationDescs, static_cast<std::size_t>(target->ri_NumIndices)};
    return std::ranges::all_of(
        indexes, [](Relation index) { return index->rd_index->indisready && index->rd_rel->relam == BTREE_AM_OID; });
}

} // namespace

void WriteTarget::open(Relation table, TupleTableSlot* row) {
    if (prepared_ != nullptr && version_ == catalogue_version() && table_ == RelationGetRelid(table)) {
        prepared_->ri_RelationDesc = table;
        std::ranges::fill(opened(), nullptr); // an error may have ended the last insert
    } else {
        prepare(table);
    }
    ExprContext* context = GetPerTupleExprContext(executor_);
    context->ecxt_scantuple = row;
    for (int i = 0; i < prepared_->ri_NumIndices; ++i) {
        IndexTarget& index = indexes_[i];
        index.takes_entry = index.same_as != nullptr ? index.same_as->takes_entry : ExecQual(index.predicate, context);
        Relation& relation = opened()[static_cast<std::size_t>(i)];
        // one that is left out needs no lock: that on the table keeps what we know of it true
        if (index.takes_entry && relation == nullptr) {
            relation = index_open(index.index, RowExclusiveLock);
        } else if (!index.takes_entry && relation != nullptr) {
            index_close(std::exchange(relation, nullptr), RowExclusiveLock);
        }
    }
}

void WriteTarget::prepare(Relation table) {
    prepared_ = nullptr;
    if (EState* outdated = std::exchange(executor_, nullptr)) {
        FreeExecutorState(outdated);
    }
    const std::uint64_t version = catalogue_version();
    EState* executor = CreateExecutorState();
    MemoryContext callers = MemoryContextSwitchTo(executor->es_query_cxt);
    auto* target = makeNode(ResultRelInfo);
    InitResultRelInfo(target, table, 1, nullptr, 0);
    ExecOpenIndices(target, false);
    const auto count = static_cast<std::size_t>(target->ri_NumIndices);
    const std::span indexes{static_cast<IndexTarget*>(palloc0(sizeof(IndexTarget) * count)), count};
    List** predicates = static_cast<List**>(palloc0(sizeof(List*) * count));
    for (std::size_t i = 0; i < count; ++i) {
        // looked at before the index is opened, and so not again when the entry is made
        predicates[i] = std::exchange(target->ri_IndexRelationInfo[i]->ii_Predicate, NIL);
        const auto same =
            std::find_if(predicates, predicates + i, [&](List* each) { return equal(each, predicates[i]); });
        indexes[i] = {.index = RelationGetRelid(target->ri_IndexRelationDescs[i]),
                      .predicate = ExecPrepareQual(predicates[i], executor),
                      .same_as =
                          same == predicates + i ? nullptr : &indexes[static_cast<std::size_t>(same - predicates)],
                      .takes_entry = false};
    }
    MemoryContextSwitchTo(callers);
    MemoryContextSetParent(executor->es_query_cxt, CacheMemoryContext);
    executor_ = executor;
    prepared_ = target;
    indexes_ = indexes.data();
    table_ = RelationGetRelid(table);
    version_ = can_be_kept(target) ? version : 0;
}

std::span<Relation> WriteTarget::opened() const {
    return {prepared_->ri_IndexRelationDescs, static_cast<std::size_t>(prepared_->ri_NumIndices)};
}

void WriteTarget::close() {
    ResetPerTupleExprContext(executor_);
    pg::close_indexes(prepared_);
}

bool insert_directly(Relation table, WriteTarget& prepared, std::span<const Datum> values, std::span<const bool> nulls,
                     bool has_new_keys) {
    PreventCommandIfReadOnly("INSERT");
    TupleTableSlot* slot = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual);
    // as many as this table has: there may be room for more
    const auto places = static_cast<std::size_t>(RelationGetDescr(table)->natts);
    std::ranges::copy(values.first(places), slot->tts_values);
    std::ranges::copy(nulls.first(places), slot->tts_isnull);
    ExecStoreVirtualTuple(slot);
    prepared.open(table, slot);
    EState* executor = prepared.executor();
    ResultRelInfo* target = prepared.relation();
    executor->es_output_cid = GetCurrentCommandId(true);

    bool inserted = true;
    if (has_new_keys) {
        table_tuple_insert(table, slot, executor->es_output_cid, 0, nullptr);
        (void)pg::insert_index_entries(target, slot, executor, false);
    } else {
        // As the executor does it, but for the look at each index that it takes before: a row that turns out to be in
        // conflict is taken back, and never was for anybody else.
        const std::uint32_t token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
        table_tuple_insert_speculative(table, slot, executor->es_output_cid, 0, nullptr, token);
        inserted = pg::insert_index_entries(target, slot, executor, true);
        table_tuple_complete_speculative(table, slot, token, inserted);
        SpeculativeInsertionLockRelease(GetCurrentTransactionId());
    }

    ExecDropSingleTupleTableSlot(slot);
    prepared.close();
    return inserted;
}

bool update_directly(Relation table, WriteTarget& prepared, TupleTableSlot* found,
                     std::initializer_list<Change> changes) {
    PreventCommandIfReadOnly("UPDATE");
    CheckCmdReplicaIdentity(table, CMD_UPDATE); // as the executor does
    slot_getallattrs(found);
    TupleTableSlot* row = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual);
    const auto columns = static_cast<std::size_t>(RelationGetDescr(table)->natts);
    memcpy(row->tts_values, found->tts_values, columns * sizeof(Datum));
    memcpy(row->tts_isnull, found->tts_isnull, columns * sizeof(bool));
    for (const Change& change : std::span{changes.begin(), changes.size()}) {
        row->tts_values[change.column - 1] = change.value.value_or(Datum{0});
        row->tts_isnull[change.column - 1] = !change.value;
    }
    ExecStoreVirtualTuple(row);
    TM_Result result = TM_Ok;
    const bool needs_entries = pg::update_tuple(table, &found->tts_tid, row, result);
    if (result == TM_Ok && needs_entries) {
        prepared.open(table, row);
        (void)pg::insert_index_entries(prepared.relation(), row, prepared.executor(), false);
        prepared.close();
    }
    ExecDropSingleTupleTableSlot(row);
    return result == TM_Ok;
}

bool delete_directly(Relation table, const ItemPointerData& locked) {
    PreventCommandIfReadOnly("DELETE");
    CheckCmdReplicaIdentity(table, CMD_DELETE); // as the executor does
    ItemPointerData place = locked;
    TupleTableSlot* row = table_slot_create(table, nullptr);
    const bool is_there = table_tuple_fetch_row_version(table, &place, SnapshotSelf, row);
    ExecDropSingleTupleTableSlot(row);
    if (!is_there) { // which a DELETE of that place would take for a fault
        return false;
    }
    TM_FailureData failure;
    const TM_Result result = table_tuple_delete(table, &place, GetCurrentCommandId(true), GetActiveSnapshot(),
                                                InvalidSnapshot, true, &failure, false);
    if (result != TM_Ok) {
        elog(ERROR, "pdpp: unexpected result of a delete: %d", static_cast<int>(result));
    }
    return true;
}

TupleTableSlot* lock_row(Relation table, TupleTableSlot* found, Snapshot snapshot, LockTupleMode mode,
                         LockWaitPolicy policy) {
    PreventCommandIfReadOnly("SELECT FOR UPDATE");
    TupleTableSlot* row = table_slot_create(table, nullptr);
    TM_FailureData failure;
    const auto flags = static_cast<std::uint8_t>(TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS |
                                                 (IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION));
    const TM_Result result = table_tuple_lock(table, &found->tts_tid, snapshot, row, GetCurrentCommandId(true), mode,
                                              policy, flags, &failure);
    switch (result) {
    case TM_Ok:
        return row;
    case TM_Updated:
    case TM_Deleted:
        if (IsolationUsesXactSnapshot()) {
            ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                            errmsg("could not serialize access due to concurrent update")));
        }
        break;
    case TM_SelfModified:
    case TM_WouldBlock:
        break;
    default:
        elog(ERROR, "pdpp: unexpected result of a row lock: %d", static_cast<int>(result));
    }
    ExecDropSingleTupleTableSlot(row);
    return nullptr;
}

} // namespace pdpp::store
