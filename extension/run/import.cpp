#include "run/import.hpp"

#include "run/event.hpp"

#include <algorithm>

namespace pdpp::run {

Telling tell(History& history, const ToldEvent& event) {
    Telling telling = Telling::as_it_is;
    if (const auto phase = phase_of(event.event_type); !phase) {
        const bool may_have_been_here =
            history.pruned_until && event.recorded_at.value_or(*history.pruned_until) <= *history.pruned_until;
        telling = may_have_been_here ? Telling::left_out : Telling::as_it_is;
    } else {
        const bool stands = (phase == Phase::started && !history.is_started && !history.is_ended) ||
                            (phase == Phase::ended && !history.is_ended);
        history.is_started |= phase == Phase::started;
        history.is_ended |= phase == Phase::ended;
        telling = stands ? Telling::as_it_is : event.has_id ? Telling::late : Telling::left_out;
    }
    if (telling != Telling::left_out) {
        ++history.last_seq;
        history.last_recorded_at =
            std::max(history.last_recorded_at, event.recorded_at.value_or(history.last_recorded_at));
    }
    return telling;
}

} // namespace pdpp::run
