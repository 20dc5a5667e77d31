/*
 * NOTIFY pdpp_run: a hint that something about a run was committed.
 *
 * A NOTIFY holds a lock of the whole server from before its transaction's commit until after it, so transactions that
 * send one commit one at a time. Where the background worker serves this database, it is given the hints of committed
 * transactions and sends them in theirs' stead; docs/design/notify.md has the reasons and what happens when it is not
 * there.
 */
#pragma once

#include <cstdint>
#include <string_view>

namespace pdpp::store {

/// Announces the run at commit, unless pdpp.notify is off. Anybody may LISTEN, so the payload reveals no id: it is the
/// first 16 hex digits of the SHA-256 of the run id.
void announce(std::string_view run_id);

/// Sends one hint, the head of that digest, when the current transaction commits.
void send_hint(std::uint64_t hint);

/// Registers the callbacks that hand hints over when a transaction has committed; once, from _PG_init.
void watch_announcements();

} // namespace pdpp::store
