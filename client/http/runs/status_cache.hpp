#pragma once
// The statuses of runs that have ended, kept in memory: an ending never changes, and by what run it was repeated
// changes seldom, which is heard of. First goes what nobody has asked for since its turn to go last came (the
// second-chance algorithm). A lookup among a hundred thousand costs what it touches of memory that is in no cache: an
// entry's text is one piece, and a hit moves nothing.

#include "http/runs/run_status.hpp"

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pdpp::http {

class StatusCache {
  public:
    using Clock = std::chrono::steady_clock;

    /// For how long what is kept is told without another look.
    static constexpr std::chrono::seconds good_for{60};

    /// Keeps at most `capacity` bytes, what it needs for keeping included; 0 keeps nothing.
    explicit StatusCache(std::size_t capacity) : capacity_(capacity) {}

    /// What is kept for exactly this id, until the next insert(); a null pointer if nothing is.
    const RunStatus* find(std::string_view run_id);

    /// The same unless it is in doubt, or has been kept for so long that something may have changed unheard: a
    /// notification is a hint.
    const RunStatus* find_fresh(std::string_view run_id, Clock::time_point now);

    /// Keeps the status of a run that has ended, in place of another of the same run.
    void insert(std::string_view run_id, const RunStatus& status, Clock::time_point now = Clock::now());

    /// What is kept of the runs of that number (pq::run_number()) may not be all that there is to say by now.
    void doubt(std::uint64_t run_number);

    /// Nor what is kept of any.
    void doubt_all();

    /// Forgets all.
    void clear() noexcept {
        entries_.clear();
        bytes_ = 0;
    }

    /// Whether it has room for anything at all.
    [[nodiscard]] bool keeps_any() const noexcept { return capacity_ > 0; }

    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t entries() const noexcept { return entries_.size(); }

  private:
    struct Entry {
        Entry(std::string_view run_id, const RunStatus& status, Clock::time_point now);
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        ~Entry() = default;

        std::string text; ///< all that the others show
        std::string_view run_id;
        RunStatus status;
        std::uint64_t run_number;
        Clock::time_point kept_at;
        mutable bool is_in_doubt = false;
        mutable bool is_wanted = false; ///< it has been asked for since its turn to go last came
    };
    struct Hash {
        std::size_t operator()(std::string_view run_id) const noexcept { return std::hash<std::string_view>{}(run_id); }
    };
    using Entries = boost::multi_index_container<
        Entry,
        boost::multi_index::indexed_by<boost::multi_index::sequenced<>, // the last is the next whose turn to go it is
                                       boost::multi_index::hashed_unique<
                                           boost::multi_index::member<Entry, std::string_view, &Entry::run_id>, Hash>,
                                       boost::multi_index::hashed_non_unique<
                                           boost::multi_index::member<Entry, std::uint64_t, &Entry::run_number>>>>;

    static std::size_t size_of(std::string_view run_id, std::string_view body);
    void drop_one();

    std::size_t capacity_;
    std::size_t bytes_ = 0;
    Entries entries_;
};

} // namespace pdpp::http
