#pragma once
// This process as the database knows it: one boot of a controller. The session that stays open here is the proof that
// it lives; it is also the one that listens. If it is lost, it is made again and rejoins its boot, and nothing has
// happened; if it stays away for longer than the database's grace, the boot is dead and a new one is begun.

#include "pq/connection.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::controller {

/// For each session of a launcher: to make it, and for the server to answer a call.
constexpr std::chrono::seconds connect_timeout{5};
constexpr std::chrono::seconds call_timeout{15};

class Boot {
  public:
    /// What is told of the database: something was committed about the run with this digest (pq::run_digest), or,
    /// without one, anything may have been: the session is new.
    using Heard = std::function<void(std::optional<std::string_view> digest)>;

    Boot(boost::asio::any_io_executor executor, std::string conninfo, std::string controller_id);

    /// Connects, boots and listens. Throws pq::Error.
    boost::asio::awaitable<void> begin();

    /// Keeps the session, for ever. After begin(). Each time that it had to begin a new boot it calls `renewed` before
    /// it says that anything may have happened.
    boost::asio::awaitable<void> keep(Heard heard, std::function<boost::asio::awaitable<void>()> renewed);

    /// Lets another session of this process act for the boot, and prove with it that it lives. If the boot is dead by
    /// now the session acts for nobody: what it still says of a run is kept as evidence.
    boost::asio::awaitable<void> join(pq::Connection& connection) const;

    const std::string& conninfo() const noexcept { return conninfo_; }

  private:
    boost::asio::awaitable<void> boot();
    boost::asio::awaitable<bool> rejoin();
    boost::asio::awaitable<void> restore(const std::function<boost::asio::awaitable<void>()>& renewed);

    boost::asio::any_io_executor executor_;
    std::string conninfo_;
    std::string controller_id_;
    std::string epoch_; ///< empty before the first boot
    pq::Connection session_;
};

} // namespace pdpp::controller
