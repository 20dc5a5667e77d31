#pragma once
// What of a command line may be shown to everybody: in the list of processes, and in what is said of it.

#include <string>
#include <string_view>

namespace pdpp::pq {

/// A word of a command line, with `***` for the passwords of a connection string in it: by itself, or behind `--db=` or
/// `postgres:`. Any other word is as it was.
std::string without_secrets(std::string_view word);

} // namespace pdpp::pq
