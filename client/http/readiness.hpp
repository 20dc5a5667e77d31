#pragma once
// Whether the gateway can do its work: is the database there, does the extension fit, is somebody calling the launch
// guard.

#include "pq/pool.hpp"
#include "pq/reconcile.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace pdpp::http {

/// Whether the program works with an extension of this version: of the same major version, and not older than itself.
bool fits(std::string_view extension_version);

class Readiness {
  public:
    /// `guard` must outlive the checks.
    Readiness(const boost::asio::any_io_executor& executor, std::string conninfo, const pq::GuardHealth& guard);

    struct Report {
        bool ready;
        /// `{"database": {"ok": true}, "extension": {"ok": true, "version": "0.3.0"}, "reconciler": {"ok": true, "by":
        /// "worker"}}`. A check that fails says why as `message`; one that could not be made is not there.
        boost::json::object checks;
    };

    /// Asks the database over a connection of its own, so that a busy pool is not taken for a database that is away;
    /// takes two seconds at most.
    boost::asio::awaitable<Report> look();

  private:
    pq::Pool connection_;
    const pq::GuardHealth& guard_;
};

} // namespace pdpp::http
