#pragma once
// Whoever wants to know what is committed about runs, on one thread. A notification is only a hint to look again:
// whoever subscribes looks after that, and again whenever it is woken.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>

namespace pdpp::pq {

class RunFeed {
    struct State;
    using Wakers = std::multimap<std::uint64_t, std::function<void()>>; ///< by run_number()

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

    RunFeed();

    /// `wake` is called from now on when something was committed about the run, or when that cannot be excluded. It
    /// must neither subscribe nor end a subscription.
    Subscription subscribe(std::string_view run_id, std::function<void()> wake);

    /// Something was committed about the run of that number.
    void wake(std::uint64_t run_number) const;

    /// As if something had been committed about every run.
    void wake_all() const;

    /// Whether anybody listens.
    void set_listening(bool is_listening) noexcept;

    /// When to look without having been woken: rarely while somebody listens, often while nobody does.
    [[nodiscard]] std::chrono::milliseconds patience() const noexcept;

    [[nodiscard]] std::size_t subscriptions() const noexcept;

  private:
    std::shared_ptr<State> state_;
};

} // namespace pdpp::pq
