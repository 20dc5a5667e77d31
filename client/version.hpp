#pragma once
// The version of the program, which is that of the extension it is made for.

#include <string_view>

namespace pdpp {

constexpr std::string_view program_version = "0.3.0";

} // namespace pdpp
