#pragma once
// The command line of `pdpp`: every command with its options, and what a line of words asks for. CLI11, a heavy header,
// is included by the sources of this and of describe.hpp alone; commands take plain structs.

#include "cli/serve_options.hpp"

#include <functional>
#include <string>
#include <vector>

namespace pdpp::cli {

/// What a command line asks for: does it, and gives the exit code.
using Action = std::function<int()>;

/// What `words` ask for, which are those behind the program's name. If it is help, or they are wrong, the action says
/// so.
Action read_command_line(std::vector<std::string> words);

/// The options of a command line, with what the file of --config says now about those that it did not give. The file
/// holds lines `option = value`, `#` begins a comment. Throws Failure if it cannot be read or says something that the
/// command line could not.
ServeOptions with_config(const ServeCommandLine& command_line);

} // namespace pdpp::cli
