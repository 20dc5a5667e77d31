#pragma once
// This process as the database knows it: one boot of a controller. The session that stays open here is the proof that
// it lives; it is also the one that listens. If it is lost, it is made again and rejoins its boot, and nothing has
// happened; if it stays away for longer than the database's grace, the boot is dead and a new one is begun. The session
// is with the primary, and moves when another server becomes that.

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

    Boot(boost::asio::any_io_executor executor, const std::string& conninfo, std::string controller_id);

    /// Connects, boots and listens. Throws pq::Error; `refused` if there is a pooler between that gives a session to
    /// several clients in turn, since it would be no proof of anybody's life.
    boost::asio::awaitable<void> begin();

    /// What is to be said about a pooler that was found between and goes on; empty if there is none.
    [[nodiscard]] const std::string& warning() const noexcept { return warning_; }

    /// Keeps the session, for ever. After begin(). Each time that it had to begin a new boot it calls `renewed` before
    /// it says that anything may have happened.
    boost::asio::awaitable<void> keep(Heard heard, std::function<boost::asio::awaitable<void>()> renewed);

    /// Lets another session of this process act for the boot, and prove with it that it lives. If the boot is dead by
    /// now the session acts for nobody: what it still says of a run is kept as evidence.
    boost::asio::awaitable<void> join(pq::Connection& connection) const;

    /// A call that acted for the boot was refused because it has died, though its session goes on: soon it is taken up
    /// again, or a new one begun.
    void doubt() noexcept { is_doubted_ = true; }

    /// For sessions that act for the boot: it leads to the primary.
    [[nodiscard]] const std::string& conninfo() const noexcept { return conninfo_; }

  private:
    using Renewed = std::function<boost::asio::awaitable<void>()>;

    boost::asio::awaitable<void> boot(pq::Connection& session);
    boost::asio::awaitable<bool> rejoin(pq::Connection& session) const;
    boost::asio::awaitable<void> look_for_pooler(pq::Connection& session);
    boost::asio::awaitable<void> take_up(pq::Connection& session);
    boost::asio::awaitable<void> tell_if_renewed(const Renewed& renewed);
    boost::asio::awaitable<void> restore(const Renewed& renewed);
    boost::asio::awaitable<void> listen(const Heard& heard, const Renewed& renewed);
    boost::asio::awaitable<bool> follow_primary(const Renewed& renewed);

    boost::asio::any_io_executor executor_;
    std::string conninfo_;
    std::string controller_id_;
    std::string epoch_; ///< empty before the first boot
    std::string warning_;
    bool is_searching_ = false; ///< the log knows that the server takes no writes
    bool is_renewed_ = false;   ///< nobody has been told of the boot that this is
    bool is_doubted_ = false;
    pq::Connection session_;
};

} // namespace pdpp::controller
