#pragma once
// What a launcher tells the database, over a few connections that act for its boot. One that is lost is replaced.

#include "controller/boot.hpp"
#include "controller/connector_output.hpp"
#include "controller/ending.hpp"
#include "pq/pool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::controller {

/// A run that was handed out and is ours to launch.
struct AdmittedRun {
    std::string run_id;
    std::string connector_id;
    std::string connector_instance_id;
    std::string trace_id;
    std::string acknowledgement; ///< the `run_ack` object as PostgreSQL prints it; empty if others handed it out
    /// The status body, if the connection was lost at COMMIT: the run was admitted, but with its launcher's proof of
    /// life gone it was ended as `launch_failed` instead of being launched.
    std::optional<std::string> ended;
};

class Recorder {
  public:
    /// `boot` has begun and outlives this. Connections are made when they are needed, `connections` at most.
    Recorder(boost::asio::any_io_executor executor, const Boot& boot, std::size_t connections);

    /// The boot is another one by now: connections that act for the old one are used no more.
    void renew();

    /// Everything below throws pq::Error.

    /// What this boot can launch: the JSON array of pdpp_controller_offer.
    boost::asio::awaitable<void> offer(std::string connections);

    /// Takes one admitted run of a connection that is offered, if there is one.
    boost::asio::awaitable<std::optional<AdmittedRun>> claim();

    /// The status body of a run.
    boost::asio::awaitable<std::string> status(std::string run_id);

    /// Admits a run and claims it in the same transaction, so that no other controller can come between. Without a
    /// connection the connector's own id is the connection. When this throws, no handle was handed out, unless the kind
    /// is `in_doubt`: then the message names the run whose fate could not be learned.
    boost::asio::awaitable<AdmittedRun> admit(std::string connector_id,
                                              std::optional<std::string> connector_instance_id);

    /// Writes `run.started`, once, however often the connection breaks over it: repeated as settle() is.
    boost::asio::awaitable<void> started(std::string run_id);

    /// Writes `run.progress_reported`, once, over a new connection if the last one broke. Given the same `event_id`
    /// again it is not written twice.
    boost::asio::awaitable<void> progress(std::string run_id, Progress progress, std::string event_id);

    /// Settles the run, and gives the status that stands afterwards. Repeated for a minute over lost connections and
    /// passing troubles of the server, always with the same event id, so that it is written once.
    boost::asio::awaitable<std::string> settle(std::string run_id, Ending ending);

    /// Ends the run as `launch_failed`, and gives the status that stands afterwards. Repeated as settle() is; the
    /// function is safe to call twice.
    boost::asio::awaitable<std::string> launch_failed(std::string run_id, std::string message);

  private:
    boost::asio::awaitable<std::string> call(std::string_view function, std::vector<pq::Argument> arguments,
                                             pq::Effect effect = pq::Effect::writes);
    boost::asio::awaitable<std::string> insist(std::string_view function, std::vector<pq::Argument> arguments);
    static boost::asio::awaitable<AdmittedRun> propose(pq::Connection& connection, std::string connector_id,
                                                       std::optional<std::string> connector_instance_id);
    boost::asio::awaitable<std::optional<std::string>> look_up_lost_commit(std::string run_id);

    boost::asio::any_io_executor executor_;
    pq::PoolOptions options_;
    pq::Pool pool_;
};

} // namespace pdpp::controller
