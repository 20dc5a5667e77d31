#include "store/wait.hpp"

#include "store/shared_memory.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace pdpp::store {

namespace {

constexpr std::int64_t micros_per_milli = 1000;
/// Where nobody tells, looks come ever more seldom.
constexpr std::int64_t first_untold_pause = 20 * micros_per_milli;
constexpr std::int64_t untold_pause = 500 * micros_per_milli;
/// Where endings are told: for those that are not.
constexpr std::int64_t told_pause = 1000 * micros_per_milli;

/// Those who wait, in groups by a hash of the run: who is woken for another run of his group looks once in vain.
struct Waiters {
    static constexpr const char* name = "pdpp waiters";
    static constexpr unsigned count = 64;

    std::array<ConditionVariable, count> groups;

    void initialise() {
        for (ConditionVariable& group : groups) {
            ConditionVariableInit(&group);
        }
    }
};

unsigned group_of(std::string_view run_id) {
    return hash_bytes(reinterpret_cast<const unsigned char*>(run_id.data()), static_cast<int>(run_id.size())) %
           Waiters::count;
}

/// The groups that have to be told when the running transaction commits, a bit each. What a rollback to a savepoint
/// took back is told as well, which costs them a look.
std::uint64_t groups_to_tell = 0;

/// After the commit nothing may fail: this takes a spinlock for each group, and sets latches.
void tell_groups(XactEvent event, void* /*argument*/) {
    if (groups_to_tell == 0 || event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) {
        return;
    }
    const std::uint64_t told = std::exchange(groups_to_tell, 0);
    if (event != XACT_EVENT_COMMIT) {
        return; // nothing has ended; or it will, by somebody's COMMIT PREPARED
    }
    for (unsigned group = 0; group < Waiters::count; ++group) {
        if ((told >> group & 1) != 0) {
            ConditionVariableBroadcast(&SharedMemory<Waiters>::get()->groups[group]);
        }
    }
}

} // namespace

void tell_waiters(std::string_view run_id) {
    if (SharedMemory<Waiters>::get() != nullptr) {
        groups_to_tell |= std::uint64_t{1} << group_of(run_id);
    }
}

EndingWait::EndingWait(std::string_view run_id) : pause_{first_untold_pause} {
    static ConditionVariable never_told;
    Waiters* waiters = SharedMemory<Waiters>::get();
    if (waiters == nullptr) {
        ConditionVariableInit(&never_told);
    }
    told_ = waiters == nullptr ? &never_told : &waiters->groups[group_of(run_id)];
    ConditionVariablePrepareToSleep(told_);
}

void EndingWait::sleep(std::int64_t at_most) {
    const bool is_told = SharedMemory<Waiters>::get() != nullptr && !RecoveryInProgress();
    std::int64_t pause = is_told ? told_pause : pause_;
    pause_ = std::min(2 * pause_, untold_pause);
    if (const int limit = pg::transaction_timeout(); limit > 0) {
        pause = std::min(pause, limit * micros_per_milli / 2); // each pause is a transaction
    }
    pause = std::clamp<std::int64_t>(at_most, 0, pause);
    // rounded up: the last look comes when the time is over
    (void)ConditionVariableTimedSleep(told_, static_cast<long>((pause + micros_per_milli - 1) / micros_per_milli),
                                      PG_WAIT_EXTENSION);
}

void EndingWait::finish() {
    ConditionVariableCancelSleep();
}

void watch_waits() {
    RegisterXactCallback(tell_groups, nullptr);
}

void prepare_waits() {
    SharedMemory<Waiters>::request();
}

} // namespace pdpp::store
