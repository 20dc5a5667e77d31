#include "cli/list.hpp"

#include "pq/reads.hpp"

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

std::vector<pq::Argument> Filters::with(const ListOptions& options) const {
    auto arguments = arguments_;
    if (options.cursor) {
        arguments.push_back({"cursor", "text", options.cursor});
    }
    if (options.limit) {
        arguments.push_back({"page_size", "integer", std::to_string(*options.limit)});
    }
    return arguments;
}

asio::awaitable<int> print_list(Session session, std::string_view function, Filters filters, ListOptions options,
                                std::string (*text)(std::string_view, bool)) {
    const auto executor = co_await asio::this_coro::executor;
    pq::Reads reads(executor, std::move(session.database));
    for (bool is_first = true;; is_first = false) {
        const auto page = co_await reads.read(function, filters.with(options), {});
        print(session.json ? page + "\n" : text(page, is_first));
        options.cursor = next_page(page);
        if (options.cursor && options.all) {
            continue;
        }
        if (options.cursor && !session.json) {
            print("more: --all, or --cursor " + *options.cursor + "\n");
        }
        co_return exit_code::success;
    }
}

} // namespace pdpp::cli
