#pragma once
// The JSON bodies that more than one function answers with.

#include "pg.hpp"
#include "store/flight.hpp"
#include "store/lifecycle.hpp"
#include "store/spine.hpp"

#include <optional>
#include <string_view>

namespace pdpp::api {

/// The run_status of a known run. A settle's answer also says whether it was the call that ended the run.
Jsonb* status_body(std::string_view run_id, const store::LifecycleRecord& record, std::optional<bool> settled = {});

/// {"error": {…}} for an id that no run has. The id is shown, cut where it is longer than an id can be.
Jsonb* not_found_body(std::string_view run_id);

/// What an appended event is acknowledged with.
Jsonb* event_body(std::string_view run_id, const store::Event& event);

/// The same for run.started, with the time that the run has to have ended by.
Jsonb* started_body(std::string_view run_id, const store::Event& event, std::optional<run::Instant> deadline_at);

/// A run that another server recorded, and alone may end (docs/design/import.md).
[[noreturn]] void refuse_imported_run(std::string_view run_id);

/// The same, if the run of this flight row is one.
void refuse_if_imported(const store::Flight& flight);

/// Raises not_found with the same message.
[[noreturn]] void refuse_unknown_run(std::string_view run_id, std::string_view param = "run_id");

/// Raises run_already_terminal, saying how it ended.
[[noreturn]] void refuse_ended_run(std::string_view run_id, run::Outcome outcome);

/// Raises boot_lost, for a boot that was declared dead, or that is not on record.
[[noreturn]] void refuse_lost_boot(std::string_view param, bool on_record);

} // namespace pdpp::api
