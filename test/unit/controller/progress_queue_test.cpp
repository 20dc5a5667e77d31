// Progress is kept as reported until there is too much of it; then the newest counts.

#include <boost/test/unit_test.hpp>

#include "controller/progress_queue.hpp"

using namespace pdpp::controller;
using namespace std::chrono_literals;

namespace {

Progress report(std::string stream, std::int64_t count) {
    return {std::move(stream), {}, count, {}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(progress_queue)

BOOST_AUTO_TEST_CASE(first_in_first_out) {
    ProgressQueue queue;
    BOOST_TEST(!queue.pop().has_value());
    queue.push(report("a", 1));
    queue.push(report("a", 2));
    BOOST_TEST(*queue.pop()->count == 1);
    BOOST_TEST(*queue.pop()->count == 2);
    BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(a_full_queue_keeps_the_newest_of_each_stream) {
    ProgressQueue queue;
    queue.push(report("rare", 1));
    for (int count = 0; count < 1000; ++count) {
        queue.push(report("busy", count));
    }
    std::vector<Progress> kept;
    while (auto progress = queue.pop()) {
        kept.push_back(*progress);
    }
    BOOST_TEST(kept.size() == ProgressQueue::capacity);
    BOOST_TEST(*kept.front().stream == "rare");
    BOOST_TEST(*kept[1].count == 0);
    BOOST_TEST(*kept.back().count == 999);
}

BOOST_AUTO_TEST_CASE(a_full_queue_of_other_streams_drops_the_oldest) {
    ProgressQueue queue;
    for (int count = 0; count <= static_cast<int>(ProgressQueue::capacity); ++count) {
        queue.push(report(std::to_string(count), count));
    }
    BOOST_TEST(*queue.pop()->count == 1);
}

BOOST_AUTO_TEST_CASE(a_burst_is_free_and_then_paced) {
    ProgressQueue queue;
    const ProgressQueue::Clock::time_point now{1000s};
    for (int write = 0; write < ProgressQueue::burst; ++write) {
        BOOST_TEST((queue.due(now) == now));
    }
    BOOST_TEST((queue.due(now) == now + ProgressQueue::interval));
    BOOST_TEST((queue.due(now) == now + 2 * ProgressQueue::interval));
    BOOST_TEST((queue.due(now + 1h) == now + 1h)); // a pause earns a new burst
}

BOOST_AUTO_TEST_SUITE_END()
