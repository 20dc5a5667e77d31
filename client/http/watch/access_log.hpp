#pragma once
// The line in the log that each request leaves: names and numbers, and nothing of what it carried but the run's id.

#include <chrono>
#include <string>
#include <string_view>

namespace pdpp::http {

/// Views of what the line says; empty ones are left out.
struct AccessRecord {
    std::string_view request_id;
    std::string_view run_id;
    std::string_view trace_id;
    std::string_view method;
    std::string_view route; ///< the pattern that matched; the path itself may hold anything
    unsigned status;
    std::chrono::duration<double, std::milli> duration;
    std::string_view peer;
};

/// `request_id=… run_id=… trace_id=… method=GET route=/_ref/runs/{run_id} status=200 duration_ms=0.412 peer=…
/// answered`. A value that is not plain visible ASCII is quoted, with its control characters escaped; a run id that no
/// run can have is left out.
std::string access_line(const AccessRecord& record);

/// Writes the line: as `info`, or as `warning` if the status is 500 or more.
void log_access(const AccessRecord& record);

} // namespace pdpp::http
