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
    std::int64_t millis = 0; ///< the same
    std::string data_text;   ///< as the database printed it, every digit
    boost::json::object data;
};

/// A page of a timeline.
struct ShownEvents {
    std::vector<ShownEvent> events;
    std::string next_cursor; ///< empty if there is none
    bool truncated = false;
    bool pruned = false;
};

ShownEvents read_events(std::string_view timeline);

} // namespace pdpp::http
