/*
 * hold_notify_lock(): holds, until its transaction ends, the lock that a transaction with a NOTIFY holds while it commits.
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "fmgr.h"
#include "storage/lmgr.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(hold_notify_lock);

Datum hold_notify_lock(PG_FUNCTION_ARGS) {
    LockSharedObject(DatabaseRelationId, InvalidOid, 0, AccessExclusiveLock);
    PG_RETURN_VOID();
}
