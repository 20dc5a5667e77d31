#pragma once
// The commands that come next, as they can be run as they stand.

#include <string>

namespace pdpp::cli {

/// Who comes in where, and what they go by.
struct Caller {
    std::string login;                ///< the role that --db or the environment names; empty if neither does
    std::string unix_user;            ///< who runs the next commands: under sudo the one who called it
    bool is_root = false;             ///< and no sudo
    bool role_is_unix_user = false;   ///< there is a unix user of the role's name
    bool over_socket = false;         ///< the server asks the system who connects
    std::string password_file;        ///< of the owner; empty if there is none
    bool names_password_file = false; ///< by PDPP_OWNER_PASSWORD_FILE
};

struct NextSteps {
    bool as_root = false; ///< serve and run; whoever runs them is not root yet
    std::string serve;
    std::string run;
    std::string doctor; ///< by whoever ran this one
};

/// ` --db …` as a command takes it for `conninfo`, or ` --db ...` for one that holds a secret; nothing if it is empty.
std::string database_option(const std::string& conninfo);

/// `conninfo` is that of --db, `database` the one that it leads to, and `role` that of the gateway.
NextSteps next_steps(const std::string& conninfo, const std::string& database, const std::string& role,
                     const Caller& caller);

} // namespace pdpp::cli
