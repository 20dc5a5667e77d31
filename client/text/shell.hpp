#pragma once
// Words of commands that people are told to run.

#include <string>
#include <string_view>

namespace pdpp {

/// `word` as a shell takes it for one word.
std::string in_shell(std::string_view word);

} // namespace pdpp
