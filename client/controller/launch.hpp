#pragma once
// The whole of one run, from its acknowledgement to its ending: start the process, record that it started, follow it,
// settle. Whatever goes wrong before `run.started` stands ends in the launch guard. Nothing here waits for anything
// outside the event loop, so one process can follow many runs.

#include "controller/ending.hpp"
#include "controller/mirror.hpp"
#include "controller/process.hpp"
#include "controller/progress_queue.hpp"
#include "controller/recorder.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::controller {

struct Limits {
    std::optional<std::chrono::milliseconds> time;             ///< from run.started; nothing: as long as it takes
    std::chrono::milliseconds grace{std::chrono::seconds(10)}; ///< between SIGTERM and SIGKILL
};

class Launch {
  public:
    /// `output` and `errors` get what the connector prints, as it is; they and `recorder` must outlive this.
    Launch(const boost::asio::any_io_executor& executor, Recorder& recorder, AdmittedRun run, Command command,
           Limits limits, Mirror& output, Mirror& errors);

    /// Gives the status that stands when the run is over, as PostgreSQL prints it. Throws pq::Error only if the ending
    /// could not be recorded; then the database ends the run by itself. Once per object.
    boost::asio::awaitable<std::string> execute();

    /// The owner wants the run to end: first SIGTERM, then SIGKILL after the grace or when asked once more.
    void interrupt();

  private:
    boost::asio::awaitable<std::string> give_up(std::string reason);
    boost::asio::awaitable<Ending> follow(Process process);
    boost::asio::awaitable<void> supervise(Process& process);
    boost::asio::awaitable<void> read_to_end(Process& process);
    boost::asio::awaitable<void> wait_for_last_words(Process& process);
    boost::asio::awaitable<void> enforce_limits(Process& process);
    boost::asio::awaitable<void> stop_due();
    boost::asio::awaitable<void> pump(boost::asio::readable_pipe& source, Mirror& mirror,
                                      std::function<void(std::string_view)> use);
    boost::asio::awaitable<void> record_progress();
    boost::asio::awaitable<bool> record(Progress progress);
    boost::asio::awaitable<void> sleep_until(ProgressQueue::Clock::time_point time);
    void hear(std::string_view line);

    Recorder& recorder_;
    const AdmittedRun run_;
    Command command_;
    const Limits limits_;
    Mirror& output_;
    Mirror& errors_;

    Observed observed_;
    LineSplitter lines_;
    ProgressQueue progress_;
    bool over_ = false;               ///< the process has ended and been reaped
    int interrupts_ = 0;              ///< how often interrupt() was called
    boost::asio::steady_timer stop_;  ///< expires when the run must stop; cancelled by interrupt()
    boost::asio::steady_timer heard_; ///< cancelled when there is progress to record, and when the run is over
};

} // namespace pdpp::controller
