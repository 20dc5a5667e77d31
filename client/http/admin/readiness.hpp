#pragma once
// Whether the gateway can do its work: is the database there, does it take writes, does the extension fit, is there
// room for notifications, is somebody calling the launch guard, and is what it hands out as durable as promised.

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

/// What is said about a queue of notifications of so many pages that is filled so far, from 0 to 1.
boost::json::object notifications_check(double queue_usage, double queue_pages);

class Readiness {
  public:
    /// `conninfo` may name several hosts; the primary is asked. `guard` must outlive the checks.
    Readiness(const boost::asio::any_io_executor& executor, const std::string& conninfo, const pq::GuardHealth& guard);

    struct Report {
        bool ready;
        /// `{"database": {"ok": true}, "writes": {"ok": true}, "extension": {"ok": true, "version": "0.3.0"},
        /// "notifications": {"ok": true, "queue_usage": 0.0}, "reconciler": {"ok": true, "by": "worker"}, "durability":
        /// {"ok": true}}`. A check that fails says why as `message`, or one that warns what of; one that could not be
        /// made is not there.
        boost::json::object checks;
    };

    /// Asks the database over a connection of its own, so that a busy pool is not taken for a database that is away;
    /// takes two seconds at most, and a tenth of one more where a connection came in the last moment.
    boost::asio::awaitable<Report> look();

  private:
    bool has_several_hosts_;
    pq::Pool connection_;
    const pq::GuardHealth& guard_;
};

} // namespace pdpp::http
