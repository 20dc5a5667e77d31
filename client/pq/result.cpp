// Access to single values of a result.

#include "pq/result.hpp"

#include "pq/error.hpp"

namespace pdpp::pq {

std::string_view Result::name() const noexcept {
    const char* const name = PQfname(result_.get(), 0);
    return name == nullptr ? std::string_view{} : name;
}

std::optional<std::string_view> Result::text(int row, int column) const {
    if (row < 0 || row >= rows() || column < 0 || column >= columns()) {
        // our statements have the values that we take: somebody between us and the server mixes up its answers
        throw Error(ErrorKind::connection_lost, not_what_was_asked);
    }
    if (PQgetisnull(result_.get(), row, column) != 0) {
        return std::nullopt;
    }
    return std::string_view{PQgetvalue(result_.get(), row, column),
                            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

} // namespace pdpp::pq
