#pragma once
// All processes that descend from one, whatever group, session or PID namespace they have put themselves into: found by
// the parents that /proc names, and signalled. Where orphans come back to the root, which is a subreaper, nobody leaves
// the tree.
//
// Only async-signal-safe calls are made, and memory comes from mmap: a guardian works between fork and exec, so to say.

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace pdpp::controller {

/// Those below `root`, but for some of its children and what descends from these.
struct Family {
    pid_t root;
    std::span<const pid_t> without; ///< children of root that are left out
    std::uint64_t since = 0;        ///< and so are those that started before this (see started_from_now)
};

/// What a process that starts from now on has at least as its time of start.
std::uint64_t started_from_now() noexcept;

/// Signals each of them that is not in the process group `group`. Once: what they start in answer does not get it too.
void signal_outside_group(const Family& family, pid_t group, int number) noexcept;

/// Stops them all first, so that none starts others meanwhile, and kills them. Gives how many were alive. Some may have
/// escaped, or take a while to go: it is called until none is left. Where /proc is not of this process's PID namespace
/// nothing is done, rather than to signal strangers.
int kill_all(const Family& family) noexcept;

} // namespace pdpp::controller
