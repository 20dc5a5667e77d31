#pragma once
// The lists of names in settings of PostgreSQL: separated by commas, in double quotes where they need it.

#include <string>
#include <string_view>
#include <vector>

namespace pdpp::cli {

/// The names in `list`, as the server reads shared_preload_libraries and pdpp.databases: no case is folded.
std::vector<std::string> names_in(std::string_view list);

/// `list` with one more name, each quoted where it needs it.
std::string with_name(std::string_view list, const std::string& name);

/// Whether the library pdpp is one of those that `list` preloads.
bool preloads_pdpp(std::string_view list);

} // namespace pdpp::cli
