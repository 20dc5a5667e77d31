#pragma once
// The command line, described for programs: manual pages and completions are made of it (client/pages), so that they
// have every command and option, in the words of --help.

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace pdpp::cli {

/// A parser's commands, options and texts, as a JSON object.
std::string describe(const CLI::App& app, std::string_view version);

} // namespace pdpp::cli
