// Bodies of requests that start runs: read, or refused.

#include "http/syntax/json_body.hpp"

#include <cstddef>
#include <cstdint>

using namespace pdpp::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Request request;
    request.set(field::content_type, "application/json");
    request.body().assign(reinterpret_cast<const char*>(data), size);
    try {
        read_json_body(request);
    } catch (const Refusal&) {
    }
    return 0;
}
