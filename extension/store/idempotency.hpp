/*
 * Idempotent admission: a key, the run it was given, and a digest of what was asked.
 */
#pragma once

#include "pg.hpp"

#include <optional>
#include <string_view>

namespace pdpp::store {

struct KeyedAdmission {
    std::string_view run_id;
    bool same_arguments;
};

/// What the key was used for before.
std::optional<KeyedAdmission> find_key(std::string_view key, const bytea* digest);

/// Records the key; false if somebody else did in the meantime.
bool take_key(std::string_view key, std::string_view run_id, const bytea* digest);

} // namespace pdpp::store
