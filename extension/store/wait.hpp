#pragma once
// Waiting for the end of a run, in a session of its own.
//
// Where the module is preloaded, whoever commits an ending tells those who wait, through shared memory. That is a hint
// to look again and nothing more: everybody who waits looks from time to time by himself, which is all there is without
// preloading, on a standby, and for what somebody writes by hand.

#include "pg.hpp"

#include <cstdint>
#include <string_view>

namespace pdpp::store {

/// Tells those who wait for this run once the current transaction has committed.
void tell_waiters(std::string_view run_id);

/// Between the looks of one who waits. From when it is made, no ending that is told is missed, so the first look comes
/// after it. It holds no memory; an error ends it as finish() does.
class EndingWait {
  public:
    explicit EndingWait(std::string_view run_id);

    /// Until it is time to look again, at most so many microseconds. Raises if the statement is cancelled.
    void sleep(std::int64_t at_most);

    static void finish();

  private:
    ConditionVariable* told_;
    std::int64_t pause_; ///< where nobody tells
};

/// Registers the callback that tells; once, from _PG_init.
void watch_waits();

/// Asks for the shared memory; from _PG_init, while preloading.
void prepare_waits();

} // namespace pdpp::store
