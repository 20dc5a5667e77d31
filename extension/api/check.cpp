// pdpp_check: the violations of what must hold for every run; none when all is well.

#include "store/check.hpp"
#include "boundary.hpp"
#include "store/boot_session.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

namespace {

/// Reads a cursor to its end, a few rows at a time, and closes it.
template <typename Visit>
void for_each_row(Portal portal, Visit visit) {
    for (;;) {
        SPI_cursor_fetch(portal, true, 100);
        const store::Rows rows = store::last_rows();
        if (!rows.any()) {
            break;
        }
        for (std::uint64_t row = 0; row < rows.count(); ++row) {
            visit(rows, row);
        }
        SPI_freetuptable(SPI_tuptable);
    }
    SPI_cursor_close(portal);
}

} // namespace

PDPP_FUNCTION(pdpp_check) {
    namespace column = store::violation_column;
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    pg::materialize_result(fcinfo);
    if (SPI_connect() != SPI_OK_CONNECT) {
        elog(ERROR, "SPI_connect failed");
    }
    const auto add = [result](std::string_view invariant, std::optional<std::string_view> run_id,
                              std::string_view detail) {
        Datum values[3] = {to_text(invariant), run_id ? to_text(*run_id) : Datum{0}, to_text(detail)};
        bool is_null[3] = {false, !run_id, false};
        tuplestore_putvalues(result->setResult, result->setDesc, values, is_null);
    };
    bool is_legible = true;
    for_each_row(store::open_alterations(), [&](const store::Rows& rows, std::uint64_t row) {
        const std::string_view alteration = store::required(rows.text(row, 0));
        is_legible = is_legible && !alteration.starts_with("altered or gone: column") &&
                     !alteration.starts_with("altered or gone: table");
        add("tables_as_made", {}, alteration);
    });
    if (!is_legible) {
        add("tables_as_made", {}, "nothing else was checked: give the columns back what they had");
        SPI_finish();
        return Datum{0};
    }
    for_each_row(store::open_violations(), [&](const store::Rows& rows, std::uint64_t row) {
        if (const auto boot = rows.uuid(row, column::without_session); boot && store::is_held(*boot)) {
            return; // back since a pass saw it lost
        }
        add(store::required(rows.text(row, column::invariant)), rows.text(row, column::run_id),
            store::required(rows.text(row, column::detail)));
    });
    SPI_finish();
    return Datum{0};
}

} // namespace pdpp::api
