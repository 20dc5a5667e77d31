#pragma once
// NOTIFY pdpp_run: a hint that something about a run was committed.
//
// A NOTIFY holds a lock of the whole server from before its transaction's commit until after it, so transactions that
// send one commit one at a time. Where the background worker serves this database, it is given the hints of committed
// transactions and sends them in theirs' stead; docs/design/notify.md has the reasons and what happens when it is not
// there.
//
// A hint that the server has no room for is dropped: it would make the transaction fail that it is about. So is one for
// which the lock of the server's queue is not to be had in time.

#include <cstdint>
#include <span>
#include <string_view>

namespace pdpp::store {

/// Announces the run at commit, unless pdpp.notify is off. Anybody may LISTEN, so the payload reveals no id: it is the
/// first 16 hex digits of the SHA-256 of the run id.
void announce(std::string_view run_id);

/// For the worker: sends hints, heads of that digest, when the current transaction commits, which must be about to.
/// Those that the server's queue has no room for are dropped. All of them, and false, if others keep it locked for half
/// a second.
bool send_hints_in_line(std::span<const std::uint64_t> hints);

/// Counts hints that are not sent, and says so in a WARNING, once a minute.
void drop_hints(std::size_t count);

/// How many were: of this server since its start where the module is preloaded, else of this session.
std::uint64_t dropped_hints();

/// Registers the callbacks that hand hints over when a transaction has committed; once, from _PG_init.
void watch_announcements();

/// Asks for the shared memory that counts; from _PG_init, while preloading.
void prepare_announcements();

} // namespace pdpp::store
