// Access to single values of a result.

#include "pq/result.hpp"

#include "pq/error.hpp"

namespace pdpp::pq {

std::optional<std::string_view> Result::text(int row, int column) const {
    if (row < 0 || row >= rows() || column < 0 || column >= columns()) {
        // our statements have the values that we take: somebody between us and the server mixes up its answers
        throw Error(ErrorKind::connection_lost, "what was answered is not what was asked for");
    }
    if (PQgetisnull(result_.get(), row, column) != 0) {
        return std::nullopt;
    }
    return std::string_view{PQgetvalue(result_.get(), row, column),
                            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

} // namespace pdpp::pq
