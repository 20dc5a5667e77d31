#pragma once
// The one stage that talks to the database: a SQL function's jsonb, or the refusal that its failure amounts to.

#include "http/mapping.hpp"
#include "http/status_cache.hpp"
#include "http/status_reads.hpp"
#include "pq/pool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// What a failed call means for the client: a typed refusal (SQLSTATE PTnnn) is passed on with its status and DETAIL
/// (and the Location of the run that is in the way), a write whose fate is unknown is 503 `in_doubt` with the ids to
/// look for, a timeout is 504, a database that is away, busy or going down is 503 with Retry-After, and anything else
/// is 500. No text of the database gets out but a typed refusal's own.
Refusal refusal_for(const pq::Error& error);

/// Whether it is about a run id that was never handed out.
bool is_unknown_run(const Refusal& refusal);

/// The refusal in a body that is an error envelope, `{"error": {...}}`, as reads answer for an unknown run; nothing if
/// it is not one. A body is jsonb as PostgreSQL prints it, so its first bytes tell, and the body of a run, which may be
/// megabytes long, is neither parsed nor copied.
std::optional<Refusal> refusal_in(std::string_view body);

/// Calls the function and returns its answer byte for byte, an error envelope too; that of a write once it is known to
/// have committed, whatever happened to the connection; that of a read if the server is no standby. Throws pq::Error.
boost::asio::awaitable<std::string> call_function(pq::Pool& pool, CallKind kind, std::string_view function,
                                                  std::vector<pq::Argument> arguments,
                                                  std::chrono::milliseconds timeout, std::string_view request_id);

class Metrics;

struct DatabaseOptions {
    std::string conninfo;
    std::size_t pool_size = 4; ///< connections at most; as many again to standbys where `conninfo` names several hosts
    /// The server cancels a statement after this long; we wait a little longer and then give up on it.
    std::chrono::milliseconds statement_timeout = std::chrono::seconds(10);
    std::size_t status_cache_bytes = std::size_t{64} << 20; ///< for the statuses of runs that have ended; 0 for none
};

class Database {
  public:
    /// `metrics` count the lookups in the memory of endings, and must outlive this.
    Database(const boost::asio::any_io_executor& executor, const DatabaseOptions& options, Metrics& metrics);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    /// Calls the function and returns its answer byte for byte; that of a write once it is known to have committed,
    /// whatever happened to the connection; how a run ended is told by any server, all else by
    /// the primary. Throws Refusal; failures that are not the
    /// client's doing are logged under `request_id`.
    boost::asio::awaitable<std::string> ask(const SqlCall& call, std::vector<pq::Argument> arguments,
                                            std::string_view request_id);

    /// What is known of the run that `call` asks for without asking: how it ended, if that is kept in memory; else a
    /// null pointer. Good until the caller awaits something. Counts as a look into that memory if it is there.
    const Ending* kept_ending(const SqlCall& call, const std::vector<pq::Argument>& arguments);

    /// Learns from a new connection which history the primary writes: endings of another are forgotten, since a server
    /// that took over may not have them.
    boost::asio::awaitable<void> meet_primary(pq::Connection& connection);

    /// Makes a connection, for the next who needs one. Throws pq::Error.
    boost::asio::awaitable<void> try_connecting();

    /// Connections to the primary.
    pq::Pool& primary() noexcept { return primary_.pool; }

    /// All connections, and all who wait for one.
    pq::Pool::Usage usage() const;

    /// How long to wait for a statement.
    std::chrono::milliseconds timeout() const noexcept { return timeout_; }

  private:
    /// One kind of server, its connections, and the status reads gathered for them.
    struct Side {
        Side(const boost::asio::any_io_executor& executor, const pq::PoolOptions& options,
             std::chrono::milliseconds timeout);

        pq::Pool pool;
        StatusReads statuses;
    };

    boost::asio::awaitable<std::string> make_call(const SqlCall& call, std::vector<pq::Argument> arguments,
                                                  std::string_view request_id);
    boost::asio::awaitable<std::string> status(const SqlCall& call, std::vector<pq::Argument> arguments);
    boost::asio::awaitable<std::string> read_final(const SqlCall& call, std::vector<pq::Argument> arguments);
    boost::asio::awaitable<StatusAnswer> read(Side& side, const SqlCall& call, std::vector<pq::Argument> arguments);

    Metrics& metrics_;
    std::chrono::milliseconds timeout_;
    Side primary_;
    std::optional<Side> standby_; ///< if there are several hosts
    StatusCache ended_;
    std::string history_; ///< that of `ended_`
};

} // namespace pdpp::http
