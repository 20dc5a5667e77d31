#pragma once
// What to do about a connection that is not allowed, which the words of the server and of libpq do not say.

#include "pq/connect_failure.hpp"

#include <string>

namespace pdpp::pq {

/// Where a connection string can be wrong.
inline constexpr const char* check_what_is_said =
    "Check --db, or the environment: PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, PGSSLMODE.";

/// For a failure that is lasting, of a connection as `role` to `database`; empty where there is nothing to add. In one
/// line.
std::string advice(const ConnectFailure& failure, const std::string& role, const std::string& database);

/// Whom `conninfo`, its service file and the environment log in as, or libpq by itself: the unix user's name.
std::string role_in(const std::string& conninfo);

/// The database that it names, or libpq by itself: the one that is called like the role.
std::string database_in(const std::string& conninfo);

/// The command that sets a database up, for a shell; with a role, which it makes and grants what it needs there.
std::string init_command(const std::string& database, const std::string& role = {});

} // namespace pdpp::pq
