#include "store/durable.hpp"

#include "pg.hpp"

namespace pdpp::store {

namespace {

/// Of the transaction that is running. A savepoint that is rolled back leaves it standing: a commit that waits in vain
/// is no harm.
bool is_required = false;

/// The transaction is about to commit: from here on only callbacks of others run, which may call our functions still.
bool is_committing = false;

/// It is undone with the transaction.
void raise_synchronous_commit() {
    if (synchronous_commit < SYNCHRONOUS_COMMIT_ON) {
        (void)set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                                false);
    }
}

void raise_at_commit(XactEvent event, void* /*argument*/) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE: // flushes by itself; the setting says whether standbys are waited for
        // deferred triggers have run: no statement of the user's can set it otherwise
        is_committing = true;
        if (is_required) {
            raise_synchronous_commit();
        }
        break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PREPARE:
    case XACT_EVENT_ABORT:
        is_required = false;
        is_committing = false;
        break;
    default:
        break;
    }
}

} // namespace

void require_durable_commit() {
    is_required = true;
    if (is_committing) {
        raise_synchronous_commit();
    }
}

void watch_durability() {
    RegisterXactCallback(raise_at_commit, nullptr);
}

} // namespace pdpp::store
