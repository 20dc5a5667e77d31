#pragma once
// What is acknowledged is durable: decided by what the commit does, whatever the session says before, within or after
// the call.

namespace pdpp::store {

/// The commit of this transaction waits for its WAL as `synchronous_commit = on` does: for the disk, and for the
/// synchronous standbys, if there are any. Whoever asked for more (`remote_apply`) gets it. Called by whatever a caller
/// is told of; settings of the session, of functions around the call and of statements after it change nothing.
///
/// PREPARE TRANSACTION waits likewise. COMMIT PREPARED is another transaction, of whatever session executes it: it is
/// on this server's disk when it returns, and whether standbys are waited for goes by that session's setting.
void require_durable_commit();

/// Registers the callbacks; once, from _PG_init.
void watch_durability();

} // namespace pdpp::store
