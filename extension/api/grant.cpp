// pdpp_grant: which functions a role may call.

#include "run/grant.hpp"
#include "api/arguments.hpp"
#include "boundary.hpp"
#include "run/error.hpp"
#include "store/statement.hpp"

namespace pdpp::api {

namespace {

const char* functions_for(std::optional<std::string_view> kind) {
    if (kind == "owner") {
        return run::owner_functions;
    }
    if (kind == "controller") {
        return run::controller_functions;
    }
    if (kind == "importer") {
        return run::importer_functions;
    }
    refuse(run::ErrorCode::invalid_request, "kind", "kind must be owner, controller or importer");
}

} // namespace

PDPP_FUNCTION(pdpp_grant) {
    // Names come from the catalogue, quoted by the catalogue's own types; the caller's privileges decide.
    static store::Statement grants{
        "select format('grant execute on routine %s to %s', p.oid::regprocedure, $1::oid::regrole)"
        " from pg_proc as p"
        " join pg_depend as d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'"
        " join pg_extension as e on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid"
        " where e.extname = 'pdpp' and p.proname = any ($2::name[]) order by p.proname"};
    return store::in_spi(fcinfo, [&]() -> Jsonb* {
        if (PG_ARGISNULL(0) || GetUserNameFromId(PG_GETARG_OID(0), true) == nullptr) {
            refuse(run::ErrorCode::invalid_request, "role", "role must name a role");
        }
        const char* functions = functions_for(text_argument(fcinfo, 1));
        const store::Rows rows = grants.execute({static_cast<std::int64_t>(PG_GETARG_OID(0)), functions});
        for (std::uint64_t row = 0; row < rows.count(); ++row) {
            SPI_execute(DatumGetCString(DirectFunctionCall1(textout, *rows.datum(row, 0, TEXTOID))), false, 0);
        }
        return nullptr;
    });
}

} // namespace pdpp::api
