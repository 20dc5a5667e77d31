// Finding where values end: by their quotes and brackets.

#include "pq/jsonb_text.hpp"

namespace pdpp::pq {

namespace {

/// The place behind the string that begins at `from`.
std::size_t string_end(std::string_view text, std::size_t from) {
    for (auto i = text.find_first_of("\"\\", from + 1); i != std::string_view::npos;
         i = text.find_first_of("\"\\", i + 2)) {
        if (text[i] == '"') {
            return i + 1;
        }
    }
    return text.size();
}

/// The place behind the value that begins at `from`.
std::size_t value_end(std::string_view text, std::size_t from) {
    std::size_t depth = 0;
    auto i = from;
    do {
        i = text.find_first_of(R"("{}[],)", i);
        if (i == std::string_view::npos) {
            return text.size();
        }
        switch (text[i]) {
        case '"':
            i = string_end(text, i);
            break;
        case '{':
        case '[':
            ++depth;
            ++i;
            break;
        case ',':
            if (depth == 0) {
                return i;
            }
            ++i;
            break;
        default: // a closing bracket: of what the value stands in, if it is a number or a word
            if (depth == 0) {
                return i;
            }
            --depth;
            ++i;
        }
    } while (depth > 0);
    return i;
}

/// Walks over the comma-separated values in an object or an array.
class Values {
  public:
    explicit Values(std::string_view container) : text_(container) {}

    /// Moves to the next value, or the next key; false at the end.
    bool next() {
        begin_ = text_.find_first_not_of(",: \n\t\r", end_);
        if (begin_ == std::string_view::npos || text_[begin_] == '}' || text_[begin_] == ']') {
            return false;
        }
        end_ = text_[begin_] == '"' ? string_end(text_, begin_) : value_end(text_, begin_);
        return true;
    }

    [[nodiscard]] std::string_view text() const { return text_.substr(begin_, end_ - begin_); }

  private:
    std::string_view text_;
    std::size_t begin_ = 0;
    std::size_t end_ = 1; ///< behind the opening bracket
};

} // namespace

std::optional<std::string_view> member_of(std::string_view object, std::string_view key) {
    Values values(object);
    while (values.next()) {
        const auto name = values.text();
        values.next();
        if (name.substr(1, name.size() - 2) == key) {
            return values.text();
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> elements_of(std::string_view array) {
    std::vector<std::string_view> elements;
    Values values(array);
    while (values.next()) {
        elements.push_back(values.text());
    }
    return elements;
}

} // namespace pdpp::pq
