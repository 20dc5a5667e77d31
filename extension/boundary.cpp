#include "boundary.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <exception>
#include <limits>
#include <new>
#include <span>

namespace pdpp {

namespace {

constexpr std::int64_t postgres_epoch_unix_micros =
    (std::int64_t{POSTGRES_EPOCH_JDATE} - UNIX_EPOCH_JDATE) * SECS_PER_DAY * USECS_PER_SEC;

/// PT and the three digits of the HTTP status.
int sqlstate_of(int http_status) {
    return MAKE_SQLSTATE('P', 'T', '0' + http_status / 100, '0' + http_status / 10 % 10, '0' + http_status % 10);
}

const char* to_cstring(std::string_view text) {
    return pnstrdup(text.data(), text.size());
}

void append_json_pair(StringInfo json, const char* key, std::string_view value, bool is_json = false) {
    appendStringInfoString(json, json->len == 1 ? "" : ", ");
    escape_json(json, key);
    appendStringInfoString(json, ": ");
    if (is_json) {
        appendBinaryStringInfo(json, value.data(), static_cast<int>(value.size()));
    } else {
        escape_json(json, to_cstring(value));
    }
}

} // namespace

Datum guarded(Datum (*body)(FunctionCallInfo), FunctionCallInfo fcinfo) {
    // what() is copied out because the exception is gone once its handler is left, and only then may the server raise
    std::array<char, 256> what{};
    bool out_of_memory = false;
    try {
        return body(fcinfo);
    } catch (const std::bad_alloc&) {
        out_of_memory = true;
    } catch (const std::exception& exception) {
        std::strncpy(what.data(), exception.what(), what.size() - 1);
    } catch (...) {
        std::strncpy(what.data(), "an exception of an unknown type", what.size() - 1);
    }
    if (out_of_memory) {
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg_internal("pdpp: %s", what.data())));
    pg_unreachable();
}

void refuse(run::ErrorCode code, std::string_view param, std::string_view message,
            std::initializer_list<Extra> extras) {
    const run::ErrorKind& kind = run::kind_of(code);
    StringInfoData detail;
    initStringInfo(&detail);
    appendStringInfoChar(&detail, '{');
    append_json_pair(&detail, "code", kind.name);
    if (!param.empty()) {
        append_json_pair(&detail, "param", param);
    }
    for (const Extra& extra : std::span{extras.begin(), extras.size()}) {
        append_json_pair(&detail, extra.key, extra.value, extra.is_json);
    }
    appendStringInfoChar(&detail, '}');
    ereport(ERROR,
            (errcode(sqlstate_of(kind.http_status)), errmsg_internal("%s", to_cstring(message)),
             errdetail_internal("%s", detail.data), kind.hint.empty() ? 0 : errhint("%s", to_cstring(kind.hint))));
    pg_unreachable();
}

void refuse_if(const run::Check& check) {
    if (check) {
        refuse(check->code, check->param, join({check->param, " ", check->message}));
    }
}

bool is_read_as(Oid found, Oid expected) {
    if (found == expected) {
        return true;
    }
    const Oid base = getBaseType(found); // a domain says what goes in, not what is there
    return base == expected || (base == VARCHAROID && expected == TEXTOID);
}

void refuse_type(std::string_view column, Oid found, Oid expected) {
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH),
             errmsg("column %.*s is of type %s, not %s", PDPP_TEXT(column), format_type_be(found),
                    format_type_be(expected)),
             errhint("Somebody has altered a table of pdpp: pdpp_check() says where. Give the column its type back.")));
    pg_unreachable();
}

std::string_view text_view(Datum datum) {
    const text* value = DatumGetTextPP(datum);
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

std::string_view join(std::initializer_list<std::string_view> parts) {
    StringInfoData joined;
    initStringInfo(&joined);
    for (const std::string_view part : parts) {
        appendBinaryStringInfo(&joined, part.data(), static_cast<int>(part.size()));
    }
    return {joined.data, static_cast<std::size_t>(joined.len)};
}

Datum to_text(std::string_view text) {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

run::Instant to_instant(TimestampTz timestamp) {
    constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
    return {timestamp > last - postgres_epoch_unix_micros ? last : timestamp + postgres_epoch_unix_micros};
}

TimestampTz to_timestamptz(run::Instant instant) {
    return instant.unix_micros - postgres_epoch_unix_micros;
}

run::Instant now() {
    return to_instant(GetCurrentTimestamp());
}

std::int64_t steady_micros() {
    using namespace std::chrono;
    return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

} // namespace pdpp
