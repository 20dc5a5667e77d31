#pragma once
// The log of the programs that stay: lines on standard error, for people or for machines.

#include <spdlog/formatter.h>

#include <memory>
#include <string>

namespace pdpp::cli {

struct LogOptions {
    std::string format = "text"; ///< or "json"
    std::string level = "info";

    friend bool operator==(const LogOptions&, const LogOptions&) = default;
};

/// From now on the log is so.
void set_log(const LogOptions& options);

/// A line as one JSON object: `{"time","level","message"}`, and before the message each `key=value` that the text of
/// the line begins with, as a member of its own: `request_id=… run_id=… status=404 answered`. `status` and
/// `duration_ms` are numbers, everything else is a string.
class JsonFormatter : public spdlog::formatter {
  public:
    void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override;
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

} // namespace pdpp::cli
