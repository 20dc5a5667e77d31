#include "cli/setup/destination.hpp"

#include "cli/setup/server_user.hpp"
#include "pq/advice.hpp"
#include "pq/hosts.hpp"

#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

Destination destination_of(const std::string& conninfo, const std::string& role) {
    const auto said = pq::resolved(conninfo);
    auto user = pq::role_in(conninfo);
    if (user == "root") {
        user = asking_user();
    }
    const auto database = said.find("dbname");
    return {.conninfo = conninfo,
            .role = role.empty() ? user : role,
            .database = database == said.end() ? user : database->second};
}

asio::awaitable<void> connect(pq::Connection& connection, const Destination& destination, std::string database,
                              std::string application_name) {
    auto conninfo = pq::to_database(destination.conninfo, database);
    if (pq::names_several_hosts(conninfo)) {
        conninfo = pq::to_primary(conninfo);
    }
    const AsServersUser user(pq::socket_of(conninfo));
    co_await connection.open(std::move(conninfo), pq::default_timeout, std::move(application_name),
                             pq::Extension::not_needed);
}

} // namespace pdpp::cli
