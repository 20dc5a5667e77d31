#pragma once
// What the commands that list have in common: pages of a SQL function, one or all.

#include "cli/command.hpp"
#include "pq/connection.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::cli {

struct ListOptions {
    std::optional<int> limit;
    std::optional<std::string> cursor;
    bool all = false;
};

/// Arguments that filter, as far as they are given.
class Filters {
  public:
    void add(std::string_view name, std::string_view type, const std::optional<std::string>& value) {
        if (value) {
            arguments_.push_back({name, type, value});
        }
    }
    void add(std::string_view name, std::optional<bool> value) {
        if (value) {
            arguments_.push_back({name, "boolean", *value ? "true" : "false"});
        }
    }

    /// With those of a page.
    [[nodiscard]] std::vector<pq::Argument> with(const ListOptions& options) const;

  private:
    std::vector<pq::Argument> arguments_;
};

/// Prints a page of what the function lists, or every page from there on; for people as `text` has it, with a heading
/// or without.
boost::asio::awaitable<int> print_list(Session session, std::string_view function, Filters filters, ListOptions options,
                                       std::string (*text)(std::string_view body, bool with_heading));

} // namespace pdpp::cli
