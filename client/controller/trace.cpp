#include "controller/trace.hpp"

#include "pq/random.hpp"

#include <algorithm>
#include <iterator>

namespace pdpp::controller {

namespace {

char lower(char letter) {
    return letter >= 'A' && letter <= 'F' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool is_hex(char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
}

} // namespace

std::optional<std::string> traceparent(std::string_view trace_id) {
    if (trace_id.starts_with("trc_")) {
        trace_id.remove_prefix(4);
    }
    std::string id;
    std::ranges::transform(trace_id, std::back_inserter(id), lower);
    if (id.size() != 32 || !std::ranges::all_of(id, is_hex) || id.find_first_not_of('0') == std::string::npos) {
        return std::nullopt;
    }
    return "00-" + id + "-" + pq::random_hex(8) + "-01";
}

std::map<std::string, std::optional<std::string>> run_environment(const std::string& run_id,
                                                                  const std::string& trace_id) {
    return {{"PDPP_RUN_ID", run_id}, {"PDPP_TRACE_ID", trace_id}, {"TRACEPARENT", traceparent(trace_id)}};
}

} // namespace pdpp::controller
