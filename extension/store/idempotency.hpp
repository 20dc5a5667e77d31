#pragma once
// Idempotent admission: a key, the run it was given, and a digest of what was asked.

#include "pg.hpp"
#include "store/statement.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

struct KeyedAdmission {
    std::string_view run_id;
    bool same_arguments;
};

/// What the key was used for before.
std::optional<KeyedAdmission> find_key(std::string_view key, const bytea* digest);

/// Records the key; false if something is in the way and is to be skipped: somebody recorded it in the meantime, or an
/// index of somebody's says so.
bool take_key(std::string_view key, std::string_view run_id, const bytea* digest, OnConflict on_conflict);

} // namespace pdpp::store
