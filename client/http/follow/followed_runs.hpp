#pragma once
// What waiting and streaming share: the feed that tells when to look at a run again, and reads of it that go on over a
// database that is away for a while.

#include "http/routes/mapping.hpp"
#include "http/wire/peer.hpp"
#include "pq/run_feed.hpp"
#include "pq/shared_reads.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::http {

struct FollowOptions {
    std::chrono::seconds wait_limit = std::chrono::seconds(60);             ///< the longest `Prefer: wait=N`
    std::chrono::milliseconds keep_alive = std::chrono::seconds(15);        ///< the longest silence of an event stream
    std::chrono::milliseconds retry_pause = std::chrono::milliseconds(500); ///< after a read that failed
};

class FollowedRuns {
  public:
    using Body = pq::SharedReads::Body;

    /// At most `at_once` reads are under way at a time.
    FollowedRuns(const boost::asio::any_io_executor& executor, std::size_t at_once, pq::SharedReads::Call call,
                 const FollowOptions& options);

    [[nodiscard]] const FollowOptions& options() const noexcept { return options_; }

    /// Where those are woken who wait.
    pq::RunFeed& feed() noexcept { return feed_; }

    /// `wake` is called when something is committed about the run, for as long as the subscription lives.
    pq::RunFeed::Subscription subscribe(std::string_view run_id, std::function<void()> wake);

    /// What `call` answers now; null if the database is away for the moment. Throws pq::Error for what will not pass.
    boost::asio::awaitable<Body> read(const SqlCall& call, std::vector<pq::Argument> arguments);

    /// A read that is under way. Who lets go of it does not hear of its end.
    struct Reading {
        bool is_done = false;
        Body body;                  ///< as of read()
        std::exception_ptr failure; ///< what read() threw
    };

    /// The same, for those who have something else to do meanwhile: `peer`, which must outlive the reading, is woken
    /// when it is done.
    std::shared_ptr<const Reading> begin_read(const SqlCall& call, std::vector<pq::Argument> arguments, Peer& peer);

    /// When to read again without having been woken, after a read that did, or did not, find out.
    [[nodiscard]] Peer::Time next_look(bool has_found) const;

  private:
    boost::asio::any_io_executor executor_;
    pq::RunFeed feed_;
    pq::SharedReads reads_;
    FollowOptions options_;
    bool is_failing_ = false;
};

/// Whether the run of this status body has ended.
bool has_ended(std::string_view run_status);

} // namespace pdpp::http
