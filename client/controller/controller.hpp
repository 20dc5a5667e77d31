#pragma once
// The controller: claims the admitted runs of the connections it offers, launches several at once, and sees each to its
// ending. It acts when the database says that something was committed; a slow round over everything covers what was
// never said (`pdpp.notify` off, a connection that was away).

#include "controller/boot.hpp"
#include "controller/connections_file.hpp"
#include "controller/launch.hpp"
#include "controller/recorder.hpp"
#include "pq/error.hpp"
#include "pq/wake.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::controller {

struct ControllerOptions {
    std::size_t parallel = 8; ///< runs at once
    bool show_output = false; ///< what connectors print goes to the log
    /// How long runs may go on once the controller drains.
    std::chrono::milliseconds drain_limit = std::chrono::minutes(1);
    Recorder::Waiting endings_waiting = {};
};

class Controller {
  public:
    /// `boot` has begun and outlives this.
    Controller(const boost::asio::any_io_executor& executor, Boot& boot, Connections connections,
               const ControllerOptions& options);
    ~Controller();
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    /// Works until it has been told to drain and the last run is over. Gives the number of runs whose endings the
    /// database would not take in time: this process must end then, with all its sessions, so that the guard ends them.
    /// Throws pq::Error only if the connections could not be offered at the start.
    boost::asio::awaitable<std::size_t> work();

    /// From now on these are the connections. Runs that are under way go on as they were launched.
    void reload(Connections connections);

    /// Offers and claims nothing more; runs may go on until the limit. The second time it waits no longer and stops
    /// them, the third time it kills them.
    void drain();

  private:
    struct Active;

    boost::asio::awaitable<void> claim_runs();
    [[nodiscard]] std::size_t places() const;
    boost::asio::awaitable<std::vector<AdmittedRun>> claim(std::size_t most);
    bool doubt_boot_after(const pq::Error& error);
    void take_on(AdmittedRun run);
    boost::asio::awaitable<void> see_through(std::shared_ptr<Active> active);
    boost::asio::awaitable<void> fail(AdmittedRun run, std::string message);

    boost::asio::awaitable<void> keep_boot();
    boost::asio::awaitable<void> look_at_runs();
    boost::asio::awaitable<void> look_at(std::string digest);
    boost::asio::awaitable<void> go_round();
    boost::asio::awaitable<void> keep_offering();
    boost::asio::awaitable<void> try_to_offer();
    boost::asio::awaitable<void> until_drained();
    boost::asio::awaitable<void> see_the_last_off(const bool& is_withdrawn);
    void stop_runs();
    [[nodiscard]] bool is_over() const;
    void give_up() const;
    void hear(std::optional<std::string_view> digest);

    boost::asio::any_io_executor executor_;
    Boot& boot_;
    Connections connections_;
    const ControllerOptions options_;
    Recorder recorder_;

    std::map<std::string, std::shared_ptr<Active>, std::less<>> active_; ///< by the run's digest
    std::list<AdmittedRun> refused_; ///< runs of connections that are not there any more, until that is recorded
    std::size_t busy_ = 0;           ///< runs between claim and ending, those that are being refused among them
    std::set<std::string> unseen_;   ///< digests of active runs about which something was committed
    bool claiming_ = false;
    bool has_offered_ = false;                                ///< once, at least
    std::set<std::string, std::less<>> heard_while_claiming_; ///< one of these may turn out to be ours
    int drain_requests_ = 0;

    pq::Wake claim_;   ///< there may be something to claim
    pq::Wake look_;    ///< something is unseen
    pq::Wake offer_;   ///< the offer has to be made again
    pq::Wake drained_; ///< something about draining has changed
};

} // namespace pdpp::controller
