#pragma once
// Waiting for a run to get on: read what there is, wait until it may have changed, read again. The connection listens
// before the first read, so nothing that is committed after a read is missed, and it survives the database.

#include "pq/reads.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::pq {

class RunWatch {
  public:
    RunWatch(const boost::asio::any_io_executor& executor, std::string conninfo, std::string_view run_id);

    /// Of all runs.
    RunWatch(const boost::asio::any_io_executor& executor, std::string conninfo);
    RunWatch(const RunWatch&) = delete;
    RunWatch& operator=(const RunWatch&) = delete;
    ~RunWatch() = default;

    /// A read of the SQL API, by a server that can tell (pq/reads.hpp). A connection that is lost is made again, and
    /// the read repeated, for as long as it takes; only the first must succeed. A standby that is the only host is
    /// believed that a run has not ended: it is asked until it has. Throws Error: what stands against the first, and
    /// what the database refuses.
    boost::asio::awaitable<std::string> read(std::string function, std::vector<Argument> arguments,
                                             Finality is_final = {});

    /// Returns when something was committed about the run (any of them) since the last read, or when that cannot be
    /// excluded: the connection was lost, or nothing was heard for ten seconds (where notifications are turned off, or
    /// a pooler swallows them). A hot standby cannot listen: there it returns after a second. Of all runs it tells no
    /// more than a few times a second.
    boost::asio::awaitable<void> changed();

  private:
    enum class Listening { yes, impossible };

    struct Digest {
        std::optional<std::string> text;
    };
    RunWatch(const boost::asio::any_io_executor& executor, std::string conninfo, Digest digest);

    boost::asio::awaitable<void> begin(Connection& primary);
    boost::asio::awaitable<void> hear();
    boost::asio::awaitable<void> overhear();

    std::optional<std::string> digest_; ///< of the one run that counts
    Reads reads_;
    Listening listening_ = Listening::yes;
    bool was_answered_ = false;
};

} // namespace pdpp::pq
