#include "controller/launch.hpp"

#include "controller/trace.hpp"
#include "log/log.hpp"
#include "pq/body.hpp"
#include "pq/first_of.hpp"
#include "pq/random.hpp"
#include "text/text.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>
#include <variant>
#include <vector>

namespace pdpp::controller {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

namespace {

/// How long the rest of a connector's output is waited for when the connector itself has ended: a descendant that holds
/// the pipe open must not hold the run.
constexpr auto last_words = 2s;
constexpr auto reconnect_pause = 1s;
constexpr std::size_t launch_message_limit = 2000;

} // namespace

asio::awaitable<std::string> report_launch_failure(Recorder& recorder, const AdmittedRun& run, std::string message) {
    message = storable(message, launch_message_limit);
    log::write(log::Level::warning, "launch failed",
               {{"run_id", run.run_id},
                {"trace_id", run.trace_id},
                {"connector_id", run.connector_id},
                {"connector_instance_id", run.connector_instance_id}},
               log::because(message));
    co_return co_await recorder.launch_failed(run, std::move(message));
}

Launch::Launch(const asio::any_io_executor& executor, Recorder& recorder, AdmittedRun run, Command command,
               Limits limits, Output& output, Output& errors)
    : recorder_(recorder), run_(std::move(run)), command_(std::move(command)), limits_(limits), output_(output),
      errors_(errors), stop_(executor), heard_(executor) {
    observed_.time_limit = limits_.time;
    command_.environment.merge(run_environment(run_.run_id, run_.trace_id));
}

void Launch::stop(StopReason reason) {
    if (!stop_reason_) {
        stop_reason_ = reason;
        stop_.up();
    }
    if (reason == StopReason::run_ended) {
        hurry();
    }
}

asio::awaitable<void> Launch::look() {
    if (over_) {
        co_return;
    }
    const auto body = co_await recorder_.status(run_.run_id);
    if (pq::string_in(body, "status") != "active") {
        stop(StopReason::run_ended);
    } else if (!pq::string_in(body, "cancel_requested_at").empty()) {
        const bool is_new = !stop_reason_;
        stop(StopReason::owner_cancelled);
        if (is_new) {
            co_await ask_for_grace(body);
        }
    } else {
        deadline_.note_status(body, Deadline::Clock::now());
        stop_.up();
    }
}

/// The database gives a cancelled run some time to end. If the connector may take longer than that, it is told so.
asio::awaitable<void> Launch::ask_for_grace(std::string_view status) {
    const auto given = time_between(status, "cancel_requested_at", "deadline_at");
    if (!given || *given >= limits_.to_end()) {
        co_return;
    }
    try {
        co_await recorder_.extend(run_.run_id, limits_.to_end());
    } catch (const pq::Error& error) { // it is stopped all the same
        log::write(log::Level::warning, "cannot ask for time to stop", {{"run_id", run_.run_id}},
                   log::because(error.what()));
    }
}

void Launch::hurry() {
    if (stop_reason_) {
        hurried_ = true;
        stop_.up();
    }
}

asio::awaitable<std::string> Launch::execute() {
    Ending ending;
    if (stop_reason_) {
        observed_.stopped = stop_reason_;
        ending = ending_of(observed_);
    } else {
        std::optional<Process> process;
        try {
            auto started = co_await Process::start(command_);
            process.emplace(std::move(started));
        } catch (const std::exception& error) {
            launch_trouble_ = error.what();
        }
        if (process) {
            ending = co_await follow(std::move(*process));
        }
    }
    over_ = true;
    if (!launch_trouble_.empty()) {
        co_return co_await report_launch_failure(recorder_, run_, launch_trouble_);
    }
    co_return co_await recorder_.settle(run_, std::move(ending));
}

asio::awaitable<Ending> Launch::follow(Process process) {
    try {
        co_await (supervise(process) && record_life());
        if (process.lost_guardian() && !observed_.done && !observed_.stopped) {
            co_return controller_error("its guardian was killed, and so was the connector");
        }
        co_return ending_of(observed_);
    } catch (const std::exception& error) {
        co_return controller_error(error.what());
    }
}

/// The process is supervised meanwhile, and does not wait for the database.
asio::awaitable<void> Launch::record_life() {
    const bool has_started = co_await record_start();
    if (has_started) {
        co_await record_progress();
    }
}

/// False if the database does not want it to have started: then the process is killed.
asio::awaitable<bool> Launch::record_start() {
    try {
        const auto body = co_await recorder_.started(run_, limits_.of_run());
        deadline_.note_start(body, Deadline::Clock::now());
        stop_.up();
        co_return true;
    } catch (const pq::Error& error) {
        launch_trouble_ = std::string("cannot record run.started: ") + error.what();
    }
    stop(StopReason::run_ended);
    co_return false;
}

asio::awaitable<void> Launch::supervise(Process& process) {
    co_await pq::first_of(read_to_end(process), enforce_limits(process));
    reader_.finish([this](ConnectorMessage message) { hear(std::move(message)); });
    observed_.exit = co_await process.finish();
    if (process.left_behind() > 0) {
        log::write(log::Level::warning, "could not kill all processes",
                   {{"run_id", run_.run_id}, {"left", process.left_behind()}});
    }
    over_ = true;
    heard_.up();
}

/// Ends when the process has ended and its output is read, or is no longer waited for.
asio::awaitable<void> Launch::read_to_end(Process& process) {
    const auto hear_messages = [this](std::string_view bytes) {
        reader_.feed(bytes, [this](ConnectorMessage message) { hear(std::move(message)); });
    };
    const auto ignore = [](std::string_view) {};
    co_await pq::first_of(pump(process.output(), output_, hear_messages) && pump(process.errors(), errors_, ignore),
                          wait_for_last_words(process));
    co_await process.ended();
}

asio::awaitable<void> Launch::pump(asio::readable_pipe& source, Output& output,
                                   std::function<void(std::string_view)> use) {
    std::vector<char> buffer(std::size_t{64} * 1024);
    for (;;) {
        co_await output.room();
        const auto [error, size] =
            co_await source.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
        if (error) {
            co_return;
        }
        const std::string_view bytes(buffer.data(), size);
        output.write(bytes);
        use(bytes);
    }
}

/// Once the process has ended, what remains in its pipes is little: it is read without waiting for whoever reads our
/// own output, so that a reader that has stopped does not hold up the settle.
asio::awaitable<void> Launch::wait_for_last_words(Process& process) {
    co_await process.ended();
    output_.lift_limit();
    errors_.lift_limit();
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, last_words);
    co_await timer.async_wait(asio::use_awaitable);
}

/// Stops the run when its time is up, its deadline comes near, or its owner says so. Never returns by itself: it is
/// cancelled when the process has ended.
asio::awaitable<void> Launch::enforce_limits(Process& process) {
    const auto limit = limits_.time ? pq::Wake::Clock::now() + *limits_.time : pq::Wake::Clock::time_point::max();
    const auto end = [&] { return std::min(limit, deadline_.time_to_stop(limits_.grace)); };
    while (!stop_reason_ && pq::Wake::Clock::now() < end()) {
        co_await stop_.wait(end());
    }
    if (end() < limit) {
        observed_.time_limit.reset();
    }
    stop_reason_ = stop_reason_.value_or(StopReason::timed_out);
    // A connector that has said how it ended is believed: what remains of it is only tidied away.
    if (!observed_.done && !observed_.unreadable) {
        observed_.stopped = stop_reason_;
    }
    process.signal(SIGTERM);
    process.signal(SIGCONT); // one that is suspended could not act on it

    const auto grace = pq::Wake::Clock::now() + limits_.grace;
    while (!hurried_ && pq::Wake::Clock::now() < grace) {
        co_await stop_.wait(grace);
    }
    observed_.killed = true;
    process.signal(SIGKILL);
    for (;;) {
        co_await stop_.wait();
    }
}

void Launch::hear(ConnectorMessage message) {
    if (auto* progress = std::get_if<Progress>(&message)) {
        progress_.push(std::move(*progress));
        heard_.up();
    } else if (auto* done = std::get_if<Done>(&message)) {
        observed_.done = std::move(*done);
    } else if (auto* unreadable = std::get_if<Unreadable>(&message)) {
        hear_unreadable(std::move(*unreadable));
    }
}

/// The first of each kind gets a line in the log: there may be many.
void Launch::hear_unreadable(Unreadable message) {
    const bool is_done = message.claim == Claim::done;
    if (is_done ? !observed_.unreadable : observed_.unreadable_progress == 0) {
        log::write(log::Level::warning, "connector report unreadable",
                   {{"run_id", run_.run_id},
                    {"trace_id", run_.trace_id},
                    {"connector_id", run_.connector_id},
                    {"connector_instance_id", run_.connector_instance_id}},
                   log::because(fmt::format("{}: {}", is_done ? "DONE" : "PROGRESS", message.why)));
    }
    if (is_done) {
        observed_.unreadable = std::move(message.why);
    } else {
        ++observed_.unreadable_progress;
    }
}

/// Writes what the connector reports until the run is over and nothing is left. The pace does not hold up the ending.
asio::awaitable<void> Launch::record_progress() {
    for (;;) {
        while (progress_.empty() && !over_) {
            co_await heard_.wait();
        }
        if (progress_.empty()) {
            co_return;
        }
        const auto due = progress_.due(ProgressQueue::Clock::now());
        while (!over_ && ProgressQueue::Clock::now() < due) {
            co_await heard_.wait(due);
        }
        const bool recorded = co_await record(*progress_.pop());
        if (!recorded) {
            co_return;
        }
    }
}

/// One report, tried again over lost connections and passing troubles as long as the run lasts. False if that was in
/// vain: then the settle matters more. A report that the server refuses is left out, since the run does not depend on
/// it.
asio::awaitable<bool> Launch::record(Progress progress) {
    const auto event_id = "evt_" + pq::random_hex(16);
    do {
        try {
            co_await recorder_.progress(run_.run_id, progress, event_id);
            co_return true;
        } catch (const pq::Error& error) {
            if (!pq::is_passing(error)) {
                co_return true;
            }
        }
        const auto next_try = ProgressQueue::Clock::now() + reconnect_pause;
        while (!over_ && ProgressQueue::Clock::now() < next_try) {
            co_await heard_.wait(next_try);
        }
    } while (!over_);
    co_return false;
}

} // namespace pdpp::controller
