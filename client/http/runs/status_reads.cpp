// A queue, and the calls that take from it.

#include "http/runs/status_reads.hpp"

#include "pq/wake.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using Clock = asio::steady_timer::clock_type;

/// One request. Shared, because its coroutine may be gone before the answer comes.
struct StatusReads::Waiting {
    Waiting(const asio::any_io_executor& executor, std::string run_id_)
        : run_id(std::move(run_id_)), since(Clock::now()), settled(executor) {}

    void answer_with(StatusAnswer given) {
        answer = std::move(given);
        settled.up();
    }
    void fail_with(std::exception_ptr thrown) {
        failure = std::move(thrown);
        settled.up();
    }

    std::string run_id;
    Clock::time_point since;
    int attempts = 0;
    bool alone = false; ///< it was refused in company
    pq::Wake settled;
    std::optional<StatusAnswer> answer;
    std::exception_ptr failure;
};

struct StatusReads::State : std::enable_shared_from_this<State> {
    using Batch = std::vector<std::shared_ptr<Waiting>>;

    State(asio::any_io_executor executor_, Fetch fetch_, Limits limits_)
        : executor(std::move(executor_)), fetch(std::move(fetch_)), limits(limits_), head_start(executor),
          sweep(executor) {}

    void enqueue(std::shared_ptr<Waiting> waiting);
    [[nodiscard]] bool may_board() const noexcept;
    void begin_call();
    asio::awaitable<void> call();
    asio::awaitable<void> call_once();
    void lead(std::uint64_t call_number);
    Batch take();
    void put_back(const Batch& batch);
    void failed(const Batch& batch, Clock::time_point began, const std::exception_ptr& failure);
    void fail_waiting(Clock::time_point since, const std::exception_ptr& failure);
    void watch_patience();

    asio::any_io_executor executor;
    Fetch fetch;
    Limits limits;
    std::deque<std::shared_ptr<Waiting>> queue;
    std::size_t calls = 0;
    bool boarding = false;          ///< one of the calls has not taken its ids yet
    std::uint64_t calls_so_far = 0; ///< those that have taken ids
    std::uint64_t leading = 0;      ///< the number of the call that has its head start, or 0
    asio::steady_timer head_start;
    asio::steady_timer sweep;
    bool is_watching = false;
};

void StatusReads::State::enqueue(std::shared_ptr<Waiting> waiting) {
    queue.push_back(std::move(waiting));
    begin_call();
    watch_patience();
}

bool StatusReads::State::may_board() const noexcept {
    return !queue.empty() && !boarding && leading == 0;
}

void StatusReads::State::begin_call() {
    if (calls == limits.calls || !may_board()) {
        return;
    }
    boarding = true;
    ++calls;
    asio::co_spawn(
        executor, [self = shared_from_this()] { return self->call(); }, asio::detached);
}

asio::awaitable<void> StatusReads::State::call() {
    // The requests that have arrived already are read first, and come along.
    co_await asio::post(executor, asio::use_awaitable);
    while (boarding) {
        co_await call_once();
        if (!may_board()) {
            break; // another call takes what there is
        }
        boarding = true;
    }
    --calls;
}

/// One call, which is the one that boards. When it ends, `boarding` tells of others.
asio::awaitable<void> StatusReads::State::call_once() {
    const auto began = Clock::now();
    Batch batch;
    std::uint64_t number = 0; // until it has left
    const auto leave = [&] {
        number = ++calls_so_far;
        boarding = false;
        batch = take();
        lead(number);
        std::vector<std::string> run_ids;
        run_ids.reserve(batch.size());
        for (const auto& waiting : batch) {
            run_ids.push_back(waiting->run_id);
        }
        return run_ids;
    };
    std::exception_ptr failure;
    try {
        auto answers = co_await fetch(leave);
        if (answers.size() != batch.size()) {
            throw std::logic_error("the database answered for another number of runs");
        }
        for (std::size_t i = 0; i < batch.size(); ++i) {
            batch[i]->answer_with(std::move(answers[i]));
        }
    } catch (...) {
        failure = std::current_exception();
    }
    if (number == 0) {
        boarding = false;
    } else if (leading == number) {
        leading = 0;
    }
    if (failure) {
        failed(batch, began, failure);
    }
}

/// Until this call returns, or has had its head start, no other begins.
void StatusReads::State::lead(std::uint64_t call_number) {
    leading = call_number;
    head_start.expires_after(limits.head_start);
    head_start.async_wait([state = weak_from_this(), call_number](boost::system::error_code cancelled) {
        const auto self = state.lock();
        if (cancelled || !self || self->leading != call_number) {
            return;
        }
        self->leading = 0;
        self->begin_call();
    });
}

/// The ids that go together: those in front, or a single one that must go alone.
StatusReads::State::Batch StatusReads::State::take() {
    const auto most = std::min(limits.batch, std::max(limits.small_batch, queue.size() / 4));
    Batch batch;
    while (!queue.empty() && batch.size() < most && (batch.empty() || !queue.front()->alone)) {
        batch.push_back(std::move(queue.front()));
        queue.pop_front();
        if (batch.back()->alone) {
            break;
        }
    }
    return batch;
}

void StatusReads::State::put_back(const Batch& batch) {
    for (const auto& waiting : batch) {
        waiting->since = Clock::now();
    }
    queue.insert(queue.begin(), batch.begin(), batch.end());
    watch_patience();
}

void StatusReads::State::failed(const Batch& batch, Clock::time_point began, const std::exception_ptr& failure) {
    bool is_lost = false;
    bool may_be_ones_own = false;
    try {
        std::rethrow_exception(failure);
    } catch (const pq::Error& error) {
        is_lost = error.kind() == pq::ErrorKind::connection_lost;
        may_be_ones_own = error.kind() == pq::ErrorKind::refused && !pq::is_passing(error) && batch.size() > 1;
    } catch (...) {
        // a mistake of ours
    }
    if (batch.empty()) { // there was no connection
        fail_waiting(began, failure);
    }
    Batch again;
    for (const auto& waiting : batch) {
        waiting->alone |= may_be_ones_own;
        if (may_be_ones_own || (is_lost && ++waiting->attempts < limits.attempts)) {
            again.push_back(waiting);
        } else {
            waiting->fail_with(failure);
        }
    }
    put_back(again);
}

/// Fails all that have waited since then, or longer.
void StatusReads::State::fail_waiting(Clock::time_point since, const std::exception_ptr& failure) {
    std::erase_if(queue, [&](const auto& waiting) {
        const bool is_due = waiting->since <= since;
        if (is_due) {
            waiting->fail_with(failure);
        }
        return is_due;
    });
}

/// Sees to it that nobody waits for longer than the patience lasts.
void StatusReads::State::watch_patience() {
    if (is_watching || queue.empty()) {
        return;
    }
    const auto longest = std::ranges::min_element(queue, {}, [](const auto& waiting) { return waiting->since; });
    is_watching = true;
    sweep.expires_at((*longest)->since + limits.patience);
    sweep.async_wait([state = weak_from_this()](boost::system::error_code cancelled) {
        const auto self = state.lock();
        if (cancelled || !self) {
            return;
        }
        self->is_watching = false;
        const pq::Error busy(pq::ErrorKind::cannot_connect, "all database connections are in use");
        self->fail_waiting(Clock::now() - self->limits.patience, std::make_exception_ptr(busy));
        self->watch_patience();
    });
}

StatusReads::StatusReads(const asio::any_io_executor& executor, Fetch fetch, Limits limits)
    : state_(std::make_shared<State>(executor, std::move(fetch), limits)) {}

std::size_t StatusReads::waiting() const noexcept {
    return state_->queue.size();
}

asio::awaitable<StatusAnswer> StatusReads::read(std::string run_id) {
    const auto waiting = std::make_shared<Waiting>(state_->executor, std::move(run_id));
    state_->enqueue(waiting);
    co_await waiting->settled.wait();
    if (waiting->failure) {
        std::rethrow_exception(waiting->failure);
    }
    co_return std::move(*waiting->answer);
}

} // namespace pdpp::http
