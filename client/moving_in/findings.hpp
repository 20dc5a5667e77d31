#pragma once
// What is said of a source beside its runs: what a plain copy of it would have got wrong, and what cannot be copied.

#include <boost/json/object.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::moving_in {

namespace finding {
inline constexpr std::string_view stranded = "stranded_run";             ///< active for ever: nobody will end it
inline constexpr std::string_view several_endings = "several_endings";   ///< the first one stands
inline constexpr std::string_view ending_differs = "ending_differs";     ///< from what its server says today
inline constexpr std::string_view shared_id = "shared_id";               ///< of runs of several connections
inline constexpr std::string_view without_events = "run_without_events"; ///< a handle that was given out, and no more
inline constexpr std::string_view without_number = "event_without_seq";  ///< ordered last
inline constexpr std::string_view not_taken = "not_taken";               ///< with the row, and the reason
inline constexpr std::string_view ours = "run_of_ours";                  ///< admitted here by that id: left as it is
} // namespace finding

struct Finding {
    std::string_view kind;
    std::string run_id;
    boost::json::object more;
};

class Findings {
  public:
    void add(Finding finding);

    [[nodiscard]] const std::vector<Finding>& all() const { return all_; }
    /// Gives away what it has, and goes on counting.
    std::vector<Finding> take() { return std::exchange(all_, {}); }

    [[nodiscard]] std::int64_t count(std::string_view kind) const;

  private:
    std::vector<Finding> all_;
    std::map<std::string_view, std::int64_t> counts_;
};

/// `stranded_run  run_1: since 2026-08-01T10:00:00.000000Z`
std::string finding_text(const Finding& finding);

boost::json::object finding_json(const Finding& finding);

} // namespace pdpp::moving_in
