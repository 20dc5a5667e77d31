/*
 * NOTIFY pdpp_run: a hint that something about a run was committed.
 */
#pragma once

#include <string_view>

namespace pdpp::store {

/// Announces the run at commit, unless pdpp.notify is off. Anybody may LISTEN, so the payload reveals no id: it is the
/// first 16 hex digits of the SHA-256 of the run id.
void announce(std::string_view run_id);

} // namespace pdpp::store
