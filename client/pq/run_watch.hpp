#pragma once
// Waiting for a run to get on: read what there is, wait until it may have changed, read again. The connection listens
// before the first read, so nothing that is committed after a read is missed, and it survives the database.

#include "pq/connection.hpp"

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

    /// A read of the SQL API. A connection that is lost is made again, and the read repeated, for as long as it takes;
    /// only the first connection must be there. Throws Error: what stands against that one, and what the database
    /// refuses.
    boost::asio::awaitable<std::string> read(std::string function, std::vector<Argument> arguments);

    /// Returns when something was committed about the run (any of them) since the last read, or when that cannot be
    /// excluded: the connection was lost, or nothing was heard for ten seconds (where notifications are turned off, or
    /// a pooler swallows them). A hot standby cannot listen: there it returns after a second. Of all runs it tells no
    /// more than a few times a second.
    boost::asio::awaitable<void> changed();

  private:
    enum class Listening { yes, impossible };

    boost::asio::awaitable<void> connect();
    boost::asio::awaitable<std::string> read_once(std::string_view function, std::vector<Argument> arguments);
    boost::asio::awaitable<void> hear();
    boost::asio::awaitable<void> overhear();

    std::string conninfo_;
    std::optional<std::string> digest_; ///< of the one run that counts
    Connection connection_;
    Listening listening_ = Listening::yes;
    bool was_connected_ = false;
};

} // namespace pdpp::pq
