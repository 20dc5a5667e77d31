#include "controller/output_log.hpp"

#include "log/log.hpp"

#include <fmt/format.h>

#include <utility>

namespace pdpp::controller {

namespace {

/// A line longer than this is cut.
constexpr std::size_t longest_line = std::size_t{16} * 1024;

} // namespace

OutputLog::OutputLog(std::string run_id, std::string_view stream, bool shown)
    : run_id_(std::move(run_id)), stream_(stream), label_(fmt::format("{}: ", stream)), shown_(shown),
      lines_(longest_line) {}

OutputLog::~OutputLog() {
    lines_.finish([this](const Line& line) { log(line); });
}

void OutputLog::write(std::string_view bytes) {
    if (shown_) {
        lines_.feed(bytes, [this](const Line& line) { log(line); });
    }
}

boost::asio::awaitable<void> OutputLog::room() {
    co_return;
}

void OutputLog::log(const Line& line) const {
    const auto cut = line.is_too_long ? fmt::format("{}…", line.text) : std::string();
    log::write(log::Level::info, "output", {{"run_id", run_id_}},
               log::Rest{label_, stream_, line.is_too_long ? std::string_view{cut} : line.text});
}

} // namespace pdpp::controller
