/*
 * Fills the server's queue of notifications, where that would take 8 GB (before PostgreSQL 17): moves its head, which
 * the server keeps in shared memory, to the last page that it may have. From there on everything is the server's own.
 */
#include <postgres.h>

#include <fmgr.h>
#include <storage/shmem.h>

PG_MODULE_MAGIC;

/* what the server's struct begins with, from 13 to 16 */
struct queue_position {
    int page;
    int offset;
};
struct queue {
    struct queue_position head;
    struct queue_position tail;
};

PG_FUNCTION_INFO_V1(fill_notify_queue);

/* fill_notify_queue(size of its shared memory) → the page where its head is now */
Datum fill_notify_queue(PG_FUNCTION_ARGS) {
    bool found = false;
    struct queue* queue = ShmemInitStruct("Async Queue Control", PG_GETARG_INT64(0), &found);
    if (!found) {
        elog(ERROR, "there is no queue");
    }
    queue->head.page = queue->tail.page - queue->tail.page % 32 + 0x100000 - 1;
    PG_RETURN_INT32(queue->head.page);
}
