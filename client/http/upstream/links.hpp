#pragma once
// The connections to the server behind: those that are open and idle, and new ones.

#include "http/upstream/link.hpp"

#include <boost/asio/ssl/context.hpp>

#include <optional>
#include <vector>

namespace pdpp::http {

class Links {
  public:
    Links(const boost::asio::any_io_executor& executor, UpstreamAddress address);

    /// One that has served before, as far as can be known still fit for another request; null if there is none.
    std::shared_ptr<Link> idle();

    /// A new one. Throws Refusal 502 `upstream_unavailable` or 504 `upstream_timeout`, and logs why.
    boost::asio::awaitable<std::shared_ptr<Link>> open(std::string_view request_id);

    /// Takes one back on which nothing is under way.
    void give_back(std::shared_ptr<Link> link);

    [[nodiscard]] const UpstreamAddress& address() const noexcept { return address_; }

  private:
    boost::asio::any_io_executor executor_;
    UpstreamAddress address_;
    std::optional<boost::asio::ssl::context> tls_;
    std::vector<std::shared_ptr<Link>> idle_;
};

} // namespace pdpp::http
