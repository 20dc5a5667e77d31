#pragma once
// Status reads, gathered: what is asked for while a call is on its way goes to the database together, in the next one.
// A request that finds none on its way goes at once and waits for no company; a call that takes long is not waited for.

#include "pq/reads.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace pdpp::http {

using StatusAnswer = pq::Answer; ///< the status, or the envelope of an unknown run

class StatusReads {
  public:
    /// Hands over the ids that go together. To be called once, as late as possible.
    using Take = std::function<std::vector<std::string>()>;
    /// One call of the database: an answer for each id, in their order.
    using Fetch = std::function<boost::asio::awaitable<std::vector<StatusAnswer>>(Take)>;

    struct Limits {
        std::size_t calls; ///< at the same time: the number of connections
        /// Ids in one call: a quarter of those that wait, within these bounds. While the database reads one batch, the
        /// answers of the one before it are written; were all taken at once, the two would take turns.
        std::size_t small_batch = 16;
        std::size_t batch = 256;
        /// How long the next call waits for the last one to return. With a server nearby one connection is enough, and
        /// a second would only take the processor from the gateway; a slow call, or a distant server, is not waited
        /// for.
        std::chrono::milliseconds head_start = std::chrono::milliseconds(5);
        /// How long a request may wait for a call to take it along.
        std::chrono::milliseconds patience = std::chrono::seconds(2);
        /// Calls a request may lose its connection in: a read is asked again.
        int attempts = 3;
    };

    StatusReads(const boost::asio::any_io_executor& executor, Fetch fetch, Limits limits);

    /// The answer for one id, read after this was called. Throws what the call that took it along threw, or Error
    /// `cannot_connect` when none did in time. A refusal that one id alone may have caused is not shared: the others
    /// are asked for again, each by itself.
    boost::asio::awaitable<StatusAnswer> read(std::string run_id);

    /// Requests that no call has taken along yet.
    [[nodiscard]] std::size_t waiting() const noexcept;

  private:
    struct Waiting;
    struct State;

    std::shared_ptr<State> state_;
};

} // namespace pdpp::http
