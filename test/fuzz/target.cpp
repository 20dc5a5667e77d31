// Request targets: every one is taken apart or refused, and finds its route or is refused.

#include "http/routes/routing.hpp"
#include "text/text.hpp"

#include <cstddef>
#include <cstdint>

using namespace pdpp::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto target = parse_target({reinterpret_cast<const char*>(data), size});
        for (const auto& segment : target.segments) {
            if (!pdpp::is_storable(segment)) {
                __builtin_trap();
            }
        }
        for (const auto& parameter : target.query) {
            if (!pdpp::is_storable(parameter.name) || !pdpp::is_storable(parameter.value)) {
                __builtin_trap();
            }
        }
        const auto match = find_route(routes(), verb::get, target);
        if (const auto* const call = std::get_if<SqlCall>(&match.route.answer)) {
            bind_arguments(*call, match.variables, target.query, {});
        }
    } catch (const Refusal&) {
    }
    return 0;
}
