#pragma once
// The rows of one statement: an owner for libpq's PGresult, with text values only.

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::pq {

/// A value sent to the server as text; nothing is NULL.
using Parameter = std::optional<std::string>;

class Result {
  public:
    /// Takes over `result`.
    explicit Result(PGresult* result) noexcept : result_(result) {}

    [[nodiscard]] int rows() const noexcept { return PQntuples(result_.get()); }
    [[nodiscard]] int columns() const noexcept { return PQnfields(result_.get()); }

    /// The name of the first column; empty if there is none.
    [[nodiscard]] std::string_view name() const noexcept;

    /// The value as PostgreSQL prints it, or nothing for NULL. Lives as long as this result; `row` and `column` count
    /// from 0 and Error `connection_lost` is thrown when there is no such value.
    [[nodiscard]] std::optional<std::string_view> text(int row, int column) const;

  private:
    struct Clear {
        void operator()(PGresult* result) const noexcept { PQclear(result); }
    };

    std::unique_ptr<PGresult, Clear> result_;
};

} // namespace pdpp::pq
