// Counting with prometheus-cpp.

#include "http/watch/metrics.hpp"

#include "run/event.hpp"
#include "version.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

namespace pdpp::http {

namespace prom = prometheus;
namespace beast = boost::beast;

namespace {

/// In seconds: from an answer out of memory to one that the statement timeout ends.
const prom::Histogram::BucketBoundaries buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                0.25,   0.5,   1,      2.5,   5,    10,    30,   60};

/// In seconds: the grace (5 s unless it was set) and up to one pass of the guard are usual.
const prom::Histogram::BucketBoundaries detection_buckets{0.1, 0.5, 1,  2,  4,  5,  5.5, 6,
                                                          7,   8,   10, 15, 30, 60, 300, 3600};

/// An ending that the program knows: the guard, cancellation and `pdpp run` and `pdpp controller` write these.
struct KnownEnding {
    std::string_view status;
    std::string_view reason;
};
constexpr std::string_view no_reason = "none";
constexpr std::string_view other_reason = "other";
constexpr std::array known_endings{
    KnownEnding{"completed", no_reason},
    KnownEnding{"completed", other_reason},
    KnownEnding{"failed", run::reason::launch_failed},
    KnownEnding{"failed", "connector_exit_nonzero"},
    KnownEnding{"failed", "connector_killed_by_signal"},
    KnownEnding{"failed", "connector_reported_failed"},
    KnownEnding{"failed", "connector_report_unreadable"},
    KnownEnding{"failed", "controller_error"},
    KnownEnding{"failed", run::reason::run_timed_out},
    KnownEnding{"failed", no_reason},
    KnownEnding{"failed", other_reason},
    KnownEnding{"cancelled", run::reason::owner_cancelled},
    KnownEnding{"cancelled", run::reason::owner_cancel_forced},
    KnownEnding{"cancelled", run::reason::owner_cancel_unheeded},
    KnownEnding{"cancelled", "connector_reported_cancelled"},
    KnownEnding{"cancelled", "controller_drained"},
    KnownEnding{"cancelled", no_reason},
    KnownEnding{"cancelled", other_reason},
    KnownEnding{"abandoned", run::reason::controller_terminated},
    KnownEnding{"abandoned", no_reason},
    KnownEnding{"abandoned", other_reason},
};

/// The label for a reason, whatever status it came with.
std::string_view reason_label(std::string_view reason) {
    if (reason.empty()) {
        return no_reason;
    }
    return std::ranges::count(known_endings, reason, &KnownEnding::reason) > 0 ? reason : other_reason;
}

prom::Family<prom::Counter>& counters(prom::Registry& registry, const char* name, const char* help) {
    return prom::BuildCounter().Name(name).Help(help).Register(registry);
}

prom::Family<prom::Gauge>& gauges(prom::Registry& registry, const char* name, const char* help) {
    return prom::BuildGauge().Name(name).Help(help).Register(registry);
}

/// What the kernel counts as this process's memory; 0 if it does not say.
double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double size = 0;
    double resident = 0;
    file >> size >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

} // namespace

struct ProcessMetrics::Families {
    prom::Registry registry;

    prom::Family<prom::Counter>& endings =
        counters(registry, "pdpp_run_endings_total", "Runs of the database that ended, whoever ended them.");
    prom::Histogram& detection =
        prom::BuildHistogram()
            .Name("pdpp_run_detection_seconds")
            .Help("Time from a controller being first seen gone to the ending of each of its runs.")
            .Register(registry)
            .Add({}, detection_buckets);
    prom::Gauge& notification_queue_usage =
        gauges(registry, "pdpp_notification_queue_usage",
               "How full the server's queue of notifications is, from 0 to 1, as of the last scrape that was answered.")
            .Add({});
    prom::Gauge& memory = gauges(registry, "process_resident_memory_bytes", "Resident memory size in bytes.").Add({});
};

ProcessMetrics::ProcessMetrics(std::size_t threads) : families_(std::make_unique<Families>()) {
    auto& registry = families_->registry;
    gauges(registry, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.")
        .Add({})
        .SetToCurrentTime();
    gauges(registry, "pdpp_build_info", "1, with the version of the program.")
        .Add({{"version", std::string{program_version}}})
        .Set(1);
    gauges(registry, "pdpp_threads", "Threads that serve.").Add({}).Set(static_cast<double>(threads));
    // A series that is there from the start shows its first change as one.
    for (const auto& [status, reason] : known_endings) {
        ended(status, reason, 0);
    }
}

ProcessMetrics::~ProcessMetrics() = default;

void ProcessMetrics::ended(std::string_view status, std::string_view reason, std::uint64_t count) {
    if (run::outcome_named(status)) {
        families_
            ->endings // the same counter for the same labels
            .Add({{"status", std::string{status}}, {"reason", std::string{reason_label(reason)}}})
            .Increment(static_cast<double>(count));
    }
}

void ProcessMetrics::detected(double seconds) {
    families_->detection.Observe(seconds);
}

void ProcessMetrics::set_notification_queue_usage(double usage) {
    families_->notification_queue_usage.Set(usage);
}

/// The families, and the counters that are looked up for each request.
struct Metrics::Families {
    prom::Registry registry;

    prom::Family<prom::Counter>& requests = counters(registry, "pdpp_http_requests_total", "Requests answered.");
    prom::Family<prom::Histogram>& durations = prom::BuildHistogram()
                                                   .Name("pdpp_http_request_duration_seconds")
                                                   .Help("Time from a whole request to its answer, ready to be sent.")
                                                   .Register(registry);
    prom::Family<prom::Counter>& resolutions =
        counters(registry, "pdpp_run_resolutions_total", "Handles resolved, by the status they resolved to.");
    prom::Counter& unknown_runs =
        counters(registry, "pdpp_run_unknown_total", "Requests for run ids that were never handed out.").Add({});
    prom::Counter& admissions =
        counters(registry, "pdpp_run_admissions_total", "Acknowledgements of admitted runs.").Add({});
    prom::Family<prom::Counter>& cache =
        counters(registry, "pdpp_cache_requests_total", "Lookups in the cache of endings.");
    prom::Counter& cache_hits = cache.Add({{"result", "hit"}});
    prom::Counter& cache_misses = cache.Add({{"result", "miss"}});
    prom::Family<prom::Gauge>& pool =
        gauges(registry, "pdpp_pool_connections", "Database connections of the pool that are open, and in use.");
    prom::Gauge& pool_open = pool.Add({{"state", "open"}});
    prom::Gauge& pool_busy = pool.Add({{"state", "busy"}});
    prom::Gauge& pool_waiting =
        gauges(registry, "pdpp_pool_waiting", "Requests that wait for a database connection.").Add({});
    prom::Gauge& waiters = gauges(registry, "pdpp_waiters", "Requests that wait for a run to change.").Add({});
    prom::Gauge& streams = gauges(registry, "pdpp_streams", "Open streams of events.").Add({});
    prom::Gauge& connections = gauges(registry, "pdpp_http_connections", "Open connections of clients.").Add({});
    prom::Counter& gave_way = counters(registry, "pdpp_http_connections_evicted_total",
                                       "Connections without a session that gave up their place to another.")
                                  .Add({});
    prom::Counter& turned_away =
        counters(registry, "pdpp_http_connections_refused_total", "Connections beyond --max-connections.").Add({});

    std::map<std::tuple<std::string_view, beast::http::verb, unsigned>, prom::Counter*> requests_by;
    std::map<std::string_view, prom::Histogram*> durations_by;
    std::map<std::string, prom::Counter*, std::less<>> resolutions_by;
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {
    // A series that is there from the start shows its first change as one.
    for (const auto* const status : {"active", "completed", "failed", "cancelled", "abandoned"}) {
        families_->resolutions_by.emplace(status, &families_->resolutions.Add({{"status", status}}));
    }
}

Metrics::~Metrics() = default;

void Metrics::answered(std::string_view route, beast::http::verb method, unsigned status,
                       std::chrono::duration<double> time) {
    auto*& count = families_->requests_by[{route, method, status}];
    if (count == nullptr) {
        count = &families_->requests.Add({{"route", std::string{route}},
                                          {"method", std::string{beast::http::to_string(method)}},
                                          {"status", std::to_string(status)}});
    }
    count->Increment();
    auto*& duration = families_->durations_by[route];
    if (duration == nullptr) {
        duration = &families_->durations.Add({{"route", std::string{route}}}, buckets);
    }
    duration->Observe(time.count());
}

void Metrics::resolved(std::string_view run_status) {
    const auto found = families_->resolutions_by.find(run_status);
    if (found != families_->resolutions_by.end()) {
        found->second->Increment();
    }
}

void Metrics::unknown_run() {
    families_->unknown_runs.Increment();
}

void Metrics::admitted() {
    families_->admissions.Increment();
}

void Metrics::looked_in_cache(bool is_hit) {
    (is_hit ? families_->cache_hits : families_->cache_misses).Increment();
}

void Metrics::turned_away() {
    families_->turned_away.Increment();
}

void Metrics::gave_way() {
    families_->gave_way.Increment();
}

void Metrics::set_pool(std::size_t open, std::size_t busy, std::size_t waiting) {
    families_->pool_open.Set(static_cast<double>(open));
    families_->pool_busy.Set(static_cast<double>(busy));
    families_->pool_waiting.Set(static_cast<double>(waiting));
}

namespace {

/// Adds one series to another of the same labels.
void add(prom::ClientMetric& sum, const prom::ClientMetric& more) {
    sum.counter.value += more.counter.value;
    sum.gauge.value += more.gauge.value;
    sum.histogram.sample_count += more.histogram.sample_count;
    sum.histogram.sample_sum += more.histogram.sample_sum;
    for (std::size_t i = 0; i < more.histogram.bucket.size(); ++i) {
        sum.histogram.bucket.at(i).cumulative_count += more.histogram.bucket[i].cumulative_count;
    }
}

/// The same series of several threads become one.
class Sums {
  public:
    void add_all(std::vector<prom::MetricFamily> more) {
        for (auto& family : more) {
            const auto [place, is_new] = places_.try_emplace(family.name, families_.size());
            if (is_new) {
                families_.push_back({.name = family.name, .help = family.help, .type = family.type, .metric = {}});
                series_.emplace_back();
            }
            auto& sum = families_[place->second].metric;
            for (auto& series : family.metric) {
                const auto [found, is_first] = series_[place->second].try_emplace(series.label, sum.size());
                if (is_first) {
                    sum.push_back(std::move(series));
                } else {
                    add(sum[found->second], series);
                }
            }
        }
    }

    [[nodiscard]] const std::vector<prom::MetricFamily>& families() const noexcept { return families_; }

  private:
    std::vector<prom::MetricFamily> families_;
    std::map<std::string, std::size_t> places_;
    std::vector<std::map<std::vector<prom::ClientMetric::Label>, std::size_t>> series_; ///< of each family, by label
};

} // namespace

std::string metrics_text(ProcessMetrics& process, std::span<Metrics* const> threads) {
    Sums sums;
    for (auto* const each : threads) {
        const auto set = [](prom::Gauge& gauge, const Metrics::Count& count) {
            gauge.Set(static_cast<double>(count->load(std::memory_order_relaxed)));
        };
        set(each->families_->waiters, each->waiters_);
        set(each->families_->streams, each->streams_);
        set(each->families_->connections, each->connections_);
        sums.add_all(each->families_->registry.Collect());
    }
    process.families_->memory.Set(resident_bytes());
    sums.add_all(process.families_->registry.Collect());
    return prom::TextSerializer().Serialize(sums.families());
}

} // namespace pdpp::http
