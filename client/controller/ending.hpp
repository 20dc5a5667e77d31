#pragma once
// How a run ended: what was seen of its process, turned into the outcome and the data that pdpp_run_settle records.
// Pure, so that every row of the table can be tested without a process.

#include "controller/connector_output.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace pdpp::controller {

/// How a process ended: by itself with `code`, or by `signal` (then not 0).
struct ExitStatus {
    int code = 0;
    int signal = 0;
};

/// Why a run was made to stop before its process ended by itself.
enum class StopReason {
    owner_cancelled,
    timed_out,
    drained,   ///< its controller was told to stop, and had waited long enough
    run_ended, ///< the run had been settled by others: what its process does has no place any more
};

/// What was seen of one run, from its first byte to the end of its process.
struct Observed {
    ExitStatus exit;
    std::optional<Done> done;              ///< the last DONE the connector printed that could be understood
    std::optional<std::string> unreadable; ///< why the last one that could not be understood could not
    std::size_t unreadable_progress = 0;   ///< how many PROGRESS lines could not be understood
    std::optional<StopReason> stopped;     ///< set only if no DONE of either kind had been printed by then
    bool killed = false;                   ///< being asked was not enough: it was stopped by SIGKILL
    std::optional<std::chrono::milliseconds> time_limit; ///< of its process; nothing if it was stopped for its deadline
};

struct Ending {
    std::string outcome; ///< `completed`, `failed` or `cancelled`
    boost::json::object data;
};

/// The first that applies decides: that we stopped it (whatever it said on its way out), that it said something in a
/// DONE that could not be understood (whatever other DONEs say), what it said in its DONE, the signal that killed it,
/// its exit code. What else was seen (`exit_code`, `signal`, `records_emitted`, `unreadable_progress`) is evidence, and
/// recorded too. A failed ending carries `reason`, `failure_message` (a sentence for people) and `failure_origin`
/// (`connector` or `controller`).
Ending ending_of(const Observed& observed);

/// The ending of a run whose supervision itself broke: `failed`, reason `controller_error`.
Ending controller_error(const std::string& message);

/// The data of an ending, and then with ever less in it, for a database that does not take it as it is: its texts cut
/// short, the reason alone, nothing.
std::vector<boost::json::object> versions_of(const boost::json::object& data);

/// `SIGKILL` for 9; `signal 42` for one without a name.
std::string signal_name(int signal);

} // namespace pdpp::controller
