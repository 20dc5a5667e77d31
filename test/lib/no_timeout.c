/*
 * Preloaded into a server, takes away the timeouts by which a process looks at things from time to time: while the file
 * NO_TIMEOUT/<process id> is there, its epoll_wait waits until something happens. It makes NO_TIMEOUT/<process id>.waits first.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int epoll_wait(int epoll, struct epoll_event* events, int most, int timeout) {
    char path[4096];
    const char* folder = getenv("NO_TIMEOUT");
    snprintf(path, sizeof path, "%s/%d", folder != NULL ? folder : "", (int)getpid());
    if (timeout > 0 && access(path, F_OK) == 0) {
        snprintf(path, sizeof path, "%s/%d.waits", folder, (int)getpid());
        close(open(path, O_CREAT | O_WRONLY, 0600));
        timeout = -1;
    }
    return (int)syscall(SYS_epoll_pwait, epoll, events, most, timeout, NULL, 8);
}
