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

} // namespace pdpp::http
