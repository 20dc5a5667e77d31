#pragma once
// What `pdpp doctor` says about one thing that it looked at.

#include <string>
#include <vector>

namespace pdpp::cli {

enum class Level { ok, warning, wrong };

struct Finding {
    Level level;
    std::string check;   ///< what was looked at, in a word
    std::string message; ///< one line
    std::string hint;    ///< what to do, one line; empty if nothing is to be done
};

using Findings = std::vector<Finding>;

/// A line, and another one for the hint.
std::string finding_text(const Finding& finding);

/// `{"check","level","message","hint"}` on a line.
std::string finding_json(const Finding& finding);

} // namespace pdpp::cli
