#pragma once
// `pdpp connections`: the connections on record, by id.

#include "cli/command.hpp"
#include "cli/list.hpp"

#include <optional>
#include <string>

namespace pdpp::cli {

struct ConnectionsOptions {
    std::optional<std::string> connector_id;
    std::optional<std::string> connector_instance_id;
    std::optional<bool> offered;
    std::optional<bool> active;
    ListOptions list;
};

boost::asio::awaitable<int> show_connections(Session session, ConnectionsOptions options);

} // namespace pdpp::cli
