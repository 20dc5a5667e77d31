#include "moving_in/database.hpp"

#include "moving_in/postgres.hpp"
#include "moving_in/sqlite.hpp"

namespace pdpp::moving_in {

std::unique_ptr<Database> database_for(std::string_view source) {
    constexpr std::string_view postgres = "postgres:";
    constexpr std::string_view sqlite = "sqlite:";
    if (source.starts_with("postgres://") || source.starts_with("postgresql://")) {
        return open_postgres(std::string(source)); // as URIs are written anyway
    }
    if (source.starts_with(postgres)) {
        return open_postgres(std::string(source.substr(postgres.size())));
    }
    if (source.starts_with(sqlite) && source.size() > sqlite.size()) {
        return open_sqlite(std::string(source.substr(sqlite.size())));
    }
    return nullptr;
}

} // namespace pdpp::moving_in
