#include "run/message.hpp"

namespace pdpp::run {

namespace {

constexpr bool continues_a_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

void append_escape(LogText& text, unsigned char code) {
    text.append("\\u00");
    text.append_hex(code);
}

} // namespace

Message bounded_message(std::string_view message) {
    std::size_t characters = 0;
    for (std::size_t i = 0; i < message.size(); ++i) {
        if (continues_a_character(message[i])) {
            continue;
        }
        if (characters == max_message_characters) {
            Message cut{message.substr(0, i)};
            cut.append("…");
            return cut;
        }
        ++characters;
    }
    return Message{message};
}

namespace {

LogText escape(std::string_view text, bool escape_spaces) {
    LogText escaped;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
        if (byte == '\n') {
            escaped.append("\\n");
        } else if (byte == '\\') {
            escaped.append("\\\\");
        } else if (byte < 0x20 || byte == 0x7f || (byte == ' ' && escape_spaces)) {
            append_escape(escaped, byte);
        } else if (byte == 0xc2 && next >= 0x80 && next <= 0x9f) {
            append_escape(escaped, static_cast<unsigned char>(next));
            ++i;
        } else {
            escaped.append(text[i]);
        }
    }
    return escaped;
}

} // namespace

LogText log_text(std::string_view text) {
    return escape(text, false);
}

LogText log_word(std::string_view text) {
    return escape(text, true);
}

} // namespace pdpp::run
