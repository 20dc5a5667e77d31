/*
 * A callback of a commit, or of PREPARE TRANSACTION, that calls a function of pdpp: by the setting late_writer.sql. Loaded before the library of pdpp it runs
 * after its callbacks, which are called latest first.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static char* sql = NULL;

static void write_late(XactEvent event, void* argument) {
    (void)argument;
    if ((event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE) || sql[0] == '\0') {
        return;
    }
    SPI_connect();
    PushActiveSnapshot(GetTransactionSnapshot());
    if (SPI_execute(sql, false, 0) < 0) {
        elog(ERROR, "%s failed", sql);
    }
    PopActiveSnapshot();
    SPI_finish();
}

void _PG_init(void) {
    DefineCustomStringVariable("late_writer.sql", "what is executed before a commit", NULL, &sql, "", PGC_USERSET, 0, NULL, NULL, NULL);
    RegisterXactCallback(write_late, NULL);
}
