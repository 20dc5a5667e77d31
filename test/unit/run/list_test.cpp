// The list's rules: page bounds, the words that filter, cursors.

#include <boost/test/unit_test.hpp>

#include "run/list.hpp"

#include <limits>
#include <string>

using namespace pdpp::run;

namespace {

constexpr auto last_instant = std::numeric_limits<std::int64_t>::max();

std::string text_of(std::int64_t unix_micros, std::string_view run_id, std::uint64_t tag) {
    return std::string{encode({Instant{unix_micros}, run_id}, tag).view()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(run_list)

BOOST_AUTO_TEST_CASE(page_sizes) {
    for (const int size : {1, default_list_size, 499, max_list_size}) {
        BOOST_TEST(!check_list_size(size), size);
    }
    for (const int size : {0, -1, 501, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
        const auto check = check_list_size(size);
        BOOST_REQUIRE(check);
        BOOST_TEST((check->code == ErrorCode::invalid_request));
        BOOST_TEST(check->param == "page_size");
        BOOST_TEST(check->message == "must be between 1 and 500");
    }
    BOOST_TEST(default_list_size == 50);
    BOOST_TEST(max_list_size == 500);
}

BOOST_AUTO_TEST_CASE(words_that_filter) {
    for (const auto* word : {"active", "completed", "failed", "cancelled", "abandoned"}) {
        BOOST_TEST(!check_status(word), word);
    }
    for (const auto* word : {"", "Active", "started", "run.failed", "failed ", "canceled"}) {
        const auto check = check_status(word);
        BOOST_REQUIRE(check);
        BOOST_TEST((check->code == ErrorCode::invalid_request));
        BOOST_TEST(check->param == "status");
    }
}

BOOST_AUTO_TEST_CASE(cursors_lead_back) {
    const std::string longest(max_id_bytes, '\xff');
    for (const std::string& run_id : {std::string{}, std::string{"run_1"}, std::string{"é/%"}, longest}) {
        for (const auto micros : {std::int64_t{0}, std::int64_t{1'769'846'950'045'678}, last_instant}) {
            for (const auto tag : {std::uint64_t{0}, std::uint64_t{0x0123456789abcdef}}) {
                const auto cursor = decode_list_cursor(text_of(micros, run_id, tag));
                BOOST_REQUIRE(cursor);
                BOOST_TEST((cursor->position().admitted_at == Instant{micros}));
                BOOST_TEST(cursor->position().run_id == run_id);
                BOOST_TEST(cursor->tag == tag);
            }
        }
    }
    BOOST_TEST(text_of(255, "az", 1) == "rl_00000000000000ff0000000000000001617a");
}

BOOST_AUTO_TEST_CASE(one_spelling_only) {
    const auto text = text_of(0xabc, "k", 0xdef);
    BOOST_REQUIRE(decode_list_cursor(text));
    for (const auto& other :
         {std::string{}, std::string{"rl_"}, text.substr(1), text.substr(0, text.size() - 1), text + "0", " " + text,
          "RL_" + text.substr(3), "tl_" + text.substr(3), text.substr(0, 3) + "+" + text.substr(4),
          text.substr(0, 3) + "8" + text.substr(4), text.substr(0, text.size() - 1) + "B",
          text + std::string(1, '\0') + "0", text_of(0, std::string(max_id_bytes, 'x'), 0) + "00"}) {
        BOOST_TEST(!decode_list_cursor(other), other);
    }
}

BOOST_AUTO_TEST_CASE(cursors_of_connections) {
    const std::string longest(max_id_bytes, '\xff');
    for (const std::string& id : {std::string{}, std::string{"gmail-anna"}, std::string{"é/%"}, longest}) {
        const std::string text{encode_connection(id, 0xdef).view()};
        const auto cursor = decode_connection_cursor(text);
        BOOST_REQUIRE(cursor);
        BOOST_TEST(cursor->connector_instance_id.view() == id);
        BOOST_TEST(cursor->tag == 0xdefU);
        for (const auto& other :
             {text.substr(1), text.substr(0, text.size() - 1), text + "0", "rl_" + text.substr(3), " " + text}) {
            BOOST_TEST(!decode_connection_cursor(other), other);
        }
    }
    BOOST_TEST(encode_connection("az", 1).view() == "cl_0000000000000001617a");
    BOOST_TEST(!decode_connection_cursor(std::string{encode_connection(longest, 0).view()} + "00"));
}

BOOST_AUTO_TEST_SUITE_END()
