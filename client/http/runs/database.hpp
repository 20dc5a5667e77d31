#pragma once
// The one stage that talks to the database: a SQL function's jsonb, or the refusal that its failure amounts to.

#include "http/routes/mapping.hpp"
#include "http/runs/status_cache.hpp"
#include "http/runs/status_reads.hpp"
#include "http/runs/turns.hpp"
#include "pq/pool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

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

/// Which history the server writes: the cluster's identifier and the timeline, which a promotion begins anew; empty if
/// it does not say. Throws pq::Error.
boost::asio::awaitable<std::string> history_of(pq::Connection& connection, std::chrono::milliseconds timeout);

class Database {
  public:
    /// The databases of the process, each with a loop and a memory of its own, this one among them.
    class All {
      public:
        All() = default;
        All(const All&) = delete;
        All& operator=(const All&) = delete;
        virtual ~All() = default;

        /// All have heard() of the run of that number when this returns.
        virtual boost::asio::awaitable<void> tell(std::uint64_t run_number) = 0;
        /// kept_ending() of whichever has it.
        virtual boost::asio::awaitable<std::string> kept_ending(std::string run_id) = 0;
    };

    /// `metrics` count the lookups in the memory of endings, and must outlive this, as must `all`: null if this is all.
    Database(const boost::asio::any_io_executor& executor, const DatabaseOptions& options, Metrics& metrics,
             All* all = nullptr);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    /// Calls the function and returns its answer byte for byte; that of a write once it is known to have committed,
    /// whatever happened to the connection; how a run ended is told by any server, all else by the primary. Throws
    /// Refusal; failures that are not the client's doing are logged under `request_id`.
    boost::asio::awaitable<std::string> ask(const SqlCall& call, std::vector<pq::Argument> arguments,
                                            std::string_view request_id);

    /// The status of a run, which is kept in memory if it is its last. Throws as ask().
    boost::asio::awaitable<StatusText> status(std::string run_id, std::string_view request_id);

    /// How a run ended, if that is kept in memory; else a null pointer. Good until the caller awaits something. The
    /// metrics count the look.
    const RunStatus* kept_status(std::string_view run_id);

    /// The same as ask(), but an error envelope is an answer as well. What a write says
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

    /// The primary writes this history (history_of()): endings of another, or of one that nobody knows, are forgotten,
    /// since a server that took over may not have them.
    void meet_primary(const std::string& history);

    /// Something was committed about the run of that number, or that cannot be excluded for any: what is kept of it in
    /// memory is asked for again.
    void heard(std::optional<std::uint64_t> run_number);

    /// The body of how the run ended, if that is kept in memory, for however long and in whatever doubt; else empty.
    std::string kept_ending(std::string_view run_id);

    /// Tells in the log what keeps this from its work (http/runs/setup_watch.hpp), until the loop ends.
    boost::asio::awaitable<void> watch_setup();

    /// What the log says of a failed call: the database's words, and what to do where they do not say it.
    [[nodiscard]] std::string explained(const pq::Error& error, std::string_view function) const;

    /// All connections, and all who wait for one.
    [[nodiscard]] pq::Pool::Usage usage() const;

    /// How long to wait for a statement.
    [[nodiscard]] std::chrono::milliseconds timeout() const noexcept { return timeout_; }

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

    /// The runs of such reads, and whether something was heard of them.
    using Reading = std::multimap<std::uint64_t, bool>;

    /// A read whose answer is to be kept: not if something is heard of its run before it is here.
    class Keeping {
      public:
        Keeping(Database& database, std::string_view run_id);
        Keeping(const Keeping&) = delete;
        Keeping& operator=(const Keeping&) = delete;
        ~Keeping();

        void keep(std::string_view run_id, const RunStatus& status);

      private:
        Database& database_;
        std::shared_ptr<Reading> reading_; ///< which may outlive the database, as a read may that is given up
        std::uint64_t memory_;
        Reading::iterator place_; ///< the end if none is kept
    };

    boost::asio::awaitable<Turns::Turn> turn_to_write(const std::vector<pq::Argument>& arguments);
    [[nodiscard]] Refusal refusal_of_call(const pq::Error& error, std::string_view function,
                                          std::string_view request_id) const;
    boost::asio::awaitable<std::string> ending_kept_anywhere(std::string run_id);
    boost::asio::awaitable<void> keep_as_primary_says(std::string run_id);
    boost::asio::awaitable<pq::Answer> read_final(std::function<boost::asio::awaitable<pq::Answer>(Side&)> read,
                                                  pq::Finality is_final);
    boost::asio::awaitable<pq::Answer> read(Side& side, const SqlCall& call, std::vector<pq::Argument> arguments);

    Metrics& metrics_;
    All* all_;
    std::string conninfo_;
    std::chrono::milliseconds timeout_;
    std::chrono::milliseconds lock_timeout_;
    Side primary_;
    pq::Pool writes_;   ///< connections of their own: a write may wait for a lock, a read must not wait for a write
    Turns write_turns_; ///< by what they wait for, so that one that is stuck leaves connections to the others
    std::optional<Side> standby_; ///< if there are several hosts
    StatusCache ended_;
    std::string history_;      ///< that of `ended_`
    std::uint64_t memory_ = 0; ///< how often all was forgotten: what was being read then is not kept
    std::shared_ptr<Reading> reading_ = std::make_shared<Reading>();
};

} // namespace pdpp::http
