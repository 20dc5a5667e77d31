#include "store/announce.hpp"

#include "boundary.hpp"
#include "settings.hpp"
#include "store/digest.hpp"
#include "store/wake.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace pdpp::store {

namespace {

/// A hint of the transaction that is running, and the subtransaction that it stands and falls with.
struct Pending {
    std::uint64_t hint;
    SubTransactionId subtransaction;
};

/// Runs that one transaction leaves to the worker; what it says about more of them it sends itself. A fixed number, so
/// that nothing is allocated when a transaction ends.
constexpr int most_pending = 32;

std::array<Pending, most_pending> pending;
int pending_count = 0;
bool reserved = false; ///< the worker has room for all of them

std::span<Pending> all_pending() {
    return {pending.data(), static_cast<std::size_t>(pending_count)};
}

void send_pending() {
    for (const Pending& each : all_pending()) {
        send_hint(each.hint);
    }
    pending_count = 0;
}

void hand_over_pending() {
    std::array<std::uint64_t, most_pending> hints;
    std::ranges::transform(all_pending(), hints.begin(), &Pending::hint);
    hand_over_hints({hints.data(), static_cast<std::size_t>(pending_count)});
}

void on_transaction_end(XactEvent event, void* /*argument*/) {
    if (pending_count == 0) {
        return;
    }
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        // The last moment at which this transaction can still send a NOTIFY of its own. Room that is reserved now is
        // there after the commit, when nothing may fail any more.
        reserved = reserve_hints(pending_count);
        if (!reserved) {
            send_pending();
        }
        break;
    case XACT_EVENT_PRE_PREPARE:
        send_pending(); // which the server refuses, as it refuses every NOTIFY of a transaction to be prepared
        break;
    case XACT_EVENT_COMMIT: // everybody's next snapshot shows what was committed
        hand_over_pending();
        pending_count = 0;
        reserved = false;
        break;
    case XACT_EVENT_ABORT:
        if (reserved) {
            release_hints(pending_count);
        }
        pending_count = 0;
        reserved = false;
        break;
    default:
        break;
    }
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void* /*argument*/) {
    // those of the innermost subtransaction are the latest
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        while (pending_count > 0 && pending[pending_count - 1].subtransaction == mine) {
            --pending_count;
        }
    } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
        for (int i = pending_count; i > 0 && pending[i - 1].subtransaction == mine; --i) {
            pending[i - 1].subtransaction = parent;
        }
    }
}

} // namespace

void send_hint(std::uint64_t hint) {
    Async_Notify("pdpp_run", psprintf("%016llx", static_cast<unsigned long long>(hint)));
}

void announce(std::string_view run_id) {
    if (!settings::notify) {
        return;
    }
    const std::uint64_t hint = sha256_head(run_id);
    // what is pending stands or falls with this subtransaction or with one around it: once is enough
    if (std::ranges::find(all_pending(), hint, &Pending::hint) != all_pending().end()) {
        return;
    }
    if (!may_be_relayed() || pending_count == most_pending || reserved) {
        send_hint(hint);
        return;
    }
    pending[pending_count] = {.hint = hint, .subtransaction = GetCurrentSubTransactionId()};
    ++pending_count;
}

void watch_announcements() {
    RegisterXactCallback(on_transaction_end, nullptr);
    RegisterSubXactCallback(on_subtransaction_end, nullptr);
}

} // namespace pdpp::store
