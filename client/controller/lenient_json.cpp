#include "controller/lenient_json.hpp"

#include <algorithm>

namespace pdpp::controller {

namespace {

bool is_control(char byte) {
    return static_cast<unsigned char>(byte) < 0x20;
}

bool is_of_a_name(char byte) {
    return byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/// What may come before the object: blanks, control characters, byte order marks of any kind.
bool may_come_first(char byte) {
    return is_control(byte) || byte == ' ' ||
           std::string_view("\xef\xbb\xbf\xfe\xff").find(byte) != std::string_view::npos;
}

} // namespace

std::string_view object_in(std::string_view line) {
    const auto* const start = std::ranges::find_if_not(line, may_come_first);
    const auto object = line.substr(static_cast<std::size_t>(start - line.begin()));
    return object.starts_with('{') ? object : std::string_view();
}

void ClaimScanner::feed(std::string_view bytes) {
    for (const char byte : bytes) {
        if (byte != '\0') {
            follow_structure(byte);
            look_for_words(byte);
        }
    }
}

void ClaimScanner::follow_structure(char byte) {
    constexpr std::size_t longest_word = std::string_view("PROGRESS").size();
    if (in_string_) {
        if (escaped_ || byte != '"') {
            if (string_.size() <= longest_word) {
                string_ += byte;
            }
            escaped_ = !escaped_ && byte == '\\';
        } else {
            in_string_ = false;
            string_ended();
        }
        return;
    }
    switch (byte) {
    case '"':
        in_string_ = true;
        string_.clear();
        break;
    case '{':
    case '[':
        ++depth_;
        is_value_ = false;
        key_.clear();
        break;
    case '}':
    case ']':
        is_torn_ = is_torn_ || depth_ == 0;
        depth_ -= depth_ == 0 ? 0 : 1;
        break;
    case ':':
        is_value_ = true;
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
    if (depth_ != 1) {
        return;
    }
    if (!is_value_) {
        key_ = string_;
        statuses_ += key_ == "status" ? 1 : 0;
    } else if (key_ == "type") {
        has_type_ = true;
        if (string_ == "DONE") {
            claim_ = Claim::done;
        } else if (string_ == "PROGRESS" && claim_ == Claim::none) {
            claim_ = Claim::progress;
        }
    }
}

/// Quotes and blanks are left out, so that `'type' : 'DONE'` and `type:DONE` are found as well.
void ClaimScanner::look_for_words(char byte) {
    if (is_control(byte) || byte == ' ' || byte == '"' || byte == '\'') {
        return;
    }
    constexpr std::size_t window = 32;
    if (words_.size() == window) {
        words_.erase(0, window / 2);
    }
    words_ += byte;
    const auto ends_with_type = [this](std::string_view wanted) {
        return words_.ends_with(wanted) &&
               (words_.size() == wanted.size() || !is_of_a_name(words_[words_.size() - wanted.size() - 1]));
    };
    if (ends_with_type("type:DONE")) {
        words_claim_ = Claim::done;
    } else if (ends_with_type("type:PROGRESS")) {
        words_claim_ = std::max(words_claim_, Claim::progress);
    }
}

Claim ClaimScanner::claim(bool is_json) const {
    const bool is_whole = !in_string_ && depth_ == 0 && !is_torn_;
    const bool is_known = has_type_ || is_json;
    return is_whole && is_known ? claim_ : std::max(claim_, words_claim_);
}

} // namespace pdpp::controller
