#pragma once
// The connections to the server behind: those that are open and idle, and new ones.

#include "http/upstream/address.hpp"
#include "http/upstream/link.hpp"
#include "http/upstream/name_lookup.hpp"

#include <boost/asio/ssl/context.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace pdpp::http {

class Links {
  public:
    /// `patience` is for a new one: its name, the connection, and TLS.
    Links(const boost::asio::any_io_executor& executor, UpstreamAddress address,
          std::chrono::milliseconds patience = usual_patience);

    /// One that has served before, as far as can be known still fit for another request; null if there is none.
    std::shared_ptr<Link> idle();

    /// A new one, or why there is none: asio::error::timed_out if it takes too long.
    boost::asio::awaitable<std::pair<std::shared_ptr<Link>, Link::Failure>> connect();

    /// The same. Throws Refusal 502 `upstream_unavailable` or 504 `upstream_timeout`, and logs why.
    boost::asio::awaitable<std::shared_ptr<Link>> open(std::string_view request_id);

    /// Takes one back on which nothing is under way.
    void give_back(std::shared_ptr<Link> link);

  private:
    /// A server that is there is reached at once.
    static constexpr std::chrono::milliseconds usual_patience = std::chrono::seconds(5);

    boost::asio::any_io_executor executor_;
    UpstreamAddress address_;
    std::chrono::milliseconds patience_;
    NameLookup lookup_;
    std::optional<boost::asio::ssl::context> tls_;
    std::vector<std::shared_ptr<Link>> idle_;
};

} // namespace pdpp::http
