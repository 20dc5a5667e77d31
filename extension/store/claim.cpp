#include "store/claim.hpp"

#include "boundary.hpp"
#include "run/claim.hpp"
#include "settings.hpp"
#include "store/clock.hpp"
#include "store/direct.hpp"
#include "store/durable.hpp"
#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::store {

namespace {

/// What was not found where it is expected is looked for elsewhere, so often.
constexpr std::int64_t look_again_micros = 1'000'000;

/// run::is_in_time() for a statement.
#define IN_TIME(flight, after, since, anew_until)                                                                      \
    "(" flight ".launch_deadline > " after " or (" flight ".started_at not between " since " and " after " and"        \
    " case when not isfinite(" flight ".launch_deadline) or not isfinite(" flight ".started_at) then false"            \
    " when " flight ".launch_deadline < " flight ".started_at then " anew_until " > " after " else " flight            \
    ".launch_deadline - " flight ".started_at > " after " - " since " end))"

run::ClaimTime claim_time() {
    const Clock clock = read_clock();
    const run::Instant since = clock.serving_since().value_or(run::Instant{});
    return {.after = {clock.now.unix_micros - clock.past.furthest_forward()},
            .serving_since = since,
            .anew_until = run::later(since, std::int64_t{settings::launch_deadline} * 1000)};
}

bool is_same_boot(const pg_uuid_t& one, const pg_uuid_t& other) {
    return memcmp(one.data, other.data, UUID_LEN) == 0;
}

/// Where this session found the boot's oldest run that waits, the last time. Before it lie runs that are claimed, those
/// that have ended and that the server has not tidied away yet, and at worst one that came late: the time of its
/// admission is read before it gets there. So the whole is looked at when nothing else is left, and once a second.
struct Front {
    pg_uuid_t boot_epoch;
    run::Instant from;
    TransactionId claimed_in; ///< what lies before was claimed by this transaction, among others
    std::int64_t looked_at;   ///< when the whole was looked at
};
std::optional<Front> front;

/// When the connections were asked in vain, for whom.
struct Asked {
    pg_uuid_t boot_epoch{};
    std::int64_t at = 0;
};
Asked elsewhere;

bool is_front(const pg_uuid_t& boot_epoch) {
    return front && is_same_boot(front->boot_epoch, boot_epoch) &&
           steady_micros() - front->looked_at < look_again_micros &&
           (!TransactionIdIsValid(front->claimed_in) || TransactionIdIsCurrentTransactionId(front->claimed_in) ||
            TransactionIdDidCommit(front->claimed_in));
}

/// Whether a run waits: nobody has it, and nobody wants its end.
enum class Waits : std::uint8_t { yes, no, not_just_now };
Waits waits(TupleTableSlot* slot, const FlightEntry& columns, const run::ClaimTime& time) {
    const auto is_null = [slot](AttrNumber column) {
        bool is_null = false;
        (void)slot_getattr(slot, column, &is_null);
        return is_null;
    };
    const auto launch_deadline = instant_of(slot, columns.launch_deadline);
    if (!is_null(columns.boot_epoch) || !launch_deadline || !is_null(columns.cancel_requested_at)) {
        return Waits::no;
    }
    const auto admitted_at = instant_of(slot, columns.started_at);
    return run::is_in_time(admitted_at.value_or(to_instant(DT_NOBEGIN)), *launch_deadline, time) ? Waits::yes
                                                                                                 : Waits::not_just_now;
}

/// What a claim has taken so far.
struct Claimed {
    Flight* flights;
    std::int64_t most;
    std::int64_t count = 0;

    [[nodiscard]] std::int64_t room() const { return most - count; }
    void add(const Flight& flight) { flights[count++] = flight; }
    void add(const Rows& rows) {
        for (std::uint64_t row = 0; row < rows.count() && room() > 0; ++row) {
            add(flight_in(rows, row));
        }
    }
};

/// A walk along the runs that a boot offers, oldest first. It locks those that can be claimed, and makes them the
/// boot's; where an UPDATE does more than that, a statement has to, and their places are kept for it.
///
/// It sees what others have not committed yet, and so knows what it has to come back to. What it locks has committed.
class Walk {
  public:
    Walk(Relation table, const FlightEntry& columns, const pg_uuid_t& boot_epoch, Claimed& claimed)
        : table_{table}, columns_{columns}, boot_epoch_{boot_epoch}, time_{claim_time()}, claimed_{claimed},
          room_{claimed.room()}, left_{static_cast<ItemPointer>(
                                     palloc(sizeof(ItemPointerData) * static_cast<std::size_t>(room_)))} {
        InitDirtySnapshot(dirty_);
        index_ = index_open(columns.offered_index, AccessShareLock);
        scan_ = pg::begin_index_scan(table, index_, &dirty_, 2);
        slot_ = table_slot_create(table, nullptr);
    }

    /// Those that were admitted then or later, or earlier.
    void look(StrategyNumber strategy, run::Instant than);
    void close();

    [[nodiscard]] bool is_done() const { return taken_ == room_; }
    [[nodiscard]] std::span<const ItemPointerData> left_to_statement() const {
        return {left_, columns_.can_be_claimed ? 0 : static_cast<std::size_t>(taken_)};
    }
    /// Of the oldest run that has to be looked at again; else of the last that was looked at, if there was one.
    [[nodiscard]] std::optional<run::Instant> oldest_in_doubt() const { return in_doubt_ ? in_doubt_ : last_; }

  private:
    bool take();

    Relation table_;
    const FlightEntry& columns_;
    const pg_uuid_t& boot_epoch_;
    const run::ClaimTime time_;
    Claimed& claimed_;
    const std::int64_t room_;
    ItemPointer left_;
    std::int64_t taken_ = 0;
    SnapshotData dirty_{};
    Relation index_ = nullptr;
    IndexScanDesc scan_ = nullptr;
    TupleTableSlot* slot_ = nullptr;
    std::optional<run::Instant> in_doubt_;
    std::optional<run::Instant> last_;
};

void Walk::look(StrategyNumber strategy, run::Instant than) {
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&boot_epoch_));
    const Oid comparison = get_opfamily_member(index_->rd_opfamily[1], TIMESTAMPTZOID, TIMESTAMPTZOID,
                                               static_cast<std::int16_t>(strategy));
    ScanKeyInit(&keys[1], 2, strategy, get_opcode(comparison), TimestampTzGetDatum(to_timestamptz(than)));
    index_rescan(scan_, keys, 2, nullptr, 0);
    while (!is_done() && index_getnext_slot(scan_, ForwardScanDirection, slot_)) {
        CHECK_FOR_INTERRUPTS();
        const auto at = instant_of(slot_, columns_.started_at).value_or(to_instant(DT_NOBEGIN));
        last_ = std::max(last_.value_or(at), at);
        const bool is_settled = take();
        if (!is_settled) {
            in_doubt_ = std::min(in_doubt_.value_or(at), at);
        }
    }
}

/// Takes the run if it waits and is still this boot's. Whether there is nothing more to be said about it.
bool Walk::take() {
    if (TransactionIdIsValid(dirty_.xmin) || TransactionIdIsValid(dirty_.xmax)) {
        return false; // somebody is at work on it
    }
    if (const Waits found = waits(slot_, columns_, time_); found != Waits::yes) {
        return found == Waits::no;
    }
    TupleTableSlot* row = lock_row(table_, slot_, &dirty_, LockTupleNoKeyExclusive, LockWaitSkip);
    if (row == nullptr) {
        return false;
    }
    bool is_null = false;
    const Datum offered_by = slot_getattr(row, columns_.offered_by, &is_null);
    const bool is_ours =
        !is_null && is_same_boot(*DatumGetUUIDP(offered_by), boot_epoch_) && waits(row, columns_, time_) == Waits::yes;
    if (is_ours && columns_.can_be_claimed) {
        const bool is_taken =
            update_directly(table_, flight_rows(), row, {{columns_.boot_epoch, UUIDPGetDatum(&boot_epoch_)}});
        if (!is_taken) {
            elog(ERROR, "pdpp: a row that was locked has changed");
        }
        claimed_.add(flight_in(row, columns_));
    } else if (is_ours) {
        left_[taken_] = row->tts_tid;
    }
    taken_ += is_ours ? 1 : 0;
    ExecDropSingleTupleTableSlot(row);
    return is_ours;
}

void Walk::close() {
    ExecDropSingleTupleTableSlot(slot_);
    index_endscan(scan_);
    index_close(index_, NoLock);
}

/// By the index of what is offered. Where to look first is known from the last time.
void claim_from_front(const pg_uuid_t& boot_epoch, Claimed& claimed) {
    static Statement own{"update pdpp.controller_active_runs as f set boot_epoch = $1 where f.ctid = any ($2)"
                         " returning " FLIGHT_COLUMNS};
    PreventCommandIfReadOnly("UPDATE");
    FlightEntry columns;
    Relation table = open_current(&Catalogue::flight, RowExclusiveLock, columns);
    require_readable(table, columns.unreadable);
    if (!OidIsValid(columns.offered_index)) {
        relation_close(table, NoLock);
        return;
    }
    CommandCounterIncrement(); // what the running statement wrote counts too
    const bool has_front = is_front(boot_epoch);
    const run::Instant from = has_front ? front->from : to_instant(DT_NOBEGIN);
    std::int64_t looked_at = has_front ? front->looked_at : steady_micros();
    Walk walk{table, columns, boot_epoch, claimed};
    walk.look(BTGreaterEqualStrategyNumber, from);
    if (has_front && !walk.is_done()) {
        looked_at = steady_micros();
        walk.look(BTLessStrategyNumber, from);
    }
    walk.close();
    if (const auto places = walk.left_to_statement(); !places.empty()) {
        claimed.add(own.execute({boot_epoch, places}));
    }
    TransactionId now_in = GetCurrentTransactionIdIfAny();
    if (!TransactionIdIsValid(now_in) &&
        !has_front) { // a transaction around this one may have claimed what lies before
        now_in = GetTopTransactionIdIfAny();
    }
    front = Front{.boot_epoch = boot_epoch,
                  .from = walk.oldest_in_doubt().value_or(from),
                  .claimed_in = TransactionIdIsValid(now_in) || !has_front ? now_in : front->claimed_in,
                  .looked_at = looked_at};
    relation_close(table, NoLock);
}

/// By what the connections say: for what was not noted when it was offered, for a transaction that must not see more
/// than its snapshot, and for a database whose SQL is older than 0.3.0.
void claim_by_connections(const pg_uuid_t& boot_epoch, Claimed& claimed) {
    // each connection is looked up by its key, whatever a plan believes of how many there are
    static Statement claim{"update pdpp.controller_active_runs as f set boot_epoch = $1"
                           " where f.run_id = any (array(select a.run_id from pdpp.controller_active_runs as a"
                           "   where a.boot_epoch is null and (select c.boot_epoch from pdpp.connections as c"
                           "     where c.connector_instance_id = a.connector_instance_id) = $1"
                           "     and a.cancel_requested_at is null and " IN_TIME("a", "$2", "$3", "$4") //
                           "   order by a.started_at limit $5 for no key update of a skip locked))"
                           " returning " FLIGHT_COLUMNS};
    const auto [after, serving_since, anew_until] = claim_time();
    claimed.add(claim.execute({boot_epoch, after, serving_since, anew_until, claimed.room()}));
}

} // namespace

void forget_front() {
    front.reset();
    elsewhere = {};
}

std::span<const Flight> claim_offered(const pg_uuid_t& boot_epoch, std::int64_t most) {
    Claimed claimed{.flights = static_cast<Flight*>(palloc(sizeof(Flight) * static_cast<std::size_t>(most))),
                    .most = most};
    const bool goes_by_offers = !IsolationUsesXactSnapshot() && OidIsValid(catalogue().flight.offered_index);
    if (goes_by_offers) {
        claim_from_front(boot_epoch, claimed);
    }
    const bool was_in_vain = goes_by_offers && is_same_boot(elsewhere.boot_epoch, boot_epoch) &&
                             steady_micros() - elsewhere.at < look_again_micros;
    if (claimed.room() > 0 && !was_in_vain) {
        claim_by_connections(boot_epoch, claimed);
        elsewhere = {.boot_epoch = boot_epoch, .at = claimed.room() > 0 ? steady_micros() : 0};
    }
    const std::span all{claimed.flights, static_cast<std::size_t>(claimed.count)};
    if (!all.empty()) {
        require_durable_commit(); // what is claimed is launched, and no other boot may claim it after a crash
    }
    std::ranges::sort(all, {}, [](const Flight& flight) { return flight.run.admitted_at; });
    return all;
}

std::optional<Flight> claim_run(std::string_view run_id, const pg_uuid_t& boot_epoch) {
    static Statement claim{"update pdpp.controller_active_runs as f set boot_epoch = $2"
                           " where f.run_id = $1 and f.boot_epoch is null"
                           "   and f.cancel_requested_at is null and " IN_TIME("f", "$3", "$4", "$5") //
                           " returning " FLIGHT_COLUMNS};
    const auto [after, serving_since, anew_until] = claim_time();
    const Rows rows = claim.execute({run_id, boot_epoch, after, serving_since, anew_until});
    if (!rows.any()) {
        return {};
    }
    require_durable_commit(); // as above
    return flight_in(rows, 0);
}

} // namespace pdpp::store
