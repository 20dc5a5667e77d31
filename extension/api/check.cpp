/*
 * pdpp_check: the violations of what must hold for every run; none when all is well.
 */
#include "store/check.hpp"
#include "boundary.hpp"
#include "store/boots.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

PDPP_FUNCTION(pdpp_check) {
    namespace column = store::violation_column;
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    pg::materialize_result(fcinfo);
    if (SPI_connect() != SPI_OK_CONNECT) {
        elog(ERROR, "SPI_connect failed");
    }
    Portal violations = store::open_violations();
    for (;;) {
        SPI_cursor_fetch(violations, true, 100);
        const store::Rows rows = store::last_rows();
        if (!rows.any()) {
            break;
        }
        for (std::uint64_t row = 0; row < rows.count(); ++row) {
            if (const auto boot = rows.uuid(row, column::without_session); boot && store::is_held(*boot)) {
                continue; // back since a pass saw it lost
            }
            const auto run_id = rows.datum(row, column::run_id);
            Datum values[3] = {*rows.datum(row, column::invariant), run_id.value_or(Datum{0}),
                               *rows.datum(row, column::detail)};
            bool is_null[3] = {false, !run_id, false};
            tuplestore_putvalues(result->setResult, result->setDesc, values, is_null);
        }
        SPI_freetuptable(SPI_tuptable);
    }
    SPI_cursor_close(violations);
    SPI_finish();
    return Datum{0};
}

} // namespace pdpp::api
