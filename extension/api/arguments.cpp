#include "api/arguments.hpp"

#include "run/deadline.hpp"
#include "run/event.hpp"
#include "run/id.hpp"
#include "settings.hpp"
#include "store/jsonb.hpp"

#include <algorithm>

namespace pdpp::api {

std::optional<std::string_view> text_argument(FunctionCallInfo fcinfo, int index) {
    if (PG_ARGISNULL(index)) {
        return {};
    }
    return text_view(PG_GETARG_DATUM(index));
}

std::optional<run::Instant> instant_argument(FunctionCallInfo fcinfo, int index) {
    if (PG_ARGISNULL(index)) {
        return {};
    }
    return to_instant(PG_GETARG_TIMESTAMPTZ(index));
}

std::optional<std::int64_t> timeout_argument(FunctionCallInfo fcinfo, int index, std::string_view param) {
    if (index >= PG_NARGS() || PG_ARGISNULL(index)) {
        return {};
    }
    const Interval* interval = PG_GETARG_INTERVAL_P(index);
    const run::Span span{.months = interval->month, .days = interval->day, .micros = interval->time};
    refuse_if(run::check_timeout(span, param));
    return run::micros_of(span);
}

std::int64_t duration_argument(FunctionCallInfo fcinfo, int index, std::string_view param) {
    constexpr double life = 100 * 365.25 * static_cast<double>(USECS_PER_DAY);
    if (PG_ARGISNULL(index)) {
        refuse(run::ErrorCode::invalid_request, param, join({param, " must not be null"}));
    }
    const Interval& interval = *PG_GETARG_INTERVAL_P(index);
    const double days = static_cast<double>(interval.month) * DAYS_PER_MONTH + interval.day;
    const double micros = days * static_cast<double>(USECS_PER_DAY) + static_cast<double>(interval.time);
    if (micros < 0) {
        refuse(run::ErrorCode::invalid_request, param, join({param, " must not be negative"}));
    }
    return static_cast<std::int64_t>(std::min(micros, life));
}

namespace {

/// How many objects and arrays stand one within the other.
int depth_of(const JsonbContainer* data) {
    JsonbIterator* iterator = JsonbIteratorInit(const_cast<JsonbContainer*>(data));
    int depth = 0;
    int deepest = 0;
    JsonbValue value;
    for (JsonbIteratorToken token = WJB_DONE; (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE;) {
        if (token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY) {
            ++depth;
            deepest = std::max(deepest, depth);
        } else if (token == WJB_END_OBJECT || token == WJB_END_ARRAY) {
            --depth;
        }
    }
    return deepest;
}

} // namespace

int too_deep(const JsonbContainer* data, int bytes) {
    constexpr int least_bytes = sizeof(JsonbContainer) + sizeof(JEntry); // of a level: most data need not be looked at
    if (bytes / least_bytes <= run::max_data_depth) {
        return 0;
    }
    const int depth = depth_of(data);
    return depth > run::max_data_depth ? depth : 0;
}

Jsonb* data_argument(FunctionCallInfo fcinfo, int index) {
    if (PG_ARGISNULL(index)) {
        return store::empty_object();
    }
    Jsonb* data = PG_GETARG_JSONB_P(index);
    if (!JB_ROOT_IS_OBJECT(data)) {
        refuse(run::ErrorCode::invalid_request, "data", "data must be a JSON object");
    }
    const auto bytes = static_cast<int>(VARSIZE(data) - VARHDRSZ);
    if (bytes > settings::max_event_bytes) {
        refuse(run::ErrorCode::event_too_large, "data",
               psprintf("data takes %d bytes as stored; at most %d are accepted", bytes, settings::max_event_bytes));
    }
    if (const int depth = too_deep(&data->root, bytes); depth > 0) {
        refuse(run::ErrorCode::invalid_request, "data",
               psprintf("data is nested %d levels deep; at most %d are accepted", depth, run::max_data_depth));
    }
    return data;
}

std::string_view required_id(FunctionCallInfo fcinfo, int index, std::string_view param) {
    const auto id = optional_id(fcinfo, index, param);
    if (!id) {
        refuse(run::ErrorCode::invalid_request, param, join({param, " must not be null"}));
    }
    return *id;
}

std::optional<std::string_view> optional_id(FunctionCallInfo fcinfo, int index, std::string_view param) {
    const auto id = text_argument(fcinfo, index);
    if (id) {
        refuse_if(run::check_id(*id, param));
    }
    return id;
}

} // namespace pdpp::api
