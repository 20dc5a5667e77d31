#pragma once
// The guardian of one run: a small process between the launcher and the connector, which takes in every orphan among
// the connector's descendants, signals all of them wherever they have gone, and leaves none of them when the run is
// over or the launcher has died. docs/design/processes.md
//
// It is forked and never executed: only async-signal-safe calls are made.

#include "controller/ending.hpp"
#include "controller/exec.hpp"

#include <cstddef>

namespace pdpp::controller {

/// What a guardian tells its launcher, each in one message.
struct Report {
    enum class Kind : int {
        ended,    ///< the connector has, with `exit`; what it left behind is still there
        finished, ///< nothing is left, but for `left` processes that could not be killed; the guardian goes
    };
    Kind kind;
    ExitStatus exit;
    int left;
};

/// Where the arguments of this program stand, which the guardian overwrites: they are not its own.
struct Title {
    char* text;
    std::size_t size;
};

/// Becomes the guardian of the command. All signals are blocked. `channel` is its end of a socket that keeps messages
/// apart: the launcher sends the numbers of signals for the run, one byte each, and the end of file says that the run
/// is over, or that the launcher is dead.
[[noreturn]] void guard(const ExecPlan& plan, int channel, Title title) noexcept;

} // namespace pdpp::controller
