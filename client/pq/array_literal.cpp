#include "pq/array_literal.hpp"

namespace pdpp::pq {

std::string array_literal(std::span<const Parameter> elements) {
    std::string literal;
    for (const auto& element : elements) {
        literal += literal.empty() ? '{' : ',';
        if (!element) {
            literal += "NULL";
            continue;
        }
        literal += '"';
        for (const char letter : *element) {
            if (letter == '"' || letter == '\\') {
                literal += '\\';
            }
            literal += letter;
        }
        literal += '"';
    }
    return literal.empty() ? "{}" : literal + '}';
}

} // namespace pdpp::pq
