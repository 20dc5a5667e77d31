#include "store/statement.hpp"

#include <algorithm>

namespace pdpp::store {

Datum ArrayOf::array() const {
    std::int16_t length = 0;
    bool by_value = false;
    char alignment = 0;
    get_typlenbyvalalign(type_, &length, &by_value, &alignment);
    int dimension = static_cast<int>(count_);
    int lower_bound = 1;
    return PointerGetDatum(
        construct_md_array(values_, nulls_, 1, &dimension, &lower_bound, type_, length, by_value, alignment));
}

Datum Parameter::to_array(std::span<const ItemPointerData> places) {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * places.size()));
    for (std::size_t i = 0; i < places.size(); ++i) {
        elements[i] = PointerGetDatum(&places[i]);
    }
    return PointerGetDatum(construct_array(elements, static_cast<int>(places.size()), TIDOID, sizeof(ItemPointerData),
                                           false, TYPALIGN_SHORT));
}

std::string_view Rows::name(int column) const {
    return NameStr(TupleDescAttr(table_->tupdesc, column)->attname);
}

std::size_t Rows::size(std::uint64_t row) const {
    return table_->vals[row]->t_len;
}

std::optional<Datum> Rows::datum(std::uint64_t row, int column, Oid type) const {
    if (row >= count_) {
        elog(ERROR, "pdpp: a statement returned %llu rows where more were expected",
             static_cast<unsigned long long>(count_));
    }
    const FormData_pg_attribute& found = *TupleDescAttr(table_->tupdesc, column);
    if (!is_read_as(found.atttypid, type)) {
        refuse_type(NameStr(found.attname), found.atttypid, type);
    }
    bool is_null = false;
    const Datum datum = SPI_getbinval(table_->vals[row], table_->tupdesc, column + 1, &is_null);
    if (is_null) {
        return {};
    }
    return datum;
}

std::optional<std::string_view> Rows::text(std::uint64_t row, int column) const {
    const auto value = datum(row, column, TEXTOID);
    if (!value) {
        return {};
    }
    return text_view(*value);
}

std::optional<std::int64_t> Rows::int8(std::uint64_t row, int column) const {
    const auto value = datum(row, column, INT8OID);
    if (!value) {
        return {};
    }
    return DatumGetInt64(*value);
}

std::optional<run::Instant> Rows::instant(std::uint64_t row, int column) const {
    const auto value = datum(row, column, TIMESTAMPTZOID);
    if (!value) {
        return {};
    }
    return to_instant(DatumGetTimestampTz(*value));
}

std::optional<double> Rows::seconds(std::uint64_t row, int column) const {
    const auto value = datum(row, column, INTERVALOID);
    if (!value) {
        return {};
    }
    return DatumGetFloat8(DirectFunctionCall2(interval_part, to_text("epoch"), *value));
}

bool Rows::is_true(std::uint64_t row, int column) const {
    const auto value = datum(row, column, BOOLOID);
    return value && DatumGetBool(*value);
}

std::optional<pg_uuid_t> Rows::uuid(std::uint64_t row, int column) const {
    const auto value = datum(row, column, UUIDOID);
    if (!value) {
        return {};
    }
    return *DatumGetUUIDP(*value);
}

Jsonb* Rows::jsonb(std::uint64_t row, int column) const {
    const auto value = datum(row, column, JSONBOID);
    return value ? DatumGetJsonbP(*value) : nullptr;
}

Rows last_rows() {
    return {SPI_tuptable, SPI_processed};
}

Statement::Bound Statement::bind(std::span<const Parameter> parameters) {
    const int count = static_cast<int>(parameters.size());
    Assert(count <= max_parameters);
    if (plan_ == nullptr) {
        Oid types[max_parameters];
        std::ranges::transform(parameters, types, &Parameter::type);
        SPIPlanPtr plan = SPI_prepare(sql_, count, types);
        if (plan == nullptr || SPI_keepplan(plan) != 0) {
            elog(ERROR, "cannot prepare \"%s\": %s", sql_, SPI_result_code_string(SPI_result));
        }
        plan_ = plan;
    }
    Bound bound;
    std::ranges::transform(parameters, bound.values, &Parameter::value);
    std::ranges::transform(parameters, bound.nulls, [](const Parameter& p) { return p.is_null ? 'n' : ' '; });
    return bound;
}

Rows Statement::execute(std::span<const Parameter> parameters) {
    Bound bound = bind(parameters);
    const int result = SPI_execute_plan(plan_, bound.values, bound.nulls, false, 0);
    if (result < 0) {
        elog(ERROR, "\"%s\" failed: %s", sql_, SPI_result_code_string(result));
    }
    return last_rows();
}

std::uint64_t Statement::change(std::span<const Parameter> parameters) {
    execute(parameters);
    return SPI_processed;
}

void refuse_unwritten(const char* table) {
    ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION), errmsg("a row of pdpp.%s was not written", table),
                    errdetail("A trigger or a rule of somebody's has kept it from being written."),
                    errhint("pdpp_check() says what was done to the tables of pdpp.")));
    pg_unreachable();
}

Portal Statement::open(std::initializer_list<Parameter> parameters) {
    Bound bound = bind(parameters);
    Portal portal = SPI_cursor_open(nullptr, plan_, bound.values, bound.nulls, true);
    if (portal == nullptr) {
        elog(ERROR, "cannot open \"%s\": %s", sql_, SPI_result_code_string(SPI_result));
    }
    return portal;
}

} // namespace pdpp::store
