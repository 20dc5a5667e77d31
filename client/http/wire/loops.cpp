#include "http/wire/loops.hpp"

#include "log/log.hpp"
#include "pq/condition.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <thread>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

void run_until_stopped(asio::io_context& loop) {
    while (!loop.stopped()) {
        try {
            loop.run();
        } catch (const std::exception& error) {
            log::write(log::Level::error, log::Fields{}, log::Quoted{error.what()});
        }
    }
}

/// What has not come back yet. For the loop that waits.
struct Outstanding {
    Outstanding(const asio::any_io_executor& executor, std::size_t count_) : count(count_), all_are_back(executor) {}

    std::size_t count;
    std::exception_ptr failure;
    pq::Condition all_are_back;
};

} // namespace

Loops::Loops(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        loops_.push_back(std::make_unique<asio::io_context>(1));
    }
}

/// What is left on the others may belong to the first.
Loops::~Loops() {
    while (!loops_.empty()) {
        loops_.pop_back();
    }
}

void Loops::run() {
    std::vector<std::thread> threads;
    // a loop that has nothing to do waits for what it is given
    std::vector<asio::executor_work_guard<asio::io_context::executor_type>> busy;
    const auto end = [&]() noexcept {
        stop();
        for (auto& thread : threads) {
            thread.join();
        }
    };
    try {
        for (const auto& loop : loops_) {
            busy.emplace_back(loop->get_executor());
        }
        for (std::size_t i = 1; i < size(); ++i) {
            threads.emplace_back([loop = loops_[i].get()] { run_until_stopped(*loop); });
        }
        run_until_stopped(first());
    } catch (...) { // no thread can be had
        end();
        throw;
    }
    end();
}

void Loops::stop() noexcept {
    for (const auto& loop : loops_) {
        loop->stop();
    }
}

void Loops::tell(std::size_t number, std::function<void()> act) {
    if (loops_[number]->get_executor().running_in_this_thread()) {
        act();
    } else {
        asio::post(*loops_[number], std::move(act));
    }
}

void Loops::tell_each(const Act& act) {
    for (std::size_t i = 0; i < size(); ++i) {
        tell(i, [act, i] { act(i); });
    }
}

asio::awaitable<void> Loops::do_on_each(Act act) {
    const auto executor = co_await asio::this_coro::executor;
    const auto outstanding = std::make_shared<Outstanding>(executor, size());
    const auto come_back = [executor, outstanding](const std::exception_ptr& failure) {
        asio::dispatch(executor, [outstanding, failure] {
            if (failure) {
                outstanding->failure = failure;
            }
            --outstanding->count;
            outstanding->all_are_back.changed();
        });
    };
    tell_each([act = std::move(act), come_back](std::size_t number) {
        std::exception_ptr failure;
        try {
            act(number);
        } catch (...) {
            failure = std::current_exception();
        }
        come_back(failure);
    });
    const auto* const left = outstanding.get(); // gcc 12 cannot keep a closure with a destructor in a co_await
    co_await outstanding->all_are_back.until([left] { return left->count == 0; });
    if (outstanding->failure) {
        std::rethrow_exception(outstanding->failure);
    }
}

} // namespace pdpp::http
