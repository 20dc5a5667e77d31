#pragma once
// Words out of a body of the SQL API without parsing it: bodies are jsonb as PostgreSQL prints it, whose keys stand in
// a fixed order (by length, then by bytes), and a quote inside a string is escaped, so `"key": "` is a key.

#include <string_view>

namespace pdpp::http {

/// `status` of a body of a status or an acknowledgement; empty if it has none.
std::string_view status_in_body(std::string_view body);

/// `run_id` of such a body; empty if it has none, or one that is escaped.
std::string_view run_id_in_body(std::string_view body);

/// `trace_id` of such a body, or of the first event of a timeline; empty if it has none, or one that is escaped.
std::string_view trace_id_in_body(std::string_view body);

/// Where the timeline is, by the body of a status; empty if it is none.
std::string_view timeline_link_in_body(std::string_view body);

/// Whether the body of a status is the last that its run will ever have. The envelope of an unknown run is not.
bool is_terminal_status(std::string_view body);

/// Whether the body of a timeline is that of a run that has ended, whatever page it is.
bool is_terminal_timeline(std::string_view body);

} // namespace pdpp::http
