/*
 * Preloaded into a program, has every file system say that it has as many free bytes as LITTLE_ROOM says.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/statvfs.h>

int statvfs(const char* path, struct statvfs* found) {
    const char* bytes = getenv("LITTLE_ROOM");
    (void)path;
    found->f_frsize = found->f_bsize = 1;
    found->f_blocks = (fsblkcnt_t)1 << 40;
    found->f_bfree = found->f_bavail = bytes == NULL ? 0 : strtoull(bytes, NULL, 10);
    return 0;
}
