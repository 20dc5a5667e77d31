#pragma once
// What is committed about runs, heard over one connection for the whole process.

#include "pq/connection.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace pdpp::pq {

/// What those who follow runs have to know, in the order in which it came about.
struct RunNews {
    enum class Kind {
        listening, ///< from now on commits are told; before, they may have been missed
        committed, ///< something about the run of that number
        deaf,      ///< from now on nothing is
    };
    Kind kind;
    std::uint64_t run_number = 0; ///< run_number()
};

class RunListener {
  public:
    /// What is done with each new connection before it listens. Must not throw Error for what will not pass.
    using Met = std::function<boost::asio::awaitable<void>(Connection&)>;
    using Tell = std::function<void(const RunNews&)>;

    /// `conninfo` must lead to the primary if there are several hosts: a standby has nothing to tell.
    RunListener(boost::asio::any_io_executor executor, std::string conninfo, Met met, Tell tell);

    /// Listens until the loop ends. A connection that is lost is made again, as is one to a server that is the primary
    /// no longer; notifications may have been lost with it.
    boost::asio::awaitable<void> listen();

  private:
    boost::asio::awaitable<std::string> listen_once();
    boost::asio::awaitable<std::string> hear(Connection& connection);

    boost::asio::any_io_executor executor_;
    std::string conninfo_;
    bool fails_over_;
    Met met_;
    Tell tell_;
    bool was_ours_ = false; ///< a look found the session to be ours still, and the server the primary
    bool was_told_ = false; ///< the log knows that nothing is heard
};

} // namespace pdpp::pq
