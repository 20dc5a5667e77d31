#pragma once
// What libpq says of a connection that it could not make: it has no result then that could be asked for the SQLSTATE,
// but puts it into its text where it is told to be verbose.

#include <string>

namespace pdpp::pq {

struct ConnectFailure {
    std::string message;         ///< in one line, as libpq words it where it is not verbose
    std::string sqlstate;        ///< the first that a server gave; empty if none has spoken
    std::string function;        ///< where in its sources a server refused, which no translation changes; may be empty
    bool lacks_password = false; ///< the server asks for one, and there is none
};

/// `text` is libpq's, of PQERRORS_VERBOSE. It does not tell of passwords.
ConnectFailure read_connect_failure(const std::string& text);

/// Whether libpq itself does not go on, for it asks for more than the server offers, or lacks what the server asks for:
/// TLS, certificates, ways to log in.
bool is_refused_by_libpq(const ConnectFailure& failure);

/// Whether it is so until somebody changes something: the role, its password, the server's pg_hba.conf, what the
/// connection string asks for. A server that is away, full or starting is none such.
bool is_lasting(const ConnectFailure& failure);

} // namespace pdpp::pq
