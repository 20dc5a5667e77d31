#pragma once
// The list of runs.

#include "http/pages/page.hpp"
#include "http/syntax/target.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

/// What was read for it.
struct RunsPageParts {
    std::string_view runs;     ///< the body of the list
    std::string_view all_runs; ///< the same as the API has it at this address, which may be more than there is room for
    std::string_view connections;      ///< that of the connections; empty if they could not be read
    std::size_t connections_limit = 0; ///< how many of them were asked for
};

/// What the list of connections is asked for in the API, beside a list of runs with this query.
std::vector<QueryParameter> connections_query(std::span<const QueryParameter> query, std::size_t limit);

/// `query` has filters of the API, none of them empty; `now` in milliseconds.
void fill_runs_page(Page& page, std::span<const QueryParameter> query, const RunsPageParts& parts, std::int64_t now,
                    const Room& room);

} // namespace pdpp::http
