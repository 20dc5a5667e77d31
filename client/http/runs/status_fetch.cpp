#include "http/runs/status_fetch.hpp"

#include "pq/array_literal.hpp"
#include "pq/error.hpp"

#include <string>
#include <utility>
#include <vector>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

asio::awaitable<std::vector<StatusAnswer>> fetch_statuses(pq::Pool& pool, std::chrono::milliseconds timeout,
                                                          StatusReads::Take take) {
    const auto connection = co_await pool.acquire();
    const bool is_standby = connection->is_standby();
    const auto run_ids = take();
    std::vector<StatusAnswer> answers;
    if (run_ids.empty()) { // they have lost their patience
        co_return answers;
    }
    const std::vector<pq::Parameter> texts(run_ids.begin(), run_ids.end());
    std::vector<pq::Argument> arguments;
    arguments.push_back({"run_ids", "text[]", pq::array_literal(texts)});
    const auto rows = co_await connection->prepared_column("body", "pdpp_run_statuses", std::move(arguments), timeout,
                                                           pq::Effect::reads);
    if (connection.is_stale()) {
        throw pq::Error(pq::ErrorKind::connection_lost, "the server takes no writes, and is no standby");
    }
    if (rows.rows() != static_cast<int>(run_ids.size())) {
        throw connection->answered_otherwise(pq::Effect::reads);
    }
    answers.reserve(run_ids.size());
    for (int row = 0; row < rows.rows(); ++row) {
        const auto body = rows.text(row, 0);
        if (!body) {
            throw connection->answered_otherwise(pq::Effect::reads);
        }
        answers.push_back({std::string{*body}, is_standby});
    }
    co_return answers;
}

} // namespace

StatusReads::Fetch statuses_over(pq::Pool& pool, std::chrono::milliseconds timeout) {
    return [&pool, timeout](StatusReads::Take take) { return fetch_statuses(pool, timeout, std::move(take)); };
}

} // namespace pdpp::http
