#pragma once
// What the program says, as text: bodies of the SQL API for people, failures for people and for programs. Pure: where
// it goes is its caller's business. Text for people holds no control characters, whatever the database holds.

#include "pq/error.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pdpp::cli {

/// The program's exit codes, as `pdpp --help` lists them.
namespace exit_code {
constexpr int success = 0;
constexpr int other_ending = 1; ///< of `run`: anything but completed; else: an error without a code of its own
constexpr int usage = 2;
constexpr int unknown_run = 3;
constexpr int cannot_connect = 4;
constexpr int refused = 5;
constexpr int timed_out = 124; ///< of `wait`, as timeout(1) has it
} // namespace exit_code

/// Something that went wrong, for people and programs alike.
struct Failure {
    int exit_code;
    std::string code;            ///< for programs, such as `not_found`
    std::string message;         ///< one line
    std::string hint;            ///< what to do, one line; may be empty
    boost::json::object details; ///< further keys for programs
};

/// A failure of the database, without SQLSTATEs, in one line each. What to do about it depends on whom `conninfo` logs
/// in as.
Failure failure_of(const pq::Error& error, const std::string& conninfo = {});

/// The failure in an error envelope (`{"error":{…}}`) that a function returned for an unknown run.
Failure failure_of_envelope(std::string_view body);

/// Whether `body` is such an envelope. jsonb prints its keys in a fixed order and no other body has a key `error`, so
/// the start tells; bodies are not parsed for it, and keep every digit of their numbers.
bool is_error_envelope(std::string_view body);

/// `pdpp: message`, and the hint on a second line.
std::string failure_text(const Failure& failure);

/// `{"error":{"code","message","hint"?,…}}` on one line.
std::string failure_json(const Failure& failure);

/// A status body, a line for each thing worth reading.
std::string status_text(std::string_view body);

/// An ending in one line: `run X failed: connector_exit_nonzero (the connector exited with code 3)`.
std::string ending_text(std::string_view body);

/// Whether the body of a status, or of a timeline, is that of a run that has ended.
bool is_ended_status(std::string_view body);
bool is_ended_timeline(std::string_view body);

/// Whether a status is an ending. A word we do not know is not: such a run is active.
bool is_terminal(std::string_view status);

/// The acknowledgement, the handle on a line of its own first.
std::string handle_text(std::string_view body, const std::string& conninfo);

/// The acknowledgement of a cancel request in one line: `run X was asked to end`.
std::string cancel_text(std::string_view body);

/// The acknowledgement in one line: `run X started`.
std::string acknowledgement_text(std::string_view body);

/// The events of a timeline body, a line each.
std::string timeline_text(std::string_view body);

/// What a timeline body says beside its events.
struct TimelinePage {
    bool is_empty;
    bool is_truncated;                      ///< there is more
    bool has_ended;                         ///< the run has
    std::optional<std::string> next_cursor; ///< where to go on; nothing if the cursor that led here still stands
};
TimelinePage timeline_page(std::string_view body);

/// The runs of a list body, a line each, under a heading if it is wanted.
std::string runs_text(std::string_view body, bool with_heading);

/// The same for connections.
std::string connections_text(std::string_view body, bool with_heading);

/// Where a list goes on; nothing if this was the last page.
std::optional<std::string> next_page(std::string_view body);

} // namespace pdpp::cli
