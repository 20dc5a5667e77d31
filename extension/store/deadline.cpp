#include "store/deadline.hpp"

#include "boundary.hpp"
#include "store/durable.hpp"

namespace pdpp::store {

namespace {

run::Instant end_of(const Clock& clock, const run::Deadline& deadline) {
    const auto since = clock.serving_since().value_or(to_instant(DT_NOBEGIN));
    return run::end_of(deadline, {.now = clock.now, .past = clock.past, .serving_since = since});
}

} // namespace

run::Due due(const Clock& clock, const run::Deadline& deadline) {
    const auto since = clock.serving_since();
    if (!since) {
        return run::Due::in_time;
    }
    return run::due(deadline, {.now = clock.now, .past = clock.past, .serving_since = *since});
}

std::optional<run::Deadline> bound(const Flight& flight, std::int64_t micros) {
    if (!keeps_deadlines()) {
        return {};
    }
    const Clock clock = read_clock();
    const run::Deadline wanted = run::deadline_in(clock.now, micros);
    if (flight.deadline && end_of(clock, *flight.deadline) <= wanted.at) {
        return flight.deadline;
    }
    set_deadline(flight.run.run_id, wanted);
    return wanted;
}

std::optional<run::Deadline> extend(const Flight& flight, std::int64_t micros) {
    require_durable_commit(); // also of one that stands already: whoever set it may not have committed durably
    const Clock clock = read_clock();
    const run::Deadline wanted = run::deadline_in(clock.now, micros);
    if (!flight.deadline || end_of(clock, *flight.deadline) >= wanted.at) {
        return {};
    }
    set_deadline(flight.run.run_id, wanted);
    return wanted;
}

} // namespace pdpp::store
