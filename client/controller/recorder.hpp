#pragma once
// What a launcher tells the database, over a few connections that act for its boot. One that is lost is replaced.
//
// A run is never forgotten while its launcher lives, since the database waits for it as long: a start, and above all an
// ending, is repeated until the database has answered, whatever it says meanwhile. A run that is given up is ended by
// the guard, and to that end the launcher must end as well.

#include "controller/boot.hpp"
#include "controller/connector_output.hpp"
#include "controller/ending.hpp"
#include "pq/pool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
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
    /// Told how many endings the database has not taken yet, whenever that changes.
    using Waiting = std::function<void(std::size_t endings)>;

    /// `boot` has begun and outlives this. Connections are made when they are needed, `connections` at most, and a few
    /// more for what has to be repeated.
    Recorder(boost::asio::any_io_executor executor, const Boot& boot, std::size_t connections, Waiting waiting = {});

    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;
    /// What still waits is told of no more.
    ~Recorder();

    /// The boot is another one by now: connections that act for the old one are used no more.
    void renew();

    /// Everything below throws pq::Error.

    /// What this boot can launch: the JSON array of pdpp_controller_offer.
    boost::asio::awaitable<void> offer(std::string connections);

    /// How long a run may wait for its start; nothing if the database does not say.
    boost::asio::awaitable<std::optional<std::chrono::milliseconds>> launch_deadline();

    /// Takes up to so many admitted runs of connections that are offered, oldest first: fewer if there are no more, or
    /// the database gives one at a time.
    boost::asio::awaitable<std::vector<AdmittedRun>> claim(std::size_t most);

    /// The status body of a run.
    boost::asio::awaitable<std::string> status(std::string run_id);

    /// Admits a run and claims it in the same transaction, so that no other controller can come between. Without a
    /// connection the connector's own id is the connection. When this throws, no handle was handed out, unless the kind
    /// is `in_doubt`: then the message names the run whose fate could not be learned.
    boost::asio::awaitable<AdmittedRun> admit(std::string connector_id,
                                              std::optional<std::string> connector_instance_id);

    /// Writes `run.started`, once, however often the connection breaks over it and for as long as that takes; gives the
    /// answer. `timeout` is how long the run may take then, at most, for a database that knows of such a thing. Throws
    /// if the run has ended or was started by others, and if the database refuses several times for another reason than
    /// its own state.
    boost::asio::awaitable<std::string> started(AdmittedRun run, std::optional<std::chrono::milliseconds> timeout);

    /// Says that the run goes on for so long, if need be.
    boost::asio::awaitable<void> extend(std::string run_id, std::chrono::milliseconds timeout);

    /// Writes `run.progress_reported`, once, over a new connection if the last one broke. Given the same `event_id`
    /// again it is not written twice.
    boost::asio::awaitable<void> progress(std::string run_id, Progress progress, std::string event_id);

    /// Settles the run, and gives the status that stands afterwards. Repeated until the database answers, whatever is
    /// wrong with it, and always with the same event id, so that it is written once. Evidence that is refused for what
    /// it is gives way to less. Throws only `not_found`: the database does not know the run.
    boost::asio::awaitable<std::string> settle(AdmittedRun run, Ending ending);

    /// Ends the run as `launch_failed`, and gives the status that stands afterwards. Repeated as settle() is, and with
    /// less of the message where that is refused; the function is safe to call twice.
    boost::asio::awaitable<std::string> launch_failed(AdmittedRun run, std::string message);

    /// Endings that the database did not take at the first attempt, and has not since.
    [[nodiscard]] std::size_t endings_waiting() const noexcept;

  private:
    struct Report;
    struct Count;
    class Wait;

    boost::asio::awaitable<std::string> call(std::string_view function, std::vector<pq::Argument> arguments,
                                             pq::Effect effect = pq::Effect::writes);
    boost::asio::awaitable<std::string> insist(Report report);
    boost::asio::awaitable<std::string> attempt(const Report& report, int attempts);
    boost::asio::awaitable<std::vector<AdmittedRun>> claim_several(std::size_t most);
    boost::asio::awaitable<std::vector<AdmittedRun>> claim_one();
    static boost::asio::awaitable<void> prepare(const Boot& boot, pq::Connection& connection);
    static Report launch_failure(AdmittedRun run, std::string message);
    static boost::asio::awaitable<AdmittedRun> propose(pq::Connection& connection, std::string connector_id,
                                                       std::optional<std::string> connector_instance_id);
    boost::asio::awaitable<std::optional<std::string>> look_up_lost_commit(AdmittedRun run);

    boost::asio::any_io_executor executor_;
    pq::PoolOptions options_;
    pq::PoolOptions repeating_options_;
    pq::Pool pool_;
    pq::Pool repeating_; ///< for what was tried before: it must not keep anything else from being recorded
    std::shared_ptr<Count> waiting_;
    bool claims_several_ = true; ///< until this boot's database turns out to be older, or not to allow it
};

} // namespace pdpp::controller
