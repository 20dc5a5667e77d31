#pragma once
// A source in one file of SQLite, which is opened for reading, with nothing made beside it.

#include "moving_in/database.hpp"

#include <memory>
#include <string>

namespace pdpp::moving_in {

std::unique_ptr<Database> open_sqlite(std::string path);

} // namespace pdpp::moving_in
