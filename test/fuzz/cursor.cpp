// Cursors of lists, and of timelines, which Last-Event-ID carries too: one that is accepted is one that was made.

#include "run/list.hpp"
#include "run/timeline.hpp"

#include <cstddef>
#include <cstdint>

using namespace pdpp::run;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto cursor = decode_cursor(text); cursor && encode(*cursor).view() != text) {
        __builtin_trap();
    }
    if (const auto cursor = decode_list_cursor(text);
        cursor && encode(cursor->position(), cursor->tag).view() != text) {
        __builtin_trap();
    }
    if (const auto cursor = decode_connection_cursor(text);
        cursor && encode_connection(cursor->connector_instance_id.view(), cursor->tag).view() != text) {
        __builtin_trap();
    }
    return 0;
}
