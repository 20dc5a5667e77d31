#include "store/clock.hpp"

#include "store/shared_memory.hpp"

#include <algorithm>

namespace pdpp::store {

namespace {

struct Reading {
    run::Instant wall;
    std::int64_t steady;
};

/// Both clocks in the same moment, or nearly: somebody else may have the processor in between.
Reading read_both() {
    constexpr std::int64_t moment = 1'000;
    constexpr int tries = 10;
    for (int i = 1;; ++i) {
        const std::int64_t before = steady_micros();
        const Reading reading{.wall = now(), .steady = steady_micros()};
        if (reading.steady - before <= moment || i == tries) {
            return reading;
        }
    }
}

void look(run::WallClock& clock) {
    const Reading reading = read_both();
    clock.look(reading.wall, reading.steady);
}

struct SharedClock {
    static constexpr const char* name = "pdpp clock";

    slock_t mutex;
    run::WallClock clock;

    void initialise() {
        SpinLockInit(&mutex);
        look(clock);
    }
};

/// What a session knows by itself. It begins with the server's start: the server noted it by its wall clock, the system
/// by its own.
run::WallClock& session_clock() {
    static run::WallClock clock;
    static bool begun = false;
    if (!begun) {
        const std::int64_t age = pg::server_age();
        if (age >= 0) {
            clock.look(to_instant(PgStartTime), steady_micros() - age);
        }
        begun = true;
    }
    return clock;
}

} // namespace

std::optional<run::Instant> Clock::serving_since() const {
    static TimestampTz since = 0; // no session outlives it; a promotion comes before any write
    if (since == 0) {
        since = pg::serving_since();
    }
    if (since == 0) {
        return {};
    }
    // a time to come was stamped by a clock that has been set since, which nobody saw
    return std::min(in_present_time(to_instant(since)), now);
}

Clock read_clock() {
    SharedClock* shared = SharedMemory<SharedClock>::get();
    if (shared == nullptr) {
        look(session_clock());
        return {.now = now(), .past = session_clock()};
    }
    const Reading reading = read_both();
    return locked(shared->mutex, [&] {
        shared->clock.look(reading.wall, reading.steady);
        return Clock{.now = reading.wall, .past = shared->clock};
    });
}

void prepare_clock() {
    SharedMemory<SharedClock>::request();
}

} // namespace pdpp::store
