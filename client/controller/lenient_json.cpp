#include "controller/lenient_json.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace pdpp::controller {

namespace {

bool is_control(char byte) {
    return static_cast<unsigned char>(byte) < 0x20;
}

bool is_of_a_name(char byte) {
    return byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/// How many bytes at the front of `text` nobody sees: a control character or sequence of a terminal, a blank, a byte
/// order mark, or what Unicode has of the kind. 0 if what stands there is seen.
std::size_t unseen(std::string_view text) {
    if (text.starts_with("\x1b[")) {
        const auto end = std::ranges::find_if(text.substr(2), [](char byte) { return byte >= '@' && byte <= '~'; });
        return end == text.end() ? text.size() : static_cast<std::size_t>(end - text.begin()) + 1;
    }
    // U+00A0, U+00AD, U+3000, U+FEFF; U+2000 to U+200F, U+2028 to U+202F, U+205F to U+206F
    for (const std::string_view start : {"\xc2\xa0", "\xc2\xad", "\xe3\x80\x80", "\xef\xbb\xbf"}) {
        if (text.starts_with(start)) {
            return start.size();
        }
    }
    if ((text.starts_with("\xe2\x80") || text.starts_with("\xe2\x81")) && text.size() > 2) {
        const auto last = static_cast<unsigned char>(text[2]);
        const bool is_unseen = text[1] == '\x80' ? last < 0x90 || (last >= 0xa8 && last <= 0xaf) : last >= 0x9f;
        return is_unseen ? 3 : 0;
    }
    constexpr std::string_view byte_order_marks = "\xfe\xff";
    const bool is_unseen = is_control(text.front()) || text.front() == ' ' || text.front() == '\x7f' ||
                           byte_order_marks.find(text.front()) != std::string_view::npos;
    return is_unseen ? 1 : 0;
}

} // namespace

std::string_view object_in(std::string_view line) {
    const auto start = std::min(line.find('{'), line.size());
    auto front = line.substr(0, start);
    // what stands before a carriage return is overwritten on a terminal: a display of progress
    front.remove_prefix(front.rfind('\r') + 1);
    while (!front.empty()) {
        const auto size = unseen(front);
        if (size == 0) {
            return {};
        }
        front.remove_prefix(size);
    }
    return line.substr(start);
}

void ClaimScanner::feed(std::string_view bytes) {
    for (const char byte : bytes) {
        if (byte != '\0') {
            decode(byte);
        }
    }
}

/// Escapes, of which one may be cut by the end of what is fed. What is no ASCII is of no interest.
void ClaimScanner::decode(char byte) {
    constexpr std::size_t digits = 4;
    if (!is_escape_) {
        is_escape_ = byte == '\\';
        if (!is_escape_) {
            look_at(byte, false);
        }
        return;
    }
    if (escape_.empty() && byte != 'u') {
        is_escape_ = false;
        look_at(byte, true);
        return;
    }
    if (!escape_.empty() && std::isxdigit(static_cast<unsigned char>(byte)) == 0) {
        is_escape_ = false;
        escape_.clear();
        decode(byte);
        return;
    }
    escape_ += byte;
    if (escape_.size() > digits) {
        unsigned unit = 0;
        std::from_chars(escape_.data() + 1, escape_.data() + escape_.size(), unit, 16);
        is_escape_ = false;
        escape_.clear();
        if (unit != 0) {
            look_at(unit < 0x80 ? static_cast<char>(unit) : '?', true);
        }
    }
}

void ClaimScanner::look_at(char character, bool is_escaped) {
    follow_structure(character, is_escaped);
    look_for_words(character, is_escaped);
}

void ClaimScanner::follow_structure(char character, bool is_escaped) {
    constexpr std::size_t longest_word = std::string_view("PROGRESS").size();
    if (in_string_) {
        if (is_escaped || character != '"') {
            if (string_.size() <= longest_word) {
                string_ += character;
            }
        } else {
            in_string_ = false;
            string_ended();
        }
        return;
    }
    switch (is_escaped ? ' ' : character) {
    case '"':
        in_string_ = true;
        string_.clear();
        break;
    case '{':
        ++braces_;
        is_value_ = false;
        key_.clear();
        break;
    case '}':
        is_torn_ = is_torn_ || braces_ == 0 || (braces_ == 1 && brackets_ > 0);
        braces_ -= braces_ == 0 ? 0 : 1;
        break;
    case '[': // around objects they do not matter
        brackets_ += braces_ > 0 ? 1 : 0;
        is_value_ = false;
        key_.clear();
        break;
    case ']':
        is_torn_ = is_torn_ || (braces_ > 0 && brackets_ == 0);
        brackets_ -= brackets_ == 0 ? 0 : 1;
        break;
    case ':': // a time of the day is no key
        is_value_ = braces_ > 0 || !key_.empty();
        break;
    case ',':
        is_value_ = false;
        key_.clear();
        break;
    default:
        break;
    }
}

void ClaimScanner::string_ended() {
    if (braces_ > 1 || brackets_ > 0) {
        return;
    }
    if (!is_value_) {
        key_ = string_;
        statuses_ += key_ == "status" ? 1 : 0;
    } else if (key_ == "type") {
        ++types_;
        if (string_ == "DONE") {
            claim_ = Claim::done;
        } else if (string_ == "PROGRESS" && claim_ == Claim::none) {
            claim_ = Claim::progress;
        }
    }
}

void ClaimScanner::look_for_words(char character, bool is_escaped) {
    const bool is_quote = character == '"' || (character == '\'' && words_wanted_ == Words::any);
    if (is_control(character) || character == ' ' || (is_quote && words_wanted_ == Words::any)) {
        return;
    }
    constexpr std::size_t window = 32;
    if (words_.size() >= window) {
        words_.erase(0, window / 2);
    }
    if (is_quote && is_escaped) {
        words_ += '\\';
    }
    words_ += character;
    const auto ends_with = [this](std::string_view wanted) {
        return words_.ends_with(wanted) &&
               (words_.size() == wanted.size() || !is_of_a_name(words_[words_.size() - wanted.size() - 1]));
    };
    const bool is_any = words_wanted_ == Words::any;
    if (ends_with(is_any ? "type:DONE" : R"("type":"DONE")")) {
        words_claim_ = Claim::done;
    } else if (ends_with(is_any ? "type:PROGRESS" : R"("type":"PROGRESS")")) {
        words_claim_ = std::max(words_claim_, Claim::progress);
    }
}

Claim ClaimScanner::claim(bool is_json) const {
    const bool is_whole = !in_string_ && braces_ == 0 && brackets_ == 0 && !is_torn_;
    const bool is_known = types_ > 0 || is_json || words_wanted_ == Words::quoted;
    return is_whole && is_known ? claim_ : std::max(claim_, words_claim_);
}

} // namespace pdpp::controller
