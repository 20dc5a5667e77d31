#pragma once
// Taking connection strings apart with libpq's own parser.

#include <libpq-fe.h>

#include <memory>
#include <string_view>

namespace pdpp::pq {

struct FreeConninfo {
    void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using ConninfoOptions = std::unique_ptr<PQconninfoOption, FreeConninfo>;

/// Whether libpq takes a connection string for the name of a database, and nothing else.
inline bool is_database_name(std::string_view conninfo) {
    const bool is_uri = conninfo.starts_with("postgresql://") || conninfo.starts_with("postgres://");
    return !is_uri && conninfo.find('=') == std::string_view::npos;
}

} // namespace pdpp::pq
