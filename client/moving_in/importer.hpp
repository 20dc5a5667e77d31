#pragma once
// The import: what the source has goes into this database, once, and then again whatever has changed.

#include "moving_in/findings.hpp"
#include "moving_in/mapping.hpp"
#include "moving_in/source.hpp"
#include "pq/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace pdpp::moving_in {

struct ImportOptions {
    std::string target; ///< where to; nothing is opened for a doctor
    bool dry_run = false;
    bool follow = false; ///< follow() will be called
    bool adjudicate = false;
    bool source_is_stopped = false;
};

struct Totals {
    std::int64_t runs = 0;   ///< of the source
    std::int64_t events = 0; ///< of those
    std::int64_t imported = 0, extended = 0, unchanged = 0;
    std::int64_t written = 0;  ///< events
    std::int64_t expected = 0; ///< events that the source said it has
};

class Importer {
  public:
    /// `progress` is called now and then, `said` with what a follower wants to be told.
    Importer(std::unique_ptr<Database> database, ImportOptions options, std::function<void(const Totals&)> progress,
             std::function<void(const std::string&)> said);

    /// Everything, in one snapshot of the source. Throws SourceError, UnknownShape and pq::Error.
    boost::asio::awaitable<void> import_all();

    /// Whatever changes from then on, for ever. Source and target may come and go; throws what does not pass.
    boost::asio::awaitable<void> follow();

    [[nodiscard]] const Totals& totals() const { return totals_; }
    [[nodiscard]] const Findings& findings() const { return findings_; }
    [[nodiscard]] const std::vector<TableSize>& sizes() const { return sizes_; }
    [[nodiscard]] std::string_view source_name() const { return source_.dialect().name; }

  private:
    using Clock = std::chrono::steady_clock;

    /// One that goes in several calls.
    struct LargeRun {
        std::string run_id;
        std::string today;
        std::vector<Payload> payloads;
    };

    /// Runs on their way to the target.
    struct Batch {
        std::string payload;
        std::vector<std::string> payloads; ///< of each run, in case that one of them is refused
        std::vector<std::string> run_ids;
        std::vector<std::string> today;
        std::vector<LargeRun> large;
        std::int64_t events = 0;
        /// What it says of a connection, or how long it takes, depends on what is sent before it and after it: nothing
        /// is sent beside it.
        bool is_alone = false;
    };

    /// What became of a run.
    struct Taken {
        std::string run_id;
        std::string result;
        std::string status;
        std::int64_t events;
    };

    using Times = std::map<std::string, Clock::time_point>;

    struct Turns;

    boost::asio::awaitable<void> open(std::optional<pq::Connection>& connection);
    boost::asio::awaitable<void> open_target();
    /// What the admission of a run that is here says of its id.
    struct Admission {
        bool is_imported = false;
        std::optional<std::string> shared_run_id; ///< of the source, if several have that
    };

    boost::asio::awaitable<KnownRuns> known_among(std::vector<std::string> run_ids);
    boost::asio::awaitable<Admission> admission_of(std::string run_id);
    boost::asio::awaitable<KnownRuns> runs_beside(std::string run_id);
    boost::asio::awaitable<std::optional<Owner>> owner_of(const SourceRun& run, const KnownRuns& known,
                                                          const Rules& rules);
    boost::asio::awaitable<TakenIds> taken_among(const SourceRun& source, const std::vector<MappedRun>& runs,
                                                 const KnownRuns& beside);
    boost::asio::awaitable<std::vector<MappedRun>> map(const SourceRun& source, const KnownRuns& known,
                                                       const Rules& rules);
    boost::asio::awaitable<void> add(Batch& batch, SourceRun& run, const KnownRuns& known, const Rules& rules);
    void append(Batch& batch, const MappedRun& run);
    boost::asio::awaitable<bool> add_more(Batch& batch, const std::string& run_id,
                                          const std::vector<std::int64_t>& numbers, const Rules& rules);
    boost::asio::awaitable<void> fill(RunStream& stream, Batch& batch, const Rules& rules, bool& more);
    boost::asio::awaitable<void> send(pq::Connection& target, Batch batch);
    boost::asio::awaitable<void> send_one_by_one(pq::Connection& target, Batch batch);
    boost::asio::awaitable<void> send_large(pq::Connection& target, LargeRun run);
    boost::asio::awaitable<std::string> call(pq::Connection& target, std::string payload);
    boost::asio::awaitable<void> execute(pq::Connection& target, std::string sql);
    static std::vector<Taken> taken_in(std::string_view body);
    void count(const Taken& run, const std::string& today);
    void refuse(const std::string& run_id, boost::json::value row, std::string_view reason);
    void take_result(std::string_view body, const Batch& batch, std::size_t first);
    boost::asio::awaitable<void> import_in_turns(std::optional<pq::Connection>& target, RunStream& stream,
                                                 Turns& turns);
    boost::asio::awaitable<void> import_some(const std::set<std::string>& run_ids, const Rules& rules);
    boost::asio::awaitable<void> import_changed(const Look& look, const Rules& rules);
    boost::asio::awaitable<void> look_again();
    void tell_findings();
    boost::asio::awaitable<void> refresh_boots();
    boost::asio::awaitable<void> look_before();
    static std::set<std::string> due(const Times& times);
    [[nodiscard]] Rules rules() const;

    Source source_;
    ImportOptions options_;
    std::function<void(const Totals&)> progress_;
    std::function<void(const std::string&)> said_;
    std::optional<pq::Connection> target_; ///< where runs are written
    std::optional<pq::Connection> asked_;  ///< and looked for, in the meantime
    Totals totals_;
    Findings findings_;
    std::vector<TableSize> sizes_;
    Boots boots_;
    Clock::time_point boots_read_at_{};
    std::set<std::string> told_;          ///< what a follower has said already
    bool has_failed_ = false;             ///< the last look: it has to be repeated
    std::set<std::string> stranded_;      ///< ids of runs that nobody ends, as far as is known
    Times to_be_judged_;                  ///< when that may be known of them
    std::set<std::string> was_in_flight_; ///< a moment before
    Times until_ended_;                   ///< when the history of runs is to be believed of a run
    /// Without their events, those that go on and have many: what comes is read without those.
    std::map<std::string, MappedRun> long_runs_;
};

} // namespace pdpp::moving_in
