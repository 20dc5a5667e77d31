#include "http/follow/followed_runs.hpp"

#include "http/runs/status_body.hpp"
#include "log/log.hpp"

#include <boost/asio/co_spawn.hpp>

#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

FollowedRuns::FollowedRuns(const asio::any_io_executor& executor, std::size_t at_once, pq::SharedReads::Call call,
                           const FollowOptions& options)
    : executor_(executor), reads_(executor, at_once, std::move(call)), options_(options) {}

pq::RunFeed::Subscription FollowedRuns::subscribe(std::string_view run_id, std::function<void()> wake) {
    return feed_.subscribe(run_id, std::move(wake));
}

asio::awaitable<FollowedRuns::Body> FollowedRuns::read(const SqlCall& call, std::vector<pq::Argument> arguments) {
    try {
        auto body = co_await reads_.read(call.function, std::move(arguments));
        if (std::exchange(is_failing_, false)) {
            log::write(log::Level::info, "those who wait are served again");
        }
        co_return body;
    } catch (const pq::Error& error) {
        if (!pq::is_passing(error)) {
            throw;
        }
        if (!std::exchange(is_failing_, true)) { // once for all of them
            log::write(log::Level::warning, {{"sqlstate", error.sqlstate()}}, "those who wait are held up: {:?}",
                       error.what());
        }
    }
    co_return nullptr;
}

std::shared_ptr<const FollowedRuns::Reading> FollowedRuns::begin_read(const SqlCall& call,
                                                                      std::vector<pq::Argument> arguments, Peer& peer) {
    auto reading = std::make_shared<Reading>();
    asio::co_spawn(executor_, read(call, std::move(arguments)),
                   [place = std::weak_ptr(reading), &peer](std::exception_ptr failure, Body body) {
                       const auto wanted = place.lock();
                       if (!wanted) {
                           return;
                       }
                       *wanted = {.is_done = true, .body = std::move(body), .failure = std::move(failure)};
                       peer.wake();
                   });
    return reading;
}

Peer::Time FollowedRuns::next_look(bool has_found) const {
    return asio::steady_timer::clock_type::now() + (has_found ? feed_.patience() : options_.retry_pause);
}

bool has_ended(std::string_view run_status) {
    return is_terminal_status(run_status);
}

} // namespace pdpp::http
