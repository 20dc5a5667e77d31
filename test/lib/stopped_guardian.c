/*
 * Preloaded into a launcher, stops the guardian of each run, as somebody's SIGSTOP would, before the prctl() of the number
 * STOPPED_AT: the one of its first step, or the one by which it takes its name once it has launched the connector.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t launcher;

__attribute__((constructor)) static void look_up(void) { launcher = getpid(); }

int prctl(int option, ...) {
    const char* at = getenv("STOPPED_AT");
    va_list arguments;
    va_start(arguments, option);
    const unsigned long argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    if (getpid() != launcher && at != NULL && option == atoi(at)) {
        raise(SIGSTOP);
    }
    return (int)syscall(SYS_prctl, option, argument, 0, 0, 0);
}
