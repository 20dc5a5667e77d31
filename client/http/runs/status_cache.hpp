#pragma once
// The statuses of runs that have ended, which never change, kept in memory. First goes what nobody has asked for since
// its turn to go last came (the second-chance algorithm). A lookup among a hundred thousand costs what it touches of
// memory that is in no cache: an entry's text is one piece, and a hit moves nothing.

#include "http/runs/run_status.hpp"

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace pdpp::http {

class StatusCache {
  public:
    /// Keeps at most `capacity` bytes, what it needs for keeping included; 0 keeps nothing.
    explicit StatusCache(std::size_t capacity) : capacity_(capacity) {}

    /// What is kept for exactly this id, until the next insert(); a null pointer if nothing is.
    const RunStatus* find(std::string_view run_id);

    /// Keeps the status of a run that has ended.
    void insert(std::string_view run_id, const RunStatus& status);

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
        Entry(std::string_view run_id, const RunStatus& status);
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        ~Entry() = default;

        std::string text; ///< all that the others show
        std::string_view run_id;
        RunStatus status;
        mutable bool is_wanted = false; ///< it has been asked for since its turn to go last came
    };
    struct Hash {
        std::size_t operator()(std::string_view run_id) const noexcept { return std::hash<std::string_view>{}(run_id); }
    };
    using Entries = boost::multi_index_container<
        Entry,
        boost::multi_index::indexed_by<boost::multi_index::sequenced<>, // the last is the next whose turn to go it is
                                       boost::multi_index::hashed_unique<
                                           boost::multi_index::member<Entry, std::string_view, &Entry::run_id>, Hash>>>;

    static std::size_t size_of(std::string_view run_id, std::string_view body);
    void drop_one();

    std::size_t capacity_;
    std::size_t bytes_ = 0;
    Entries entries_;
};

} // namespace pdpp::http
