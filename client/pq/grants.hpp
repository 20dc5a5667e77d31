#pragma once
// What a role may do with the extension, and which grant it lacks.

#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>

namespace pdpp::pq {

/// How many of the functions that pdpp_grant() would grant cannot be called, and what stands in the way beside.
struct Grants {
    int owner_lacks = 0;
    int controller_lacks = 0;
    bool sees_schema = true; ///< USAGE of the schema of the functions, which pdpp_grant() does not grant
    bool may_connect = true; ///< to the database
};

/// Those of a role that exists; of the session's own where `role` is nothing. The session's database has the extension.
boost::asio::awaitable<Grants> grants_of(Connection& connection, Parameter role);

/// An expression of SQL: how many functions of `functions` (run/grant.hpp) the session's role cannot call.
std::string count_of_lacking(std::string_view functions);

/// `role` as the text of a regrole.
std::string as_regrole(const std::string& role);

/// The call that grants what `function` needs: `select pdpp_grant('reader', 'owner')`; nothing if none does.
std::string grant_for(std::string_view function, const std::string& role);

} // namespace pdpp::pq
