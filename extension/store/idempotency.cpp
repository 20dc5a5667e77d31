#include "store/idempotency.hpp"

#include "store/statement.hpp"

namespace pdpp::store {

std::optional<KeyedAdmission> find_key(std::string_view key, const bytea* digest) {
    static Statement find{"select run_id, digest = $2"
                          " from pdpp.idempotency_keys where key = $1"};
    const Rows rows = find.execute({key, digest});
    if (!rows.any()) {
        return {};
    }
    return KeyedAdmission{.run_id = required(rows.text(0, 0)), .same_arguments = rows.is_true(0, 1)};
}

bool take_key(std::string_view key, std::string_view run_id, const bytea* digest, OnConflict on_conflict) {
#define INSERT_KEY "insert into pdpp.idempotency_keys (key, run_id, digest, created_at) values ($1, $2, $3, $4)"
    static Statement insert_or_skip{INSERT_KEY " on conflict do nothing"};
    static Statement insert_or_raise{INSERT_KEY};
#undef INSERT_KEY
    const bool skips = on_conflict == OnConflict::skip;
    const bool is_written = (skips ? insert_or_skip : insert_or_raise).change({key, run_id, digest, now()}) > 0;
    if (!is_written && !skips) {
        refuse_unwritten("idempotency_keys");
    }
    return is_written;
}

} // namespace pdpp::store
