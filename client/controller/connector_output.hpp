#pragma once
// What a connector says about its run: JSON objects of type PROGRESS or DONE in its standard output, a line each, or
// more. Everything else a connector prints is its own business and may hold secrets, so nothing of it gets past this
// file.

#include "controller/lenient_json.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse_options.hpp>

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
/// How long a line may be that is to be read, in bytes.
constexpr std::size_t line_limit = std::size_t{1} << 20;

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

/// `{"type":"DONE","status":…,"records_emitted":…,"error":{"message":…}}`, with one of the three words as its status.
struct Done {
    DoneStatus status;
    std::optional<std::int64_t> records_emitted;
    std::optional<std::string> error_message;
};

/// A line that claims to be a PROGRESS or a DONE, and cannot be understood.
struct Unreadable {
    Claim claim;
    std::string why; ///< half a sentence, with nothing of the line in it but an unknown status
};

using ConnectorMessage = std::variant<std::monostate, Progress, Done, Unreadable>;

/// One line, without its end.
struct Line {
    std::string_view text;
    bool is_too_long = false;  ///< `text` is only its beginning
    Claim claim = Claim::none; ///< what a line that is too long claims to be
};

struct Reading {
    ConnectorMessage message; ///< std::monostate: the line is not for us
    bool is_open = false;     ///< it ends within an object, of which the next lines may be the rest
};

/// What a line says by itself.
Reading read_line(const Line& line);

/// How connectors' JSON is parsed.
boost::json::parse_options parse_options();

/// Cuts a stream of bytes into lines. Of one longer than `limit` only the beginning is kept; what it claims to be is
/// found out all the same.
class LineSplitter {
  public:
    using Use = std::function<void(const Line&)>;

    explicit LineSplitter(std::size_t limit = line_limit) : limit_(limit) {}

    /// Calls `use` for each line that `bytes` completes. What it is given lives for that call only.
    void feed(std::string_view bytes, const Use& use);

    /// The stream has ended: calls `use` for a last line that has no end.
    void finish(const Use& use);

  private:
    void take(std::string_view bytes);

    std::size_t limit_;
    std::string line_;
    std::optional<ClaimScanner> rest_; ///< of a line that is too long
};

} // namespace pdpp::controller
