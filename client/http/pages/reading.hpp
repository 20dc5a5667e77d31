#pragma once
// Bodies as pages read them: parsed, since a page shows little of them.

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// The text at `key`; empty if there is none, or something else.
std::string_view text_at(const boost::json::object& object, std::string_view key);

/// One event of a timeline.
struct ShownEvent {
    std::int64_t seq = 0;
    std::string type;
    std::string occurred_at;
    std::int64_t millis = 0;      ///< the same
    std::string stream_id = {};   ///< its column, which an imported one may have alone
    std::string source_kind = {}; ///< `import` of an admission that is not ours
    std::string data_text;        ///< as the database printed it, every digit
    boost::json::object data;
};

/// The name of the stream whose progress the event tells; empty if it names none.
std::string_view stream_of(const ShownEvent& event);

/// The number at `key` of the event's data, with every digit that was printed; nothing if there is none.
std::optional<std::string> number_at(const ShownEvent& event, std::string_view key);

/// A page of a timeline.
struct ShownEvents {
    std::vector<ShownEvent> events;
    std::string next_cursor; ///< empty if there is none
    std::string looked_at;   ///< `1 to 1,000`: the events looked at, if more may match beyond; else empty
    bool truncated = false;
    bool pruned = false;
};

ShownEvents read_events(std::string_view timeline);

} // namespace pdpp::http
