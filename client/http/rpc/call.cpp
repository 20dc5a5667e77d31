// Making the calls of /rpc.

#include "http/rpc/call.hpp"

#include "http/rpc/error.hpp"
#include "http/wire/envelope.hpp"
#include "log/log.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// What became of a call.
struct Result {
    std::string body;
    std::int64_t total = 1;           ///< rows, of which the body has some of those in the range
    std::int64_t shown = 1;           ///< rows in the body
    std::string response_status = {}; ///< the setting
};

/// Rows of an answer, in bytes, as the pages of a timeline; one more is sent whatever its size.
constexpr int most_bytes = 4 << 20;

/// The settings are made before the function is called, because the call refers to them, and response.status is read
/// after it, because it stands beside the result. OFFSET 0 keeps the planner from merging the parts. Whatever the
/// server's time zone is, times without one are in UTC, as all that we print.
constexpr auto read_statement = R"(SELECT {columns}, pg_catalog.current_setting('response.status', true)
FROM (SELECT pg_catalog.set_config('transaction_read_only', 'on', true) AS read_only,
             pg_catalog.set_config('timezone', 'UTC', true) AS timezone,
             pg_catalog.set_config('request.method', $1, true) AS method,
             pg_catalog.set_config('request.path', $2, true) AS path) AS request
CROSS JOIN LATERAL ({answer}) AS answer)";

constexpr auto call_statement = R"(SELECT called, pg_catalog.row_number() OVER () AS position
                    FROM {schema}.{function}({arguments}) AS called
                    WHERE request IS NOT NULL OFFSET 0)";

constexpr auto scalar_columns = "coalesce(called::text, 'null'), position, position";

/// The rows from the offset $3 on, at most $4 of them, as far as they are in their bytes; the number of all; and that
/// of those that were taken.
constexpr auto row_columns =
    R"(coalesce((pg_catalog.json_agg(printed ORDER BY position) FILTER (WHERE taken){form})::text, '[]'),
    pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE taken))";

constexpr auto row_answer = R"(
    SELECT position, printed, printed IS NOT NULL AND (position = $3::bigint + 1
           OR pg_catalog.sum(pg_catalog.octet_length(printed::text)) OVER (ORDER BY position) <= {most_bytes}) AS taken
    FROM (SELECT position, CASE WHEN position > $3::bigint AND ($4::bigint IS NULL OR position <= $3::bigint + $4::bigint)
                                THEN pg_catalog.row_to_json(called) END AS printed
          FROM ({call}) AS calls) AS rows)";

/// `name => $n::text::type, ...`; the values go to `parameters`. They are text because a parameter of another type is
/// read before the settings are made.
std::string argument_list(const std::vector<pq::Argument>& arguments, std::vector<pq::Parameter>& parameters) {
    std::string list;
    for (const auto& argument : arguments) {
        parameters.push_back(argument.value);
        list += fmt::format("{}{} => ${}::text::{}", list.empty() ? "" : ", ", argument.name, parameters.size(),
                            argument.type);
    }
    return list;
}

asio::awaitable<Result> read(Database& database, const RpcCall& call, const Request& request) {
    const std::string_view target = request.target();
    std::vector<pq::Parameter> parameters{std::string{request.method_string()},
                                          std::string{target.substr(0, target.find('?'))}};
    const bool has_rows = call.function.shape == ResultShape::rows;
    if (has_rows) {
        parameters.emplace_back(std::to_string(call.range.offset));
        parameters.emplace_back(call.range.limit ? std::optional{std::to_string(*call.range.limit)} : std::nullopt);
    }
    const auto arguments = argument_list(call.arguments, parameters);
    const auto loan = co_await database.lend();
    const auto& connection = loan.connection;
    if (connection->is_standby()) {
        throw pq::no_primary();
    }
    const auto called = fmt::format(call_statement, fmt::arg("schema", connection->schema()),
                                    fmt::arg("function", call.function.name), fmt::arg("arguments", arguments));
    auto statement =
        has_rows ? fmt::format(read_statement,
                               fmt::arg("columns",
                                        fmt::format(row_columns, fmt::arg("form", call.wants_object ? " -> 0" : ""))),
                               fmt::arg("answer", fmt::format(row_answer, fmt::arg("most_bytes", most_bytes),
                                                              fmt::arg("call", called))))
                 : fmt::format(read_statement, fmt::arg("columns", scalar_columns), fmt::arg("answer", called));
    const auto rows =
        co_await connection->query(std::move(statement), std::move(parameters), database.timeout(), pq::Effect::reads);
    if (connection.is_stale()) {
        throw pq::no_primary();
    }
    Result result{.body = std::string{rows.text(0, 0).value()}};
    const auto number = [&](int column, std::int64_t& into) {
        const auto digits = rows.text(0, column).value();
        std::from_chars(digits.data(), digits.data() + digits.size(), into);
    };
    number(1, result.total);
    number(2, result.shown);
    result.response_status = rows.text(0, 3).value_or("");
    co_return result;
}

/// The rows of the result that are in the range.
std::int64_t rows_in_range(const RowRange& range, std::int64_t total) {
    const auto rest = std::max<std::int64_t>(total - range.offset, 0);
    return std::min(range.limit.value_or(rest), rest);
}

/// Whether rows of the range are left out because there is no room for them.
bool is_cut(const RpcCall& call, const Result& result) {
    return result.shown < rows_in_range(call.range, result.total);
}

/// `0-9/42`; `*` for what is not known or not there. What is cut says of how many.
std::string content_range(const RpcCall& call, const Result& result) {
    const auto range =
        result.shown == 0 ? "*" : fmt::format("{}-{}", call.range.offset, call.range.offset + result.shown - 1);
    return range + "/" + (call.wants_count || is_cut(call, result) ? std::to_string(result.total) : "*");
}

void check_rows(const RpcCall& call, const Result& result) {
    if (call.wants_object && result.shown != 1) {
        throw RpcError{.code = status::not_acceptable,
                       .error_code = "PGRST116",
                       .message = "Cannot coerce the result to a single JSON object",
                       .details = fmt::format("The result contains {} rows", rows_in_range(call.range, result.total))};
    }
    if (call.wants_count && call.range.offset > result.total) {
        auto error = range_not_satisfiable(
            fmt::format("An offset of {} was requested, but there are only {} rows.", call.range.offset, result.total));
        error.headers.emplace_back(field::content_range, content_range(call, result));
        throw error;
    }
}

status status_of(const RpcCall& call, const Result& result) {
    const auto& text = result.response_status;
    if (!text.empty()) {
        int code = 0;
        const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), code);
        if (failure != std::errc{} || stop != text.data() + text.size() || code < 200 || code > 599) {
            throw RpcError{.code = status::internal_server_error,
                           .error_code = "PGRST112",
                           .message = "response.status setting must be a valid status code"};
        }
        return static_cast<status>(code);
    }
    const bool is_part = is_cut(call, result) || (call.wants_count && result.shown < result.total);
    return is_part ? status::partial_content : status::ok;
}

} // namespace

Response rpc_options(const Function& function) {
    Response response{status::ok, 11};
    response.set(field::allow, allowed_methods(function));
    response.content_length(0);
    return response;
}

asio::awaitable<Response> answer_rpc(Database& database, const RpcCall& call, const Request& request,
                                     std::string_view request_id) {
    const auto& function = call.function;
    try {
        Result result;
        if (function.kind == CallKind::reads) {
            result = co_await read(database, call, request);
        } else {
            result.body = co_await database.call(function.kind, function.name, call.arguments, request_id);
        }
        check_rows(call, result);
        auto response = json_response(status_of(call, result), std::move(result.body));
        response.set(field::content_type, std::string{call.media_type} + "; charset=utf-8");
        response.set(field::content_range, content_range(call, result));
        if (!call.applied_preferences.empty()) {
            response.set("Preference-Applied", call.applied_preferences);
        }
        co_return response;
    } catch (const pq::Error& error) {
        auto answer = rpc_error(error);
        // a grant that lacks is 403 there, and nothing that the client can do something about
        const bool is_ours =
            error.kind() == pq::ErrorKind::refused && error.sqlstate() == pq::sqlstate::insufficient_privilege;
        if (answer.code >= status::internal_server_error || is_ours) {
            log::write(log::Level::error,
                       {{"request_id", request_id}, {"function", function.name}, {"sqlstate", error.sqlstate()}},
                       log::Quoted{database.explained(error, function.name)});
        }
        throw answer;
    }
}

} // namespace pdpp::http
