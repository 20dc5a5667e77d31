// What connectors print: whatever pieces it comes in, the same is understood; what is kept of it can be stored; and a
// line that a strict parser takes for a DONE is never passed over.

#include "controller/connector_output.hpp"
#include "text/text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

using namespace pdpp::controller;
namespace json = boost::json;

namespace {

void check(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

bool is_done(std::string_view line) {
    json::error_code error;
    const auto value = json::parse(line, error);
    const auto* const object = error ? nullptr : value.if_object();
    const auto* const type = object == nullptr ? nullptr : object->if_contains("type");
    return type != nullptr && type->is_string() && type->get_string() == "DONE";
}

void check_text(const std::optional<std::string>& text) {
    check(!text || pdpp::is_storable(*text));
}

/// A line for each message.
std::string messages_of(std::string_view stream, std::size_t piece) {
    LineSplitter splitter(200);
    std::string all;
    const auto use = [&](const Line& line) {
        const auto message = read_line(line).message;
        if (const auto* const progress = std::get_if<Progress>(&message)) {
            all += json::serialize(progress_data(*progress));
            check_text(progress->stream);
            check_text(progress->message);
        } else if (const auto* const done = std::get_if<Done>(&message)) {
            all += "done " + done->error_message.value_or("");
            check_text(done->error_message);
        } else if (const auto* const unreadable = std::get_if<Unreadable>(&message)) {
            all += unreadable->why;
            check(unreadable->claim != Claim::none);
            check_text(unreadable->why);
        } else {
            check(line.is_too_long || !is_done(line.text));
        }
        all += '\n';
    };
    for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size()))) {
        splitter.feed(stream.substr(0, piece), use);
    }
    splitter.finish(use);
    return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view stream(reinterpret_cast<const char*>(data), size);
    check(messages_of(stream, 1) == messages_of(stream, size + 1));
    return 0;
}
