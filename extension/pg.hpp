#pragma once
// The one door to PostgreSQL's headers, and the one place that knows its versions (13 to 18).
//
// The pragma makes the compiler treat everything included from here as a system header: the server's C headers are
// not clean under the warnings this project builds with.
#pragma GCC system_header

// What the server calls is exported, all else is hidden. Before 16 the server's headers leave this macro to us.
#define PGDLLEXPORT __attribute__((visibility("default")))

extern "C" {
#include <postgres.h>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <access/genam.h>
#include <access/heapam.h>
#include <access/htup_details.h>
#include <access/relation.h>
#include <access/slru.h>
#include <access/table.h>
#include <access/tableam.h>
#include <access/transam.h>
#include <access/twophase.h>
#include <access/xact.h>
#include <catalog/dependency.h>
#include <catalog/namespace.h>
#include <catalog/objectaccess.h>
#include <catalog/pg_am.h>
#include <catalog/pg_collation.h>
#include <catalog/pg_database.h>
#include <catalog/pg_extension.h>
#include <catalog/pg_language.h>
#include <catalog/pg_namespace.h>
#include <catalog/pg_opfamily.h>
#include <catalog/pg_proc.h>
#include <catalog/pg_trigger.h>
#include <catalog/pg_type.h>
#include <commands/async.h>
#include <commands/defrem.h>
#include <commands/extension.h>
#include <commands/trigger.h>
#include <common/hashfn.h>
#include <executor/executor.h>
#include <executor/spi.h>
#include <fmgr.h>
#include <funcapi.h>
#include <libpq/pqsignal.h>
#include <mb/pg_wchar.h>
#include <miscadmin.h>
#include <nodes/nodeFuncs.h>
#include <nodes/primnodes.h>
#include <pgstat.h>
#include <postmaster/bgworker.h>
#include <postmaster/interrupt.h>
#include <storage/bufmgr.h>
#include <storage/condition_variable.h>
#include <storage/fd.h>
#include <storage/ipc.h>
#include <storage/latch.h>
#include <storage/lmgr.h>
#include <storage/lock.h>
#include <storage/lwlock.h>
#include <storage/proc.h>
#include <storage/shmem.h>
#include <storage/spin.h>
#include <tcop/tcopprot.h>
#include <tcop/utility.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/fmgroids.h>
#include <utils/fmgrprotos.h>
#include <utils/guc.h>
#include <utils/inval.h>
#include <utils/json.h>
#include <utils/jsonb.h>
#include <utils/lsyscache.h>
#include <utils/memutils.h>
#include <utils/rel.h>
#include <utils/snapmgr.h>
#include <utils/syscache.h>
#include <utils/timestamp.h>
#include <utils/tuplestore.h>
#include <utils/uuid.h>
#include <utils/varlena.h>
#if PG_VERSION_NUM >= 140000
#include <utils/backend_status.h>
#include <utils/wait_event.h>
#endif
#if PG_VERSION_NUM >= 150000
#include <common/pg_prng.h>
#endif
#if PG_VERSION_NUM >= 180000
#include <access/relscan.h>
#endif
}

#include <array>
#include <cstdint>

// The server's printf replacements are macros; they must not rewrite the names of C++'s own.
#undef snprintf
#undef vsnprintf
#undef sprintf
#undef vsprintf
#undef printf
#undef fprintf
#undef vprintf
#undef vfprintf
#undef strerror
#undef strerror_r
#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext

namespace pdpp::pg {

/// An index scan with `keys` scan keys; PostgreSQL 18 added the instrumentation argument.
inline IndexScanDesc begin_index_scan(Relation heap, Relation index, Snapshot snapshot, int keys) {
#if PG_VERSION_NUM >= 180000
    return index_beginscan(heap, index, snapshot, nullptr, keys, 0);
#else
    return index_beginscan(heap, index, snapshot, keys, 0);
#endif
}

/// The entries of a new row in the indexes. False if a unique one may have such an entry already and the insertion is
/// speculative: the row must be taken back then. PostgreSQL 14 and 16 added arguments.
inline bool insert_index_entries(ResultRelInfo* target, TupleTableSlot* slot, EState* executor, bool speculative) {
    bool conflict = false;
#if PG_VERSION_NUM >= 160000
    ExecInsertIndexTuples(target, slot, executor, false, speculative, &conflict, NIL, false);
#elif PG_VERSION_NUM >= 140000
    ExecInsertIndexTuples(target, slot, executor, false, speculative, &conflict, NIL);
#else
    executor->es_result_relation_info = target;
    ExecInsertIndexTuples(slot, executor, speculative, &conflict, NIL);
#endif
    return !conflict;
}

/// Closes the indexes of a table that rows were inserted into. Some may not have been opened, which the server's own
/// ExecCloseIndices() minds since 18. Their locks go, as the executor has it: a transaction that keeps more than
/// sixteen locks on relations has them in the table that all sessions share.
inline void close_indexes(ResultRelInfo* target) {
    for (int i = 0; i < target->ri_NumIndices; ++i) {
        if (target->ri_IndexRelationDescs[i] != nullptr) {
#if PG_VERSION_NUM >= 170000
            index_insert_cleanup(target->ri_IndexRelationDescs[i], target->ri_IndexRelationInfo[i]);
#endif
            index_close(target->ri_IndexRelationDescs[i], RowExclusiveLock);
        }
    }
}

/// Random, but not beyond guessing, and ten times as fast as what is.
inline std::uint64_t quick_random() {
#if PG_VERSION_NUM >= 150000
    return pg_prng_uint64(&pg_global_prng_state);
#else
    return ((std::uint64_t)random() << 42) ^ ((std::uint64_t)random() << 21) ^ (std::uint64_t)random();
#endif
}

/// Whether this process holds the lock in exactly this mode; PostgreSQL 17 added the third argument.
inline bool holds_lock(const LOCKTAG* tag, LOCKMODE mode) {
#if PG_VERSION_NUM >= 170000
    return LockHeldByMe(tag, mode, false);
#else
    return LockHeldByMe(tag, mode);
#endif
}

/// Reserves the settings' prefix, so that a misspelt `pdpp.something` is reported; before 15 it is only a warning.
inline void reserve_settings_prefix(const char* prefix) {
#if PG_VERSION_NUM >= 150000
    MarkGUCPrefixReserved(prefix);
#else
    EmitWarningsOnPlaceholders(prefix);
#endif
}

/// When this server began to take writes: after its start, a crash or a promotion, whichever came last. That is when
/// the postmaster started the WAL writer. Zero if it has not quite come up.
inline TimestampTz serving_since() {
    if (!IsUnderPostmaster) {
        return PgStartTime;
    }
    const int count = pgstat_fetch_stat_numbackends();
    for (int i = 1; i <= count; ++i) {
#if PG_VERSION_NUM >= 160000
        const PgBackendStatus* process = &pgstat_get_local_beentry_by_index(i)->backendStatus;
#else
        const PgBackendStatus* process = &pgstat_fetch_stat_local_beentry(i)->backendStatus;
#endif
        if (process->st_backendType == B_WAL_WRITER) {
            return process->st_proc_start_timestamp;
        }
    }
    return 0;
}

/// For how long the postmaster has run, in microseconds, by the system's own clock that nobody sets; negative where the
/// system does not say.
inline std::int64_t server_age() {
#ifdef __linux__
    char path[64];
    pg_snprintf(path, sizeof(path), "/proc/%d/stat", PostmasterPid);
    char text[1024];
    const int file = BasicOpenFile(path, O_RDONLY);
    if (file < 0) {
        return -1;
    }
    const ssize_t length = read(file, text, sizeof(text) - 1);
    close(file);
    if (length <= 0) {
        return -1;
    }
    text[length] = '\0';
    // the 22nd field, since the system's start; the second is a name in parentheses, with whatever characters
    const char* field = strrchr(text, ')');
    for (int i = 2; field != nullptr && i < 22; ++i) {
        field = strchr(field + 1, ' ');
    }
    struct timespec now;
    const long ticks = sysconf(_SC_CLK_TCK);
    if (field == nullptr || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) != 0) {
        return -1;
    }
    const auto started = static_cast<std::int64_t>(strtoull(field, nullptr, 10)) * (1000000 / ticks);
    return now.tv_sec * std::int64_t{1000000} + now.tv_nsec / 1000 - started;
#else
    return -1;
#endif
}

/// Reserves shared memory while the module is preloaded; PostgreSQL 15 moved that to a hook.
inline void request_shared_memory(Size size) {
#if PG_VERSION_NUM >= 150000
    static Size wanted; // by all calls: the first sets the hook
    static shmem_request_hook_type earlier;
    wanted += MAXALIGN(size);
    if (wanted > MAXALIGN(size)) {
        return;
    }
    earlier = shmem_request_hook;
    shmem_request_hook = [] {
        if (earlier != nullptr) {
            earlier();
        }
        RequestAddinShmemSpace(wanted);
    };
#else
    RequestAddinShmemSpace(size);
#endif
}

/// A setting, and where the server keeps its value.
struct IntegerSetting {
    const char* name;
    const int* value;
};

/// What ends a session for what it does not do; each came with a version.
inline const IntegerSetting session_timeouts[] = {
    {"idle_in_transaction_session_timeout", &IdleInTransactionSessionTimeout},
#if PG_VERSION_NUM >= 140000
    {"idle_session_timeout", &IdleSessionTimeout},
#endif
#if PG_VERSION_NUM >= 170000
    {"transaction_timeout", &TransactionTimeout},
#endif
};

/// How long a transaction may take, in milliseconds; 0 for as long as it likes.
inline int transaction_timeout() {
#if PG_VERSION_NUM >= 170000
    return TransactionTimeout;
#else
    return 0;
#endif
}

/// How often a statement looks whether its client is still there, since PostgreSQL 14.
#if PG_VERSION_NUM >= 140000
inline const std::array<IntegerSetting, 1> client_checks{
    {{"client_connection_check_interval", &client_connection_check_interval}}};
#else
inline const std::array<IntegerSetting, 0> client_checks{};
#endif

/// Whether this session's client comes over the network: inet_client_addr() is not null then.
inline bool is_over_network() {
    static int known = -1;
    if (known < 0) {
        LOCAL_FCINFO(call, 0);
        InitFunctionCallInfoData(*call, nullptr, 0, InvalidOid, nullptr, nullptr);
        (void)inet_client_addr(call);
        known = call->isnull ? 0 : 1;
    }
    return known != 0;
}

/// Calls one or the other after each RESET ALL and DISCARD ALL of this session that succeeded.
inline void watch_resets(void (*after_reset)(), void (*after_discard)()) {
    static void (*reset)();
    static void (*discard)();
    static ProcessUtility_hook_type earlier;
    reset = after_reset;
    discard = after_discard;
    earlier = ProcessUtility_hook != nullptr ? ProcessUtility_hook : standard_ProcessUtility;
    ProcessUtility_hook = [](PlannedStmt* statement, auto... arguments) { // PostgreSQL 14 added one
        // looked at first: the statement may be gone afterwards
        const Node* node = statement->utilityStmt;
        const bool resets = IsA(node, VariableSetStmt) && ((const VariableSetStmt*)node)->kind == VAR_RESET_ALL;
        const bool discards = IsA(node, DiscardStmt) && ((const DiscardStmt*)node)->target == DISCARD_ALL;
        earlier(statement, arguments...);
        if (resets) {
            reset();
        }
        if (discards) {
            discard();
        }
    };
}

/// Memory of a background worker, for as long as it likes.
inline MemoryContext new_memory() {
    return AllocSetContextCreate(TopMemoryContext, "pdpp worker", ALLOCSET_DEFAULT_SIZES);
}

/// Gives an error that was caught to the log and ends its transaction. No interrupt comes between.
inline void log_error_and_abort() {
    HOLD_INTERRUPTS();
    EmitErrorReport();
    AbortCurrentTransaction();
    FlushErrorState();
    RESUME_INTERRUPTS();
}

/// What a background worker does after a commit, so that its NOTIFYs are heard; from 15 on the commit does it.
inline void after_commit() {
#if PG_VERSION_NUM < 150000
    ProcessCompletedNotifies();
#endif
}

/// What the server's queue of notifications holds, in pages; a setting since PostgreSQL 17.
inline double notify_queue_pages() {
#if PG_VERSION_NUM >= 170000
    return max_notify_queue_pages;
#else
    return SLRU_PAGES_PER_SEGMENT * 0x10000 / 2;
#endif
}

/// How full it is, from 0 to 1.
inline double notify_queue_usage() {
    return DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage, Datum{0}));
}

/// Whether columns are made of others; virtual ones came with PostgreSQL 18.
inline bool has_generated(const TupleConstr& constraints) {
#if PG_VERSION_NUM >= 180000
    return constraints.has_generated_stored || constraints.has_generated_virtual;
#else
    return constraints.has_generated_stored;
#endif
}

/// Updates a row that nobody else can change meanwhile. Whether the new version needs entries in indexes.
inline bool update_tuple(Relation table, ItemPointer old, TupleTableSlot* row, TM_Result& result) {
    TM_FailureData failure;
    LockTupleMode lock;
#if PG_VERSION_NUM >= 160000
    TU_UpdateIndexes indexes = TU_None;
#else
    bool indexes = false;
#endif
    result = table_tuple_update(table, old, row, GetCurrentCommandId(true), GetActiveSnapshot(), InvalidSnapshot, true,
                                &failure, &lock, &indexes);
#if PG_VERSION_NUM >= 160000
    return indexes != TU_None;
#else
    return indexes;
#endif
}

/// Prepares a set-returning function to answer with a tuplestore, of rows or of plain values; the server's own
/// InitMaterializedSRF() is of PostgreSQL 15.
inline void materialize_result(FunctionCallInfo fcinfo) {
    ReturnSetInfo* result = (ReturnSetInfo*)fcinfo->resultinfo;
    if (result == nullptr || !IsA(result, ReturnSetInfo) || !(result->allowedModes & SFRM_Materialize) ||
        result->expectedDesc == nullptr) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("set-valued function called in context that cannot accept a set")));
    }
    MemoryContext before = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
    result->setDesc = CreateTupleDescCopy(result->expectedDesc);
    result->returnMode = SFRM_Materialize;
    result->setResult = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
    MemoryContextSwitchTo(before);
}

} // namespace pdpp::pg
