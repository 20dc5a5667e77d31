// The headers Accept and traceparent: what is chosen was on offer, and a trace id is one.

#include "http/syntax/negotiation.hpp"
#include "http/syntax/traceparent.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

using namespace pdpp::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    constexpr std::array<std::string_view, 3> offer{"application/json", "text/event-stream", "application/x-ndjson"};
    if (const auto type = negotiate(text, offer); type && std::ranges::find(offer, *type) == offer.end()) {
        __builtin_trap();
    }
    if (const auto trace = trace_id_in(text);
        trace && (trace->size() != 32 || trace->find_first_not_of("0123456789abcdef") != std::string::npos)) {
        __builtin_trap();
    }
    return 0;
}
