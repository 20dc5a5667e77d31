#pragma once
// A source in PostgreSQL, read in read-only transactions.

#include "moving_in/database.hpp"

#include <memory>
#include <string>

namespace pdpp::moving_in {

std::unique_ptr<Database> open_postgres(std::string conninfo);

} // namespace pdpp::moving_in
