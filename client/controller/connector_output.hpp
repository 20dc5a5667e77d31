#pragma once
// What a connector says about its run: lines of its standard output that are JSON objects of type PROGRESS or DONE.
// Everything else a connector prints is its own business and may hold secrets, so nothing of it gets past this file.

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace pdpp::controller {

/// How many characters of a connector's strings are kept.
constexpr std::size_t stream_limit = 200;
constexpr std::size_t progress_message_limit = 500;
constexpr std::size_t error_message_limit = 2000;

/// `{"type":"PROGRESS","stream":…,"message":…,"count":…,"total":…}`: each field may be absent, and one of the wrong
/// type counts as absent. Counts are whole numbers from 0.
struct Progress {
    std::optional<std::string> stream;
    std::optional<std::string> message;
    std::optional<std::int64_t> count;
    std::optional<std::int64_t> total;
};

/// The data of a `run.progress_reported` event: all four keys, null where the connector said nothing.
boost::json::object progress_data(const Progress& progress);

enum class DoneStatus { succeeded, failed, cancelled };

/// `{"type":"DONE","status":…,"records_emitted":…,"error":{"message":…}}`; without one of the three words as its status
/// a line is not a DONE at all.
struct Done {
    DoneStatus status;
    std::optional<std::int64_t> records_emitted;
    std::optional<std::string> error_message;
};

using ConnectorMessage = std::variant<std::monostate, Progress, Done>;

/// One line, without its end. std::monostate: the line is not for us.
ConnectorMessage parse_line(std::string_view line);

/// Cuts a stream of bytes into lines. A line longer than `limit` is not worth the memory of looking at it: it is left
/// out as a whole.
class LineSplitter {
  public:
    explicit LineSplitter(std::size_t limit = std::size_t{1} << 20) : limit_(limit) {}

    /// Calls `use` for each line that `bytes` completes. The view lives for that call only.
    void feed(std::string_view bytes, const std::function<void(std::string_view)>& use);

    /// The stream has ended: calls `use` for a last line that has no end.
    void finish(const std::function<void(std::string_view)>& use);

  private:
    void take(std::string_view bytes);

    std::size_t limit_;
    std::string line_;
    bool too_long_ = false;
};

} // namespace pdpp::controller
