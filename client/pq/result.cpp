// Access to single values of a result.

#include "pq/result.hpp"

#include <stdexcept>

namespace pdpp::pq {

std::optional<std::string_view> Result::text(int row, int column) const {
    if (row < 0 || row >= rows() || column < 0 || column >= columns()) {
        throw std::out_of_range("the result has no such value");
    }
    if (PQgetisnull(result_.get(), row, column) != 0) {
        return std::nullopt;
    }
    return std::string_view{PQgetvalue(result_.get(), row, column),
                            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

} // namespace pdpp::pq
