#include "api/postgrest.hpp"

#include "pg.hpp"

namespace pdpp::api {

void set_response_not_found() {
    // PostgREST sets request.method for the transaction. In parallel mode no setting may change, and it never is there.
    const char* method = GetConfigOption("request.method", true, false);
    if (method != nullptr && *method != '\0' && !IsInParallelMode()) {
        (void)set_config_option("response.status", "404", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
    }
}

} // namespace pdpp::api
