// The header Prefer: each preference once.

#include "http/syntax/prefer.hpp"

#include <cstddef>
#include <cstdint>
#include <set>

using namespace pdpp::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    std::set<std::string> names;
    for (const auto& preference : parse_prefer(text)) {
        if (!names.insert(preference.name).second) {
            __builtin_trap();
        }
    }
    return 0;
}
