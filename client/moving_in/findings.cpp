#include "moving_in/findings.hpp"

#include "text/text.hpp"

#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <utility>

namespace pdpp::moving_in {

namespace json = boost::json;

void Findings::add(Finding finding) {
    ++counts_[finding.kind];
    all_.push_back(std::move(finding));
}

std::int64_t Findings::count(std::string_view kind) const {
    const auto found = counts_.find(kind);
    return found == counts_.end() ? 0 : found->second;
}

std::string finding_text(const Finding& finding) {
    std::string text = fmt::format("{}  {}", finding.kind, printable(finding.run_id));
    std::string_view before = ": ";
    for (const auto& [key, value] : finding.more) {
        const auto shown = value.is_string() ? std::string(value.get_string()) : json::serialize(value);
        text += fmt::format("{}{} {}", before, std::string_view(key), printable(shown));
        before = ", ";
    }
    return text;
}

json::object finding_json(const Finding& finding) {
    json::object object{{"kind", finding.kind}, {"run_id", storable(finding.run_id, std::string_view::npos)}};
    for (const auto& [key, value] : finding.more) {
        object[key] = value;
    }
    return object;
}

} // namespace pdpp::moving_in
