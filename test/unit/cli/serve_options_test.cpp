// How many threads serve, and what each has.

#include <boost/test/unit_test.hpp>

#include "cli/serve_options.hpp"
#include "http/gateways.hpp"

#include <optional>

using namespace pdpp::cli;
using pdpp::http::share_of;

namespace {

ServeOptions asked(std::optional<std::size_t> threads, std::optional<std::size_t> pool_size) {
    ServeOptions options;
    options.threads = threads;
    options.pool_size = pool_size;
    return options;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_serve_options)

BOOST_AUTO_TEST_CASE(as_many_threads_as_cores_and_no_more_than_four) {
    for (const auto& [cores, threads] : {std::pair{0, 1}, {1, 1}, {2, 2}, {4, 4}, {64, 4}}) {
        const auto options = asked({}, {});
        BOOST_TEST(threads_of(options, cores) == threads);
        BOOST_TEST(pool_size_of(options, threads) == threads * 4);
    }
}

BOOST_AUTO_TEST_CASE(a_pool_that_is_given_bounds_them) {
    for (const auto& [pool, threads] : {std::pair{1, 1}, {4, 1}, {7, 1}, {8, 2}, {15, 3}, {16, 4}, {1000, 4}}) {
        const auto options = asked({}, pool);
        BOOST_TEST(threads_of(options, 64) == threads);
        BOOST_TEST(pool_size_of(options, threads) == pool);
    }
}

BOOST_AUTO_TEST_CASE(what_is_asked_for_is_done) {
    BOOST_TEST(threads_of(asked(64, {}), 1) == 64);
    BOOST_TEST(threads_of(asked(5, 1), 1) == 5);
    BOOST_TEST(pool_size_of(asked(5, 1), 5) == 1);
    BOOST_TEST(pool_size_of(asked(5, {}), 5) == 20);
}

BOOST_AUTO_TEST_CASE(there_is_a_core) {
    BOOST_TEST(usable_cores() >= 1);
}

BOOST_AUTO_TEST_CASE(shares_add_up_and_are_even) {
    for (std::size_t count = 1; count <= 7; ++count) {
        for (std::size_t all = 0; all <= 20; ++all) {
            std::size_t sum = 0;
            for (std::size_t number = 0; number < count; ++number) {
                const auto share = share_of(all, number, count);
                BOOST_TEST((share == all / count || share == all / count + 1));
                sum += share;
            }
            BOOST_TEST(sum == all);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_restart_is_needed_for_other_threads) {
    BOOST_TEST(needing_restart(asked({}, {}), asked(2, 8)) == "--threads, --pool");
    BOOST_TEST(needing_restart(asked(2, 8), asked(2, 8)).empty());
}

BOOST_AUTO_TEST_SUITE_END()
