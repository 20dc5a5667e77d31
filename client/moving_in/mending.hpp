#pragma once
// Rows that pdpp_run_import() would refuse, made such that it takes them: a run whose handle was given out is here,
// whatever one of its rows holds. Pure.

#include "moving_in/findings.hpp"
#include "moving_in/mapping.hpp"
#include "moving_in/rows.hpp"

#include <string>
#include <string_view>

namespace pdpp::moving_in {

/// The type of events whose own is none.
inline constexpr std::string_view untyped_event = "run.imported_event";

/// An id as it is taken: of one that is longer than 256 bytes what fits, and a digest of the whole.
std::string fit_id(std::string_view id);

/// Mends the rows of a run. What a column of an event held that is not taken stands in its data, under
/// `imported_columns`, and is told as a finding; a time that is none becomes the row's other one, or that of the event
/// before; an id that is none, one that comes out the same another time.
void mend(SourceRun& source, const Rules& rules, Findings& findings);

} // namespace pdpp::moving_in
