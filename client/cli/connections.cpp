#include "cli/connections.hpp"

#include <utility>

namespace pdpp::cli {

boost::asio::awaitable<int> show_connections(Session session, ConnectionsOptions options) {
    Filters filters;
    filters.add("connector_id", "text", options.connector_id);
    filters.add("connector_instance_id", "text", options.connector_instance_id);
    filters.add("offered", options.offered);
    filters.add("active", options.active);
    return print_list(std::move(session), "pdpp_connection_list", std::move(filters), std::move(options.list),
                      connections_text);
}

} // namespace pdpp::cli
