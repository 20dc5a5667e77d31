#pragma once
// The one crossing between C++ and the server.
//
// Two kinds of leaving a function meet here. The server raises errors by longjmp, which runs no destructor; C++ throws
// exceptions, which must not reach the server's C frames. The rules that keep them apart:
//
//   - Every SQL-callable function is defined with PDPP_FUNCTION, whose entry point catches all C++ exceptions and turns
//     them into an ereport after the handler is left.
//   - Code of this extension holds only trivially destructible locals, so a longjmp may pass through any frame. Text is
//     a string_view of server memory or a run::Text; `make lint` refuses the owning containers here.

#include "pg.hpp"
#include "run/error.hpp"
#include "run/instant.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

/// Declares, guards and begins a SQL-callable function: PDPP_FUNCTION(pdpp_run_status) { … fcinfo … }
#define PDPP_FUNCTION(name)                                                                                            \
    static Datum name##_body(FunctionCallInfo fcinfo);                                                                 \
    extern "C" {                                                                                                       \
    PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                                                          \
    PG_FUNCTION_INFO_V1(name);                                                                                         \
    Datum name(PG_FUNCTION_ARGS) {                                                                                     \
        return ::pdpp::guarded(name##_body, fcinfo);                                                                   \
    }                                                                                                                  \
    }                                                                                                                  \
    static Datum name##_body(FunctionCallInfo fcinfo)

/// A string_view for the server's `%.*s`.
#define PDPP_TEXT(text) static_cast<int>((text).size()), (text).data()

namespace pdpp {

/// Calls the body of a SQL function; no C++ exception leaves it.
Datum guarded(Datum (*body)(FunctionCallInfo), FunctionCallInfo fcinfo);

/// One more key for the DETAIL of an error.
struct Extra {
    const char* key;
    std::string_view value;
    bool is_json = false; ///< the value is JSON already, not text
};

/// Raises a typed error: SQLSTATE PTnnn, the message, DETAIL = {"code", "param", extras…}, HINT by code. An empty
/// param is left out.
[[noreturn]] void refuse(run::ErrorCode code, std::string_view param, std::string_view message,
                         std::initializer_list<Extra> extras = {});

/// Raises the fault that a check of the domain found; the message becomes "<param> <what is wrong>".
void refuse_if(const run::Check& check);

/// Whether values of a column of that type can be read as this one: the same, or a domain over it, or varchar for text.
bool is_read_as(Oid found, Oid expected);

/// Raises datatype_mismatch for a column of ours that somebody gave another type than the one it is read as.
[[noreturn]] void refuse_type(std::string_view column, Oid found, Oid expected);

/// A view of a text value (UTF-8: the install script refuses other databases), detoasted if need be; lives as long as
/// the current memory context.
std::string_view text_view(Datum text);

/// Joined in the current memory context.
std::string_view join(std::initializer_list<std::string_view> parts);

/// A text datum in the current memory context.
Datum to_text(std::string_view text);

/// The last decades that a timestamptz can hold, and infinity, become the last instant.
run::Instant to_instant(TimestampTz timestamp);
TimestampTz to_timestamptz(run::Instant instant);

/// The clock, not the transaction's start: events of one transaction have an order.
run::Instant now();

/// Microseconds of a clock that nobody sets, the same in all processes of this host: durations are differences of it.
/// It stands still while the host sleeps.
std::int64_t steady_micros();

} // namespace pdpp
