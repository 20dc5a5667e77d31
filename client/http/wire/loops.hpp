#pragma once
// The event loops of a process, each with a thread of its own; the first, which owns what there is once in a process,
// is run by whoever runs all.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace pdpp::http {

class Loops {
  public:
    explicit Loops(std::size_t count);
    Loops(const Loops&) = delete;
    Loops& operator=(const Loops&) = delete;
    ~Loops();

    [[nodiscard]] std::size_t size() const noexcept { return loops_.size(); }
    boost::asio::io_context& operator[](std::size_t number) noexcept { return *loops_[number]; }
    boost::asio::io_context& first() noexcept { return *loops_.front(); }

    /// Runs all, the first on this thread, until stop(): then each comes back from what it is at. What is thrown on a
    /// loop is logged, and the loop goes on.
    void run();

    /// From any thread.
    void stop() noexcept;

    /// What is done on a loop, by its number.
    using Act = std::function<void(std::size_t)>;

    /// Does something on each loop: at once on that of the caller, soon on the others, in the order of these calls.
    void tell_each(const Act& act);

    /// The same, and returns when it has been done on each. Throws what was thrown on one of them. (gcc 12 needs `act`
    /// to have a name where this is awaited.)
    boost::asio::awaitable<void> do_on_each(Act act);

  private:
    void tell(std::size_t number, std::function<void()> act);

    std::vector<std::unique_ptr<boost::asio::io_context>> loops_;
};

} // namespace pdpp::http
