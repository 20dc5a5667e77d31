#pragma once
// What the bodies of runs say about an ending, found without parsing them: they are jsonb as PostgreSQL prints it,
// whose keys are unique and in a known order, and inside whose strings no quotation mark stands without a backslash.

#include <string_view>

namespace pdpp::http {

/// The status word in a body of pdpp_run_status; empty if it is the envelope of an unknown run.
std::string_view status_word(std::string_view body);

/// Where the timeline is, by a body of pdpp_run_status. Links are percent-encoded, so nothing in them is escaped.
std::string_view timeline_link(std::string_view body);

/// Whether a body of pdpp_run_status is the last that its run will ever have.
bool is_terminal_status(std::string_view body);

/// Whether a body of pdpp_run_timeline is that of a run that has ended, whatever page it is.
bool is_terminal_timeline(std::string_view body);

} // namespace pdpp::http
