#pragma once
// The failures of the database in HTTP's words.

#include "http/wire/message.hpp"
#include "pq/error.hpp"

#include <optional>
#include <string_view>

namespace pdpp::http {

/// What a failed call means for the client: a typed refusal (SQLSTATE PTnnn) is passed on with its status and DETAIL
/// (and the Location of the run that is in the way), a write whose fate is unknown is 503 `in_doubt` with the ids to
/// look for, a timeout is 504, a lock that somebody holds, and a database that is away, busy, full, read-only or going
/// down are 503 with Retry-After, and anything else is 500. No text of the database gets out but a typed refusal's own.
Refusal refusal_for(const pq::Error& error);

/// Whether it is about a run id that was never handed out.
bool is_unknown_run(const Refusal& refusal);

/// The refusal in a body that is an error envelope, `{"error": {...}}`, as reads answer for an unknown run; nothing if
/// it is not one. A body is jsonb as PostgreSQL prints it, so its first bytes tell, and the body of a run, which may be
/// megabytes long, is neither parsed nor copied.
std::optional<Refusal> refusal_in(std::string_view body);

} // namespace pdpp::http
