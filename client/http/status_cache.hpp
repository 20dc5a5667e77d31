#pragma once
// The statuses of runs that have ended, which never change, kept in memory: the least recently asked for go first.

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

class StatusCache {
  public:
    /// Keeps at most `capacity` bytes, what it needs for keeping included; 0 keeps nothing.
    explicit StatusCache(std::size_t capacity) : capacity_(capacity) {}

    /// The body kept for exactly this id.
    std::optional<std::string> find(std::string_view run_id);

    /// Keeps the body of a run that has ended.
    void insert(std::string_view run_id, std::string_view body);

    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t entries() const noexcept { return entries_.size(); }

  private:
    struct Entry {
        std::string run_id;
        std::string body;
    };
    struct Hash {
        std::size_t operator()(std::string_view run_id) const noexcept { return std::hash<std::string_view>{}(run_id); }
    };
    using Entries = boost::multi_index_container<
        Entry, boost::multi_index::indexed_by<
                   boost::multi_index::sequenced<>, // the most recently used first
                   boost::multi_index::hashed_unique<boost::multi_index::member<Entry, std::string, &Entry::run_id>,
                                                     Hash, std::equal_to<>>>>;

    static std::size_t size_of(const Entry& entry);

    std::size_t capacity_;
    std::size_t bytes_ = 0;
    Entries entries_;
};

} // namespace pdpp::http
