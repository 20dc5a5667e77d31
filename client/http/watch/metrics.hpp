#pragma once
// What the gateway counts, in the text format of Prometheus. No label holds what a client chooses: routes go by their
// pattern, runs not at all, so the number of series is bounded by the program. docs/operating/gateway.md lists them.
// Each thread that serves counts for itself; who scrapes gets the sums.

#include <boost/beast/http/verb.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace pdpp::http {

/// What there is once in a process. For the thread that owns it.
class ProcessMetrics {
  public:
    /// So many threads serve.
    explicit ProcessMetrics(std::size_t threads);
    ProcessMetrics(const ProcessMetrics&) = delete;
    ProcessMetrics& operator=(const ProcessMetrics&) = delete;
    ~ProcessMetrics();

    /// So many more runs have ended with this status, for this reason (empty: none given). Reasons are whatever
    /// launchers write: those that the program does not know count as `other`.
    void ended(std::string_view status, std::string_view reason, std::uint64_t count);
    /// A run was abandoned so many seconds after its controller was first seen gone.
    void detected(double seconds);

    /// How full the server's queue of notifications is, from 0 to 1.
    void set_notification_queue_usage(double usage);

  private:
    friend std::string metrics_text(ProcessMetrics& process, std::span<class Metrics* const> threads);

    struct Families;

    std::unique_ptr<Families> families_;
};

/// What a thread counts. For that thread, but for what `metrics_text` reads.
class Metrics {
  public:
    using Count = std::shared_ptr<std::atomic<std::size_t>>;

    /// Counts one more of something for as long as it lives, on whichever thread; it may outlive the metrics.
    class [[nodiscard]] Held {
      public:
        explicit Held(Count count) noexcept : count_(std::move(count)) {
            count_->fetch_add(1, std::memory_order_relaxed);
        }
        Held(Held&&) noexcept = default;
        Held& operator=(Held&&) = delete;
        ~Held() {
            if (count_) {
                count_->fetch_sub(1, std::memory_order_relaxed);
            }
        }

      private:
        Count count_;
    };

    Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;
    ~Metrics();

    /// A request was answered; `route` is the pattern that matched (its text must live as long as the program), or
    /// `none`.
    void answered(std::string_view route, boost::beast::http::verb method, unsigned status,
                  std::chrono::duration<double> time);

    /// A handle was resolved to this status, wherever it came from.
    void resolved(std::string_view run_status);
    /// A run id was asked for that was never handed out.
    void unknown_run();
    /// A run was admitted: its acknowledgement is on its way.
    void admitted();

    /// Whether a body was found in the memory cache.
    void looked_in_cache(bool is_hit);

    /// A request that waits for a run to change.
    Held waiter() { return Held(waiters_); }
    /// An open stream of events.
    Held stream() { return Held(streams_); }
    /// An open connection of a client.
    Held connection() { return Held(connections_); }
    /// A client was turned away because there are too many connections.
    void turned_away();
    /// One that nobody knows had to give up its place to another.
    void gave_way();

    /// The pool's connections as of now: all that are open, those that somebody uses, and the requests in its queue.
    void set_pool(std::size_t open, std::size_t busy, std::size_t waiting);

  private:
    friend std::string metrics_text(ProcessMetrics& process, std::span<Metrics* const> threads);

    struct Families;

    std::unique_ptr<Families> families_;
    Count waiters_ = std::make_shared<std::atomic<std::size_t>>(0);
    Count streams_ = std::make_shared<std::atomic<std::size_t>>(0);
    Count connections_ = std::make_shared<std::atomic<std::size_t>>(0);
};

/// All of it, what several threads count added up, in the text exposition format 0.0.4. The threads may go on
/// meanwhile.
std::string metrics_text(ProcessMetrics& process, std::span<Metrics* const> threads);

} // namespace pdpp::http
