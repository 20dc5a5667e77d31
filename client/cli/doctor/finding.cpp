#include "cli/doctor/finding.hpp"

#include "text/text.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

namespace pdpp::cli {

namespace {

const char* name_of(Level level) {
    switch (level) {
    case Level::ok:
        return "ok";
    case Level::warning:
        return "warning";
    case Level::wrong:
        break;
    }
    return "wrong";
}

} // namespace

std::string finding_text(const Finding& finding) {
    auto text = fmt::format("{:<8} {:<14} {}\n", name_of(finding.level), finding.check, printable(finding.message));
    if (!finding.hint.empty()) {
        text += fmt::format("{:<23} {}\n", "", printable(finding.hint));
    }
    return text;
}

std::string finding_json(const Finding& finding) {
    boost::json::object line{{"check", finding.check}, {"level", name_of(finding.level)}, {"message", finding.message}};
    if (!finding.hint.empty()) {
        line["hint"] = finding.hint;
    }
    return boost::json::serialize(line) + "\n";
}

} // namespace pdpp::cli
