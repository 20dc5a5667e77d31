/*
 * Preloaded into a program, has the system refuse what it refuses where it has no room: epoll_ctl does not take a new
 * descriptor while the file NO_ROOM/epoll is there, and signalfd makes none while NO_ROOM/signalfd is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_refused(const char* what) {
    char path[4096];
    const char* folder = getenv("NO_ROOM");
    if (folder == NULL) {
        return 0;
    }
    snprintf(path, sizeof path, "%s/%s", folder, what);
    return access(path, F_OK) == 0;
}

int epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event* event) {
    if (operation == EPOLL_CTL_ADD && is_refused("epoll")) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, operation, descriptor, event);
}

int signalfd(int descriptor, const sigset_t* signals, int flags) {
    if (is_refused("signalfd")) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_signalfd4, descriptor, signals, _NSIG / 8, flags);
}
