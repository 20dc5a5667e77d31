#include "run/event.hpp"

#include <algorithm>
#include <array>

namespace pdpp::run {

namespace {

struct Ending {
    Outcome outcome;
    std::string_view word;
    std::string_view event_type;
};

constexpr std::array endings{
    Ending{Outcome::completed, "completed", "run.completed"},
    Ending{Outcome::failed, "failed", "run.failed"},
    Ending{Outcome::cancelled, "cancelled", "run.cancelled"},
    Ending{Outcome::abandoned, "abandoned", "run.abandoned"},
};

std::optional<Outcome> outcome_where(std::string_view Ending::*field, std::string_view value) {
    const auto found = std::ranges::find(endings, value, field);
    if (found == endings.end()) {
        return {};
    }
    return found->outcome;
}

} // namespace

std::string_view actor_type_of(std::string_view type) {
    return type == event_type::started ? "runtime" : "connector";
}

std::optional<Outcome> outcome_of(std::string_view type) {
    return outcome_where(&Ending::event_type, type);
}

std::optional<Outcome> outcome_named(std::string_view word) {
    return outcome_where(&Ending::word, word);
}

std::string_view word_of(Outcome outcome) {
    return endings[static_cast<std::size_t>(outcome)].word;
}

std::string_view terminal_event_of(Outcome outcome) {
    return endings[static_cast<std::size_t>(outcome)].event_type;
}

std::optional<Phase> phase_of(std::string_view type) {
    if (type == event_type::admitted) {
        return Phase::admitted;
    }
    if (type == event_type::started) {
        return Phase::started;
    }
    if (outcome_of(type)) {
        return Phase::ended;
    }
    return {};
}

bool is_reserved(std::string_view type) {
    return phase_of(type) || type == event_type::cancel_requested || type == event_type::deadline_extended ||
           type == event_type::late_outcome;
}

} // namespace pdpp::run
