#include "pq/advice.hpp"

#include "pq/error.hpp"
#include "pq/grants.hpp"
#include "pq/hosts.hpp"
#include "text/shell.hpp"

#include <boost/algorithm/string/erase.hpp>
#include <boost/algorithm/string/predicate.hpp>

#include <fmt/format.h>

namespace pdpp::pq {

namespace {

bool says(const ConnectFailure& failure, const char* words) {
    return boost::algorithm::icontains(failure.message, words);
}

/// The server refuses a role as such; which of two things it minds only its words tell, and they may be translated.
std::string advice_on_role(const ConnectFailure& failure, const std::string& role, const std::string& database) {
    const auto let_log_in =
        fmt::format("have it allowed to log in, as a superuser of the server: alter role {} login", as_regrole(role));
    const auto make =
        fmt::format("have this one made, as root or as a superuser of the server: {}", init_command(database, role));
    constexpr auto other = "Log in as another role (PGUSER, or user=... in --db; else it is the unix user's name), or ";
    if (says(failure, "does not exist")) {
        return other + make;
    }
    if (says(failure, "not permitted to log in")) {
        return other + let_log_in;
    }
    return fmt::format("{}if the role is there, {}; or {}", other, let_log_in, make);
}

/// The server does not believe that it is `role` who comes, or lets nobody in as that from there (class 28).
std::string advice_on_authentication(const ConnectFailure& failure, const std::string& role,
                                     const std::string& database) {
    if (failure.function == "ClientAuthentication") {
        return fmt::format("The server's pg_hba.conf decides who may come in from where, with TLS or without: have an "
                           "entry of it let {} into {}, and the server reload it (select pg_reload_conf()); or come "
                           "another way (host=..., sslmode=... in --db)",
                           role, database);
    }
    const auto words = boost::algorithm::erase_all_copy(failure.message, role); // which may be called so itself
    if (failure.function == "auth_failed" && boost::algorithm::icontains(words, "peer")) {
        return fmt::format("The server lets in a unix user as the role of the same name: run this as the unix user {0} "
                           "(runuser -u {0} -- ...), or log in as the role of your own (PGUSER, or user=... in --db), "
                           "or have pg_ident.conf let you in as {0}",
                           role);
    }
    if (failure.function == "auth_failed") {
        return fmt::format("The server's pg_hba.conf says how {} has to prove who it is, and the server's log why this "
                           "did not do",
                           role);
    }
    return advice_on_role(failure, role, database);
}

std::string advice_on_libpq(const ConnectFailure& failure) {
    if (says(failure, "does not support ssl")) {
        return "Have the server speak TLS (ssl = on in postgresql.conf, with a certificate), or log in without it, "
               "where the way to the server is safe (sslmode=prefer in --db, or PGSSLMODE)";
    }
    if (says(failure, "failed: permission denied")) {
        return "Have the unix user let to the server's socket (unix_socket_permissions, unix_socket_group, the "
               "directory), or come over TCP (host=... in --db, or PGHOST)";
    }
    return "What --db, its service file and the environment ask for must fit what the server offers: sslmode, "
           "sslrootcert, sslcert, sslkey, gssencmode, channel_binding, require_auth, requirepeer";
}

} // namespace

std::string role_in(const std::string& conninfo) {
    const auto options = resolved(conninfo);
    const auto found = options.find("user");
    return found == options.end() ? "" : found->second;
}

std::string database_in(const std::string& conninfo) {
    const auto options = resolved(conninfo);
    const auto found = options.find("dbname");
    return found == options.end() ? role_in(conninfo) : found->second;
}

std::string init_command(const std::string& database, const std::string& role) {
    return "pdpp init --db " + in_shell(database) + (role.empty() ? "" : " --role " + in_shell(role));
}

std::string advice(const ConnectFailure& failure, const std::string& role, const std::string& database) {
    const auto& state = failure.sqlstate;
    if (state.empty() && failure.lacks_password) {
        return fmt::format("Give the password of the role {}: in a passfile (~/.pgpass, or passfile=... in --db) that "
                           "nobody else may read (mode 0600), or in PGPASSWORD",
                           role);
    }
    if (state.empty()) {
        return is_refused_by_libpq(failure) ? advice_on_libpq(failure) : "";
    }
    if (state == sqlstate::invalid_password) {
        return fmt::format("Check the password of the role {}: a passfile, or PGPASSWORD. The server says the same of "
                           "a role that does not exist, or whose password has expired",
                           role);
    }
    if (state == sqlstate::invalid_catalog_name) {
        return fmt::format("Name the database with --db or PGDATABASE, or have it made, as root or as a superuser of "
                           "the server: {} --create-db",
                           init_command(database));
    }
    if (state == sqlstate::insufficient_privilege) {
        return fmt::format("Have the role let into the database, as a superuser of the server: grant connect on "
                           "database {} to {}",
                           as_regrole(database), as_regrole(role));
    }
    if (state == sqlstate::object_not_in_prerequisite_state) {
        return fmt::format("Name another database with --db or PGDATABASE, or have this one opened, as a superuser of "
                           "the server: alter database {} allow_connections true",
                           as_regrole(database));
    }
    if (state.starts_with("28")) {
        return advice_on_authentication(failure, role, database);
    }
    return {};
}

} // namespace pdpp::pq
