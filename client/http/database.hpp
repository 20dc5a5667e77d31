#pragma once
// The one stage that talks to the database: a SQL function's jsonb, or the refusal that its failure amounts to.

#include "http/mapping.hpp"
#include "http/status_cache.hpp"
#include "http/status_reads.hpp"
#include "http/turns.hpp"
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
/// look for, a timeout is 504, a lock that somebody holds, and a database that is away, busy, full, read-only or going
/// down are 503 with Retry-After, and anything else is 500. No text of the database gets out but a typed refusal's own.
Refusal refusal_for(const pq::Error& error);

/// Whether a SQLSTATE tells of load, or of something else that passes, and of nothing that the call or the program did.
/// A statement that was cancelled for its time (57014) is none of these.
bool is_passing_trouble(std::string_view sqlstate);

/// Whether it is about a run id that was never handed out.
bool is_unknown_run(const Refusal& refusal);

/// The refusal in a body that is an error envelope, `{"error": {...}}`, as reads answer for an unknown run; nothing if
/// it is not one. A body is jsonb as PostgreSQL prints it, so its first bytes tell, and the body of a run, which may be
/// megabytes long, is neither parsed nor copied.
std::optional<Refusal> refusal_in(std::string_view body);

class Metrics;

struct DatabaseOptions {
    std::string conninfo;
    /// Connections for reads at most, as many for writes, and as many to standbys where `conninfo` names several hosts.
    std::size_t pool_size = 4;
    /// The server cancels a statement after this long; we wait a little longer and then give up on it.
    std::chrono::milliseconds statement_timeout = std::chrono::seconds(10);
    /// A write waits for a lock for no longer.
    std::chrono::milliseconds lock_timeout = std::chrono::seconds(1);
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

    /// The same, without a look into the memory of endings; an error envelope is an answer as well. What a write says
    /// is returned once it is known to have committed, whatever happened to the connection; what a read says if the
    /// server is no standby. Throws pq::Error.
    boost::asio::awaitable<std::string> call(CallKind kind, std::string_view function,
                                             std::vector<pq::Argument> arguments, std::string_view request_id);

    /// A connection for a read that may take long: not all of them are lent for such at once, so that a status has one.
    struct Loan {
        Turns::Turn turn;
        pq::Pool::Lease connection;
    };

    /// One to the primary. Throws pq::Error.
    boost::asio::awaitable<Loan> lend();

    /// What is known of the run that `call` asks for without asking: how it ended, if that is kept in memory; else a
    /// null pointer. Good until the caller awaits something. Counts as a look into that memory if it is there.
    const Ending* kept_ending(const SqlCall& call, const std::vector<pq::Argument>& arguments);

    /// Learns from a new connection which history the primary writes: endings of another are forgotten, since a server
    /// that took over may not have them.
    boost::asio::awaitable<void> meet_primary(pq::Connection& connection);

    /// Makes a connection, for the next who needs one. Throws pq::Error.
    boost::asio::awaitable<void> try_connecting();

    /// All connections, and all who wait for one.
    pq::Pool::Usage usage() const;

    /// How long to wait for a statement.
    std::chrono::milliseconds timeout() const noexcept { return timeout_; }

  private:
    /// One kind of server, its connections, and the status reads gathered for them.
    struct Side {
        Side(const boost::asio::any_io_executor& executor, const pq::PoolOptions& options,
             std::chrono::milliseconds timeout);

        boost::asio::awaitable<Loan> lend();

        pq::Pool pool;
        StatusReads statuses;
        Turns long_reads;
    };

    class PoolCaller;

    boost::asio::awaitable<Turns::Turn> turn_to_write(const std::vector<pq::Argument>& arguments);
    boost::asio::awaitable<std::string> make_call(const SqlCall& call, std::vector<pq::Argument> arguments,
                                                  std::string_view request_id);
    boost::asio::awaitable<std::string> status(const SqlCall& call, std::vector<pq::Argument> arguments);
    boost::asio::awaitable<std::string> read_final(const SqlCall& call, std::vector<pq::Argument> arguments);
    boost::asio::awaitable<StatusAnswer> read(Side& side, const SqlCall& call, std::vector<pq::Argument> arguments);

    Metrics& metrics_;
    std::chrono::milliseconds timeout_;
    std::chrono::milliseconds lock_timeout_;
    Side primary_;
    pq::Pool writes_;   ///< connections of their own: a write may wait for a lock, a read must not wait for a write
    Turns write_turns_; ///< by what they wait for, so that one that is stuck leaves connections to the others
    std::optional<Side> standby_; ///< if there are several hosts
    StatusCache ended_;
    std::string history_; ///< that of `ended_`
};

} // namespace pdpp::http
