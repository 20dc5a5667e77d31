#include "cli/superusers_call.hpp"

#include "cli/output.hpp"
#include "pq/grants.hpp"

#include <fmt/format.h>

namespace pdpp::cli {

namespace asio = boost::asio;

asio::awaitable<void> explain_refusal(pq::Connection& connection, std::string function, pq::Error error) {
    if (error.kind() != pq::ErrorKind::refused || error.sqlstate() != pq::sqlstate::insufficient_privilege) {
        throw error;
    }
    const auto grants = co_await pq::grants_of(connection, {});
    const auto role = pq::as_regrole(connection.role());
    const auto of_schema =
        grants.sees_schema ? "" : fmt::format("grant usage on schema {} to {}; ", connection.schema(), role);
    throw Failure{exit_code::refused,
                  "permission_denied",
                  error.what(),
                  fmt::format("Run it as a superuser of the server, or have one run in this database: {}grant execute "
                              "on function {}.{} to {}",
                              of_schema, connection.schema(), function, role),
                  {}};
}

} // namespace pdpp::cli
