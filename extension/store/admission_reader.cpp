#include "store/admission_reader.hpp"

#include "boundary.hpp"
#include "store/direct.hpp"
#include "store/spine.hpp"

namespace pdpp::store {

void AdmissionReader::open() {
    table_ = open_current(&Catalogue::spine, AccessShareLock, spine_);
    require_readable(table_, spine_.unreadable);
    snapshot_ = push_latest_snapshot();
    Relation index = OidIsValid(spine_.primary_key) ? index_open(spine_.primary_key, AccessShareLock) : nullptr;
    if (index != nullptr && index->rd_indcollation[0] != C_COLLATION_OID) {
        index_close(index, AccessShareLock);
        index = nullptr;
    }
    index_ = index;
    if (index_ != nullptr) {
        scan_ = pg::begin_index_scan(table_, index_, snapshot_, 1);
        scan_->xs_want_itup = true;
        slot_ = table_slot_create(table_, nullptr);
    }
}

/// Goes on to the next entry of the index.
void AdmissionReader::step() {
    bool is_null = false;
    at_ = index_getnext_tid(scan_, ForwardScanDirection) == nullptr
              ? std::nullopt
              : std::optional{text_view(index_getattr(scan_->xs_itup, 1, scan_->xs_itupdesc, &is_null))};
}

Jsonb* AdmissionReader::data_of(std::string_view run_id) {
    if (index_ == nullptr) {
        return admission_data(run_id);
    }
    constexpr int near = 20; // entries that are passed sooner than the index is descended again
    for (int steps = 0; at_ && *at_ < run_id; ++steps) {
        if (steps == near) {
            at_.reset();
            break;
        }
        step();
    }
    if (!at_ || *at_ > run_id) {
        ScanKeyData key;
        ScanKeyEntryInitialize(&key, 0, 1, BTGreaterEqualStrategyNumber, TEXTOID, C_COLLATION_OID, F_TEXT_GE,
                               to_text(run_id));
        index_rescan(scan_, &key, 1, nullptr, 0);
        step();
    }
    for (; at_ && *at_ == run_id; step()) {
        if (index_fetch_heap(scan_, slot_)) {
            bool is_null = false;
            const std::int64_t seq = DatumGetInt64(slot_getattr(slot_, spine_.event_seq, &is_null));
            const Datum data = slot_getattr(slot_, spine_.data_json, &is_null);
            return seq != 1 || is_null ? nullptr : DatumGetJsonbPCopy(data);
        }
    }
    return nullptr;
}

void AdmissionReader::close() {
    if (index_ != nullptr) {
        ExecDropSingleTupleTableSlot(slot_);
        index_endscan(scan_);
        index_close(index_, NoLock);
    }
    PopActiveSnapshot();
    relation_close(table_, NoLock);
}

} // namespace pdpp::store
