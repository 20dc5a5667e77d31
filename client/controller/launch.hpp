#pragma once
// The whole of one run, from its acknowledgement to its ending: start the process, record that it started, follow it,
// settle. Whatever goes wrong before `run.started` stands ends in the launch guard. Nothing here waits for anything
// outside the event loop, so one process can follow many runs.

#include "controller/deadline.hpp"
#include "controller/ending.hpp"
#include "controller/message_reader.hpp"
#include "controller/output.hpp"
#include "controller/process.hpp"
#include "controller/progress_queue.hpp"
#include "controller/recorder.hpp"
#include "pq/wake.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::controller {

struct Limits {
    std::optional<std::chrono::milliseconds> time;             ///< of its process; nothing: as long as it takes
    std::chrono::milliseconds grace{std::chrono::seconds(10)}; ///< between SIGTERM and SIGKILL

    /// From the first SIGTERM to the ending on record.
    [[nodiscard]] std::chrono::milliseconds to_end() const { return grace + std::chrono::seconds(5); }
    /// What the database is told about the run, for the case that this process does not enforce its limit: all of it.
    [[nodiscard]] std::optional<std::chrono::milliseconds> of_run() const {
        return time ? std::optional{*time + to_end()} : std::nullopt;
    }
};

/// The launch guard's catch path: one log line that names the run, and the run ends as `launch_failed`. Gives the
/// status that stands afterwards. Throws as Recorder::launch_failed().
boost::asio::awaitable<std::string> report_launch_failure(Recorder& recorder, const AdmittedRun& run,
                                                          std::string message);

class Launch {
  public:
    /// `output` and `errors` get what the connector prints, as it is; they and `recorder` must outlive this.
    Launch(const boost::asio::any_io_executor& executor, Recorder& recorder, AdmittedRun run, Command command,
           Limits limits, Output& output, Output& errors);

    /// Gives the status that stands when the run is over, as PostgreSQL prints it. Throws as Recorder::settle(): as
    /// long as the database does not take the ending, this does not return. Once per object.
    boost::asio::awaitable<std::string> execute();

    /// No process of it is left: at most its ending is still to be recorded.
    [[nodiscard]] bool is_over() const noexcept { return over_; }

    /// Ends the run: SIGTERM, and SIGKILL after the grace; or no process at all, if there is none yet. The first reason
    /// stands, whatever comes later. A process whose run has ended (StopReason::run_ended) is killed at once: the next
    /// run of its connection may already be there.
    void stop(StopReason reason);

    /// Asks the database whether the run is wanted no more: its owner asked for its end, or somebody else ended it;
    /// then it is stopped. Or whether it has been given another time. Throws pq::Error.
    boost::asio::awaitable<void> look();

    /// What is to be stopped is killed without waiting for the rest of the grace.
    void hurry();

  private:
    boost::asio::awaitable<Ending> follow(Process process);
    boost::asio::awaitable<void> supervise(Process& process);
    boost::asio::awaitable<void> read_to_end(Process& process);
    boost::asio::awaitable<void> wait_for_last_words(Process& process);
    boost::asio::awaitable<void> enforce_limits(Process& process);
    boost::asio::awaitable<void> ask_for_grace(std::string_view status);
    boost::asio::awaitable<void> pump(boost::asio::readable_pipe& source, Output& output,
                                      std::function<void(std::string_view)> use);
    boost::asio::awaitable<void> record_life();
    boost::asio::awaitable<bool> record_start();
    boost::asio::awaitable<void> record_progress();
    boost::asio::awaitable<bool> record(Progress progress);
    void hear(ConnectorMessage message);
    void hear_unreadable(Unreadable message);

    Recorder& recorder_;
    const AdmittedRun run_;
    Command command_;
    const Limits limits_;
    Output& output_;
    Output& errors_;

    Observed observed_;
    MessageReader reader_;
    ProgressQueue progress_;
    bool over_ = false;          ///< the process has ended and been reaped, or there is none
    std::string launch_trouble_; ///< why there was no launch, or none that could be recorded
    std::optional<StopReason> stop_reason_;
    bool hurried_ = false;
    Deadline deadline_;
    pq::Wake stop_;  ///< by stop() and hurry(), and when the deadline is another
    pq::Wake heard_; ///< there is progress to record, or the run is over
};

} // namespace pdpp::controller
