#pragma once
// The checker: what must hold for every run, asked of the whole history at once.

#include "pg.hpp"
#include "store/statement.hpp"

namespace pdpp::store {

/// A cursor over the violations, as the snapshot of the calling statement shows them: invariant, run_id, detail, and
/// the boot that must be found without a session for the row to count (null if the tables alone say so).
Portal open_violations();

/// Columns of open_violations().
namespace violation_column {
inline constexpr int invariant = 0;
inline constexpr int run_id = 1;
inline constexpr int detail = 2;
inline constexpr int without_session = 3;
} // namespace violation_column

/// A cursor over what is not as the extension made it, of the version that this library belongs to: a column of texts.
Portal open_alterations();

} // namespace pdpp::store
