#pragma once
// What is in a column of a row, or of the first of some rows that says anything.

#include "moving_in/instant.hpp"
#include "moving_in/rows.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::moving_in {

inline std::string_view text_in(const Row& row, std::size_t column) {
    return row[column] ? std::string_view(*row[column]) : std::string_view();
}

inline std::optional<std::string> nonempty(std::optional<std::string> text) {
    return text && text->empty() ? std::nullopt : std::move(text);
}

inline std::optional<std::int64_t> instant_in(const Row& row, std::size_t column) {
    return row[column] ? parse_instant(*row[column]) : std::nullopt;
}

inline std::optional<std::string> first_in(const std::vector<const Row*>& rows, std::size_t column) {
    for (const Row* row : rows) {
        if (auto found = nonempty((*row)[column])) {
            return found;
        }
    }
    return std::nullopt;
}

} // namespace pdpp::moving_in
