#pragma once
// What libpq says of a connection that it could not make: it has no result then that could be asked for the SQLSTATE,
// but puts it into its text where it is told to be verbose.

#include <string>

namespace pdpp::pq {

struct ConnectFailure {
    std::string message;  ///< in one line, as libpq words it where it is not verbose
    std::string sqlstate; ///< the first that a server gave; empty if none has spoken
};

/// `text` is libpq's, of PQERRORS_VERBOSE.
ConnectFailure read_connect_failure(const std::string& text);

} // namespace pdpp::pq
