#include "api/arguments.hpp"

#include "run/id.hpp"
#include "settings.hpp"
#include "store/jsonb.hpp"

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
