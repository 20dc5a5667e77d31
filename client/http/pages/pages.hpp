#pragma once
// Pages: what browsers get at the URLs of the API, by the same SQL functions.

#include "http/owner/access.hpp"
#include "http/pages/reading.hpp"
#include "http/pages/run_page.hpp"
#include "http/routes/routing.hpp"
#include "http/runs/database.hpp"
#include "http/syntax/target.hpp"
#include "http/watch/metrics.hpp"
#include "http/wire/message.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pdpp::http {

/// Whether the request would rather have a page than what the API answers; a POST, if it is a form as well. Nearly free
/// for a request whose Accept does not speak of pages.
bool wants_page(const Request& request);

/// The request that a link of a page stands for, whose address says by `as=json` or `as=ndjson` what Accept cannot say
/// there; nothing for an address that does not.
std::optional<Request> as_asked(const Request& request);

class Pages {
  public:
    Pages(Database& database, OwnerAccess& owner, Metrics& metrics)
        : database_(database), owner_(owner), metrics_(metrics) {}

    /// The page of a route of page_routes(), whose session and origin have been checked. Throws Refusal.
    boost::asio::awaitable<Response> answer(const Match& match, const Target& target, const Request& request,
                                            const std::string& peer, const std::string& request_id);

  private:
    struct Asked;

    Response log_in(const Request& request, const std::string& peer);
    Response show_login(const Target& target, const Request& request);
    boost::asio::awaitable<ShownEvents> read_page(const Asked& asked, int limit, const RunPageView& view);
    boost::asio::awaitable<RecentEvents> read_recent(const Asked& asked, std::string_view type, std::int64_t last,
                                                     int reach, int most);
    boost::asio::awaitable<ShownEvents> search(const Asked& asked, const RunPageView& view, std::int64_t last);
    boost::asio::awaitable<void> read_beyond_newest(const Asked& asked, RunPageParts& parts);
    boost::asio::awaitable<void> read_start(const Asked& asked, RunPageParts& parts);
    boost::asio::awaitable<void> read_signs(const Asked& asked, RunPageParts& parts);
    boost::asio::awaitable<Response> show_run(const Asked& asked);
    boost::asio::awaitable<std::string> read_runs(const Asked& asked, std::span<const QueryParameter> query,
                                                  std::optional<std::size_t> limit);
    boost::asio::awaitable<std::string> read_connections(const Asked& asked, std::span<const QueryParameter> query,
                                                         std::size_t limit);
    boost::asio::awaitable<Response> show_runs(const Asked& asked);
    boost::asio::awaitable<Response> act_on_run(const Asked& asked, const SqlCall& call);
    boost::asio::awaitable<Response> start(const Asked& asked, const SqlCall& call, std::string_view argument);
    boost::asio::awaitable<std::string> read_status(const Asked& asked);

    Database& database_;
    OwnerAccess& owner_;
    Metrics& metrics_;
};

} // namespace pdpp::http
