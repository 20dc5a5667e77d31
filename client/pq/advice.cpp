#include "pq/advice.hpp"

#include "pq/hosts.hpp"

#include <fmt/format.h>

namespace pdpp::pq {

namespace {

std::string value_in(const std::string& conninfo, const std::string& keyword) {
    const auto options = resolved(conninfo);
    const auto found = options.find(keyword);
    return found == options.end() ? "" : found->second;
}

} // namespace

std::string role_in(const std::string& conninfo) {
    return value_in(conninfo, "user");
}

std::string advice(const Error& error, const std::string& conninfo) {
    if (!is_not_let_in(error)) {
        return {};
    }
    const auto role = role_in(conninfo);
    const auto database = value_in(conninfo, "dbname");
    const auto& state = error.sqlstate();
    if (state == sqlstate::invalid_password) {
        return fmt::format("Check the password of the role {}: a passfile, or PGPASSWORD.", role);
    }
    if (state == sqlstate::invalid_catalog_name) {
        return fmt::format("Name the database with --db or PGDATABASE, or have it made, as root or as a superuser of "
                           "the server: pdpp init --db {} --create-db",
                           database.empty() ? role : database);
    }
    return fmt::format("Log in as another role (PGUSER, or user=... in --db; else it is the unix user's name), or have "
                       "this one made, as root or as a superuser of the server: pdpp init --role {}",
                       role);
}

} // namespace pdpp::pq
