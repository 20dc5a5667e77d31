#pragma once
// pidfd_open() and pidfd_send_signal(), by a header that glibc 2.36 does not declare for C++, and that glibc 2.42 does
// not guard against being included twice.

extern "C" {
#include <sys/pidfd.h>
}
