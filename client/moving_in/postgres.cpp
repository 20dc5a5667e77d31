#include "moving_in/postgres.hpp"

#include "pq/connection.hpp"
#include "pq/mistake.hpp"

#include <boost/asio/this_coro.hpp>

#include <fmt/format.h>

#include <chrono>
#include <stdexcept>
#include <utility>

namespace pdpp::moving_in {

namespace asio = boost::asio;

namespace {

constexpr Dialect postgres_dialect{
    .name = "postgresql", .schema = "public.", .tells_writes = true, .row_number = "", .holds_any_type = false};

/// The whole history is put in order before its first row comes.
constexpr auto longest_statement = std::chrono::hours(24);

constexpr int fetched_at_once = 2000;

SourceError as_source_error(const pq::Error& error) {
    const auto kind = pq::is_passing(error) ? SourceError::Kind::lost : SourceError::Kind::refused;
    return {kind, fmt::format("the source: {}", error.what()), error.hint()};
}

Row row_in(const pq::Result& result, int number) {
    Row row;
    row.reserve(static_cast<std::size_t>(result.columns()));
    for (int column = 0; column < result.columns(); ++column) {
        const auto text = result.text(number, column);
        row.push_back(text ? std::optional<std::string>(*text) : std::nullopt);
    }
    return row;
}

class PostgresCursor : public Cursor {
  public:
    PostgresCursor(pq::Connection& connection, std::string name) : connection_(connection), name_(std::move(name)) {}

    asio::awaitable<std::optional<Row>> next() override {
        if (!page_ || next_ == page_->rows()) {
            if (page_ && page_->rows() < fetched_at_once) {
                co_return std::nullopt;
            }
            try {
                std::vector<pq::Parameter> none;
                page_ = co_await connection_.query(fmt::format("FETCH {} FROM {}", fetched_at_once, name_),
                                                   std::move(none), longest_statement, pq::Effect::reads);
            } catch (const pq::Error& error) {
                throw as_source_error(error);
            }
            next_ = 0;
            if (page_->rows() == 0) {
                co_return std::nullopt;
            }
        }
        co_return row_in(*page_, next_++);
    }

  private:
    pq::Connection& connection_;
    std::string name_;
    std::optional<pq::Result> page_;
    int next_ = 0;
};

class Postgres : public Database {
  public:
    explicit Postgres(std::string conninfo) : conninfo_(std::move(conninfo)) {}

    [[nodiscard]] const Dialect& dialect() const override { return postgres_dialect; }

    asio::awaitable<bool> open() override {
        if (connection_ && connection_->usable()) {
            co_return false;
        }
        const auto executor = co_await asio::this_coro::executor;
        connection_.emplace(executor);
        try {
            co_await connection_->open(conninfo_, pq::default_timeout, "pdpp import", pq::Extension::not_asked);
        } catch (const pq::Error& error) {
            connection_.reset();
            throw as_source_error(error);
        }
        co_return true;
    }

    /// Whatever it is told by its role or database, a long import goes on; a sort is read to its end; rows that are
    /// kept from the role are an error and not absent; and where texts are bytes of no known encoding, they come as
    /// they are. All of it for this transaction: of a session behind a pooler the next one is somebody else's.
    asio::awaitable<void> begin() override {
        co_await run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        cursors_ = 0;
        const auto set = co_await rows(
            "SELECT pg_catalog.current_setting('server_encoding'), pg_catalog.set_config(s.name, s.value, true)"
            " FROM (VALUES ('statement_timeout', '0'), ('transaction_timeout', '0'),"
            " ('idle_in_transaction_session_timeout', '0'), ('cursor_tuple_fraction', '1'),"
            " ('standard_conforming_strings', 'on'), ('work_mem', '64MB'), ('row_security', 'off'),"
            " ('client_encoding', CASE pg_catalog.current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII'"
            " ELSE 'UTF8' END)) AS s(name, value) WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL");
        encoding_ = set.front().front().value_or(std::string());
    }

    [[nodiscard]] bool has_characters() const override { return encoding_ != "SQL_ASCII"; }

    [[nodiscard]] std::string by_bytes(std::string_view column) const override {
        if (encoding_ == "UTF8" || !has_characters()) {
            return fmt::format(R"({} collate "C")", column);
        }
        return fmt::format("pg_catalog.convert_to({}, 'UTF8')", column);
    }

    asio::awaitable<void> end() override { co_await run("COMMIT"); }

    asio::awaitable<std::vector<Row>> rows(std::string sql) override {
        std::vector<Row> rows;
        try {
            std::vector<pq::Parameter> none;
            const auto result =
                co_await connection_->query(std::move(sql), std::move(none), longest_statement, pq::Effect::reads);
            for (int row = 0; row < result.rows(); ++row) {
                rows.push_back(row_in(result, row));
            }
        } catch (const pq::Error& error) {
            throw as_source_error(error);
        }
        co_return rows;
    }

    asio::awaitable<std::unique_ptr<Cursor>> cursor(std::string sql) override {
        auto name = fmt::format("pdpp_import_{}", ++cursors_);
        co_await run(fmt::format("DECLARE {} NO SCROLL CURSOR FOR {}", name, sql));
        co_return std::make_unique<PostgresCursor>(*connection_, std::move(name));
    }

    asio::awaitable<FoundTables> tables() override {
        FoundTables found;
        for (const Row& row : co_await rows(
                 "SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, NULL) FROM pg_catalog.pg_class AS c"
                 " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
                 " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
                 " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')")) {
            found[*row[0]][*row[1]] = *row[2];
        }
        co_return found;
    }

    asio::awaitable<std::set<std::string>> views() override {
        std::set<std::string> views;
        for (const Row& row : co_await rows("SELECT c.relname FROM pg_catalog.pg_class AS c"
                                            " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
                                            " WHERE n.nspname = 'public' AND c.relkind IN ('v', 'm', 'f')")) {
            views.insert(*row[0]);
        }
        co_return views;
    }

    asio::awaitable<std::optional<std::int64_t>> bytes(std::string table) override {
        const auto size = co_await rows(fmt::format("SELECT pg_catalog.pg_total_relation_size('public.{}')", table));
        co_return std::stoll(*size.front().front());
    }

    asio::awaitable<bool> may_have_changed() override { co_return true; }

    /// What is visible now and was not then was written by a transaction that had not ended then: its number is that of
    /// the oldest of those at least. Numbers are compared by their distance from now, since they go round.
    [[nodiscard]] std::string written_since(std::string_view mark) const override {
        return fmt::format("pg_catalog.age(t.xmin) <= pg_catalog.age('{}'::pg_catalog.xid)", mark);
    }

    asio::awaitable<std::string> mark() override {
        const auto oldest = co_await rows(
            "SELECT (pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) % 4294967296)::text");
        co_return *oldest.front().front();
    }

    void close() noexcept override { connection_.reset(); }

  private:
    asio::awaitable<void> run(std::string sql) {
        try {
            std::vector<pq::Parameter> none;
            co_await connection_->query(std::move(sql), std::move(none), longest_statement, pq::Effect::reads);
        } catch (const pq::Error& error) {
            throw as_source_error(error);
        }
    }

    std::string conninfo_;
    std::optional<pq::Connection> connection_;
    std::string encoding_; ///< of the texts that it keeps
    int cursors_ = 0;
};

} // namespace

std::unique_ptr<Database> open_postgres(std::string conninfo) {
    if (const auto mistake = pq::mistake_in(conninfo)) {
        throw std::invalid_argument("the connection string is wrong: " + *mistake);
    }
    return std::make_unique<Postgres>(std::move(conninfo));
}

} // namespace pdpp::moving_in
