#pragma once
// What is committed about runs, heard over one connection for all who want to know. A notification is only a hint to
// look again: whoever subscribes looks after that, and again whenever it is woken.

#include "pq/connection.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::pq {

class RunFeed {
    struct State;
    using Wakers = std::multimap<std::uint64_t, std::function<void()>>; ///< by the run's digest

  public:
    /// An entry in the feed's list, for as long as it lives.
    class [[nodiscard]] Subscription {
      public:
        Subscription(Subscription&&) noexcept = default;
        Subscription& operator=(Subscription&&) = delete;
        ~Subscription();

      private:
        friend class RunFeed;
        Subscription(std::shared_ptr<State> state, Wakers::iterator place) noexcept;

        std::shared_ptr<State> state_;
        Wakers::iterator place_;
    };

    /// What is done with each new connection before it listens. Must not throw Error for what will not pass.
    using Met = std::function<boost::asio::awaitable<void>(Connection&)>;

    /// Is told the number (run_number()) of each run that something was committed about, whoever waits for it; nothing
    /// when that cannot be excluded for any.
    using Heard = std::function<void(std::optional<std::uint64_t>)>;

    /// `conninfo` must lead to the primary if there are several hosts: a standby has nothing to tell.
    RunFeed(const boost::asio::any_io_executor& executor, std::string conninfo, Met met = {}, Heard heard = {});

    /// Listens until the loop ends. A connection that is lost is made again, as is one to a server that is the primary
    /// no longer, and then everybody is woken, because notifications may have been lost with it.
    boost::asio::awaitable<void> listen();

    /// `wake` is called from now on when something was committed about the run, or when that cannot be excluded. It
    /// must neither subscribe nor end a subscription.
    Subscription subscribe(std::string_view run_id, std::function<void()> wake);

    /// As if something had been committed about every run.
    void wake_all() const;

    /// When to look without having been woken: rarely while the connection stands, often while it does not.
    [[nodiscard]] std::chrono::milliseconds patience() const noexcept;

    [[nodiscard]] std::size_t subscriptions() const noexcept;

  private:
    std::shared_ptr<State> state_;
};

} // namespace pdpp::pq
