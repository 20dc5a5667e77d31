#include "http/watch/access_log.hpp"

#include "run/id.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>

namespace pdpp::http {

namespace {

bool is_plain(std::string_view value) {
    return !value.starts_with('"') && std::ranges::all_of(value, [](char byte) { return byte > ' ' && byte < '\x7f'; });
}

void add(std::string& line, std::string_view key, std::string_view value) {
    if (value.empty())
        return;
    line.append(key) += '=';
    if (is_plain(value))
        line += value;
    else
        fmt::format_to(std::back_inserter(line), "{:?}", value);
    line += ' ';
}

} // namespace

std::string access_line(const AccessRecord& record) {
    std::string line;
    line.reserve(256);
    add(line, "request_id", record.request_id);
    if (run::is_possible_id(record.run_id))
        add(line, "run_id", record.run_id);
    add(line, "trace_id", record.trace_id);
    add(line, "method", record.method);
    add(line, "route", record.route);
    fmt::format_to(std::back_inserter(line), "status={} duration_ms={:.3f} ", record.status, record.duration.count());
    add(line, "peer", record.peer);
    line += "answered";
    return line;
}

void log_access(const AccessRecord& record) {
    const auto level = record.status >= 500 ? spdlog::level::warn : spdlog::level::info;
    if (spdlog::should_log(level))
        spdlog::log(level, access_line(record));
}

} // namespace pdpp::http
