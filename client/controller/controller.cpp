#include "controller/controller.hpp"

#include "controller/output_log.hpp"
#include "log/log.hpp"
#include "pq/body.hpp"
#include "pq/error.hpp"
#include "pq/first_of.hpp"
#include "pq/run_channel.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

namespace pdpp::controller {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// How often everything is looked at although nothing was heard.
constexpr auto round_pause = 5s;
/// After a failure of the database.
constexpr auto retry_pause = 1s;
/// How long the database is given for the last endings, once a drain has taken too long and no process is left.
constexpr auto last_endings = 5s;
constexpr auto overdue_pause = 200ms;
/// More would only wait for each other's commits.
constexpr std::size_t most_connections = 4;
/// Beside the runs that have processes. What is claimed beyond them could not be told to the database either.
constexpr std::size_t most_endings_waiting = 1000;
/// Whoever may connect to the database may send hints of any length. Beyond that many, each run that is claimed is
/// looked at as if it had been heard of.
constexpr std::size_t most_heard = 1000;

void log_ending(const AdmittedRun& run, const std::string& body) {
    if (log::is_on(log::Level::info)) {
        log::write(log::Level::info, "ended",
                   {{"run_id", run.run_id},
                    {"trace_id", run.trace_id},
                    {"connector_id", run.connector_id},
                    {"connector_instance_id", run.connector_instance_id},
                    {"status", pq::string_in(body, "status")},
                    {"reason", pq::string_in(body, "terminal_reason")}});
    }
}

void log_unrecorded(const AdmittedRun& run, std::string_view message) {
    log::write(log::Level::error, "ending not recorded",
               {{"run_id", run.run_id},
                {"trace_id", run.trace_id},
                {"connector_id", run.connector_id},
                {"connector_instance_id", run.connector_instance_id}},
               log::because(message));
}

} // namespace

/// A run between its claim and its ending.
struct Controller::Active {
    Active(const asio::any_io_executor& executor, Recorder& recorder, AdmittedRun admitted,
           const ConnectionSetup& setup, bool show_output)
        : run(std::move(admitted)), output(run.run_id, "stdout", show_output),
          errors(run.run_id, "stderr", show_output),
          launch(executor, recorder, run, setup.command, setup.limits, output, errors) {}

    AdmittedRun run;
    OutputLog output;
    OutputLog errors;
    Launch launch;
};

Controller::Controller(const asio::any_io_executor& executor, Boot& boot, Connections connections,
                       const ControllerOptions& options)
    : executor_(executor), boot_(boot), connections_(std::move(connections)), options_(options),
      recorder_(executor, boot, std::min(options.parallel, most_connections),
                [this](std::size_t endings) {
                    claim_.up();
                    if (options_.endings_waiting) {
                        options_.endings_waiting(endings);
                    }
                }),
      claim_(executor), look_(executor), offer_(executor), drained_(executor) {}

Controller::~Controller() = default;

asio::awaitable<std::size_t> Controller::work() {
    offer_.up();
    co_await pq::first_of(until_drained(),
                          pq::first_of(pq::first_of(keep_boot(), go_round()),
                                       pq::first_of(keep_offering(), pq::first_of(claim_runs(), look_at_runs()))));
    co_return busy_;
}

// ---- runs -----------------------------------------------------------------------------------------------------------

asio::awaitable<void> Controller::claim_runs() {
    for (;;) {
        const auto most = drain_requests_ == 0 ? places() : 0;
        if (most > 0) {
            auto runs = co_await claim(most);
            for (auto& run : runs) {
                take_on(std::move(run));
            }
            if (!runs.empty()) {
                continue;
            }
        }
        co_await claim_.wait();
    }
}

/// For so many more runs. Those whose endings the database does not take just now hold no place: they may wait for
/// long.
std::size_t Controller::places() const {
    const auto places = options_.parallel + std::min(recorder_.endings_waiting(), most_endings_waiting);
    return places - std::min(busy_, places);
}

asio::awaitable<std::vector<AdmittedRun>> Controller::claim(std::size_t most) {
    claiming_ = true;
    heard_while_claiming_.clear();
    std::vector<AdmittedRun> runs;
    bool failed = false;
    try {
        runs = co_await recorder_.claim(most);
    } catch (const pq::Error& error) {
        log::write(log::Level::warning, "cannot claim: {}", error.what());
        doubt_boot_after(error);
        failed = true;
    }
    claiming_ = false;
    drained_.up();
    if (failed) {
        asio::steady_timer pause(executor_, retry_pause);
        co_await pause.async_wait(asio::use_awaitable);
        claim_.up();
    }
    co_return runs;
}

/// Declared dead, or gone with the extension, while its session lives. Whether that is what the error says.
bool Controller::doubt_boot_after(const pq::Error& error) {
    const auto refusal = pq::typed_refusal(error);
    const bool is_lost = refusal && (refusal->code == "boot_lost" || refusal->code == "not_booted");
    if (is_lost) {
        boot_.doubt();
    }
    return is_lost;
}

/// From here on the run ends in one way or another.
void Controller::take_on(AdmittedRun run) {
    ++busy_;
    const auto digest = pq::run_digest(run.run_id);
    const auto setup = connections_.find(run.connector_instance_id);
    std::string trouble = "connection " + run.connector_instance_id + " is not among this controller's any more";
    if (setup != connections_.end()) {
        try {
            auto active = std::make_shared<Active>(executor_, recorder_, run, setup->second, options_.show_output);
            active_.insert_or_assign(digest, active);
            if (heard_while_claiming_.contains(digest) || heard_while_claiming_.size() == most_heard) {
                unseen_.insert(digest);
                look_.up();
            }
            asio::co_spawn(executor_, see_through(std::move(active)), asio::detached);
            return;
        } catch (const std::exception& error) {
            active_.erase(digest);
            trouble = error.what();
        }
    }
    asio::co_spawn(executor_, fail(std::move(run), std::move(trouble)), asio::detached);
}

asio::awaitable<void> Controller::see_through(std::shared_ptr<Active> active) {
    const auto& run = active->run;
    log::write(log::Level::info, "launching",
               {{"run_id", run.run_id},
                {"trace_id", run.trace_id},
                {"connector_id", run.connector_id},
                {"connector_instance_id", run.connector_instance_id}});
    try {
        const auto body = co_await active->launch.execute();
        log_ending(run, body);
    } catch (const std::exception& error) {
        log_unrecorded(run, error.what());
    }
    active_.erase(pq::run_digest(run.run_id));
    --busy_;
    claim_.up();
    drained_.up();
}

asio::awaitable<void> Controller::fail(AdmittedRun run, std::string message) {
    const auto place = refused_.insert(refused_.end(), run);
    try {
        co_await report_launch_failure(recorder_, run, std::move(message));
    } catch (const std::exception& error) {
        log_unrecorded(run, error.what());
    }
    refused_.erase(place);
    --busy_;
    claim_.up();
    drained_.up();
}

// ---- what the database says -----------------------------------------------------------------------------------------

asio::awaitable<void> Controller::keep_boot() {
    const auto heard = [this](std::optional<std::string_view> digest) { hear(digest); };
    const auto renewed = [this]() -> asio::awaitable<void> {
        recorder_.renew();
        offer_.up();
        co_return;
    };
    co_await boot_.keep(heard, renewed);
}

void Controller::hear(std::optional<std::string_view> digest) {
    if (!digest) {
        for (const auto& [known, ignored] : active_) {
            unseen_.insert(known);
        }
    } else if (active_.contains(*digest)) {
        unseen_.emplace(*digest);
    } else if (claiming_ && heard_while_claiming_.size() < most_heard) {
        heard_while_claiming_.emplace(*digest);
    }
    look_.up();
    claim_.up();
}

asio::awaitable<void> Controller::look_at_runs() {
    for (;;) {
        co_await look_.wait();
        while (!unseen_.empty()) {
            auto digest = std::move(unseen_.extract(unseen_.begin()).value());
            co_await look_at(std::move(digest));
        }
    }
}

asio::awaitable<void> Controller::look_at(std::string digest) {
    const auto found = active_.find(digest);
    if (found == active_.end()) {
        co_return;
    }
    const auto active = found->second;
    try {
        co_await active->launch.look();
    } catch (const std::exception& error) { // the next round looks again
        log::write(log::Level::warning, "cannot look at a run", {{"run_id", active->run.run_id}},
                   log::because(error.what()));
    }
}

asio::awaitable<void> Controller::go_round() {
    asio::steady_timer timer(executor_);
    for (;;) {
        timer.expires_after(round_pause);
        co_await timer.async_wait(asio::use_awaitable);
        hear(std::nullopt);
    }
}

// ---- what is told to the database and by the operator ---------------------------------------------------------------

asio::awaitable<void> Controller::keep_offering() {
    for (;;) {
        co_await offer_.wait();
        if (drain_requests_ == 0) {
            co_await try_to_offer();
        }
    }
}

asio::awaitable<void> Controller::try_to_offer() {
    bool failed = false;
    try {
        const auto count = connections_.size();
        const auto to_launch = co_await recorder_.launch_deadline();
        co_await recorder_.offer(offer_of(connections_, to_launch.value_or(0ms)));
        log::write(log::Level::info, "offering", {{"connections", count}, {"parallel", options_.parallel}});
        has_offered_ = true;
        claim_.up();
    } catch (const pq::Error& error) {
        const bool is_boot_lost = doubt_boot_after(error);
        if (!has_offered_ && !is_boot_lost && !pq::is_passing(error)) { // it would never do anything
            throw;
        }
        log::write(log::Level::warning, "cannot offer the connections: {}", error.what());
        failed = true;
    }
    if (failed) {
        co_await offer_.wait(pq::Wake::Clock::now() + retry_pause);
        offer_.up();
    }
}

void Controller::reload(Connections connections) {
    connections_ = std::move(connections);
    offer_.up();
}

void Controller::drain() {
    ++drain_requests_;
    drained_.up();
}

asio::awaitable<void> Controller::until_drained() {
    while (drain_requests_ == 0) {
        co_await drained_.wait();
    }
    log::write(log::Level::info, "draining",
               {{"runs", busy_}, {"limit", fmt::format("{}ms", options_.drain_limit.count())}});
    bool is_withdrawn = false;
    const auto withdraw = [&]() -> asio::awaitable<void> {
        try {
            co_await recorder_.offer("[]");
        } catch (const pq::Error& error) { // nobody claims for a boot that is gone
            log::write(log::Level::warning, "cannot withdraw the offer: {}", error.what());
        }
        is_withdrawn = true;
        drained_.up();
        asio::steady_timer for_good(executor_, asio::steady_timer::time_point::max());
        co_await for_good.async_wait(asio::use_awaitable);
    };
    co_await pq::first_of(withdraw(), see_the_last_off(is_withdrawn));
}

/// Waits until no run is left, and the offer is withdrawn; hurries them once the drain has taken long, or a second
/// signal has come, and gives up what cannot be recorded.
asio::awaitable<void> Controller::see_the_last_off(const bool& is_withdrawn) {
    const auto limit = pq::Wake::Clock::now() + options_.drain_limit;
    auto last_try = pq::Wake::Clock::time_point::max();
    const auto is_hurried = [&] { return drain_requests_ >= 2 || pq::Wake::Clock::now() >= limit; };
    while (busy_ > 0 || claiming_ || (!is_withdrawn && !is_hurried())) {
        const auto now = pq::Wake::Clock::now();
        if (!is_hurried()) {
            co_await drained_.wait(limit);
            continue;
        }
        stop_runs();
        if (is_over()) {
            last_try = std::min(last_try, now + last_endings);
        }
        if (now >= last_try) {
            give_up();
            co_return;
        }
        co_await drained_.wait(now + overdue_pause);
    }
    log::write(log::Level::info, "drained");
}

/// No process is left.
bool Controller::is_over() const {
    return !claiming_ && std::ranges::all_of(active_, [](const auto& entry) { return entry.second->launch.is_over(); });
}

void Controller::give_up() const {
    constexpr auto why = "the drain is over; the guard ends the run when this process is gone";
    for (const auto& [digest, active] : active_) {
        log_unrecorded(active->run, why);
    }
    for (const auto& run : refused_) {
        log_unrecorded(run, why);
    }
    log::write(log::Level::error, "drained but for {} endings that could not be recorded", busy_);
}

void Controller::stop_runs() {
    for (const auto& [digest, active] : active_) {
        active->launch.stop(StopReason::drained);
        if (drain_requests_ > 2) {
            active->launch.hurry();
        }
    }
}

} // namespace pdpp::controller
