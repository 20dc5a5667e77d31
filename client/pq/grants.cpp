#include "pq/grants.hpp"

#include "pq/wire.hpp"
#include "run/grant.hpp"

#include <boost/algorithm/string/replace.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

/// `role` is an expression of SQL, or empty for the session's own.
std::string lacking(std::string_view functions, std::string_view role) {
    return fmt::format("(SELECT count(*) FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_depend AS d"
                       " ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid"
                       " AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'"
                       " JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid WHERE e.extname = 'pdpp'"
                       " AND p.proname = ANY ('{}'::name[])"
                       " AND NOT pg_catalog.has_function_privilege({}{}p.oid, 'EXECUTE'))",
                       functions, role, role.empty() ? "" : ", ");
}

bool is_among(std::string_view function, std::string_view functions) {
    return fmt::format(",{},", functions.substr(1, functions.size() - 2)).find(fmt::format(",{},", function)) !=
           std::string::npos;
}

} // namespace

std::string count_of_lacking(std::string_view functions) {
    return lacking(functions, "");
}

asio::awaitable<Grants> grants_of(Connection& connection, Parameter role) {
    constexpr auto whose = "coalesce($1, CURRENT_USER)::name";
    const auto question =
        fmt::format("SELECT {}, {}, coalesce(pg_catalog.has_schema_privilege({}, (SELECT extnamespace"
                    " FROM pg_catalog.pg_extension WHERE extname = 'pdpp'), 'USAGE'), true),"
                    " pg_catalog.has_database_privilege({}, pg_catalog.current_database(), 'CONNECT')",
                    lacking(run::owner_functions, whose), lacking(run::controller_functions, whose), whose, whose);
    std::vector<Parameter> parameters{std::move(role)};
    const auto answer = co_await connection.query(question, std::move(parameters), default_timeout, Effect::reads);
    co_return Grants{.owner_lacks = number_in(answer.text(0, 0).value()),
                     .controller_lacks = number_in(answer.text(0, 1).value()),
                     .sees_schema = answer.text(0, 2) == "t",
                     .may_connect = answer.text(0, 3) == "t"};
}

std::string as_regrole(const std::string& role) {
    const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    if (!role.empty() && std::ranges::all_of(role, is_plain)) {
        return role;
    }
    return fmt::format("\"{}\"", boost::algorithm::replace_all_copy(role, "\"", "\"\""));
}

std::string grant_for(std::string_view function, const std::string& role) {
    const bool is_owners = is_among(function, run::owner_functions);
    if (!is_owners && !is_among(function, run::controller_functions)) {
        return {};
    }
    return fmt::format("select pdpp_grant('{}', '{}')", boost::algorithm::replace_all_copy(as_regrole(role), "'", "''"),
                       is_owners ? "owner" : "controller");
}

} // namespace pdpp::pq
