// Times, data and tables as the other server has them.

#include <boost/test/unit_test.hpp>

#include "moving_in/data.hpp"
#include "moving_in/instant.hpp"
#include "moving_in/shape.hpp"

#include <boost/test/data/test_case.hpp>

using namespace pdpp::moving_in;

BOOST_AUTO_TEST_SUITE(source_text)

BOOST_AUTO_TEST_CASE(what_is_nested_too_deep_to_be_told_stays_a_text) {
    const auto nested = [](std::size_t levels) {
        std::string text;
        for (std::size_t i = 1; i < levels; ++i) {
            text += "{\"a\":";
        }
        return text + "{}" + std::string(levels - 1, '}');
    };
    for (const auto origin : {DataOrigin::jsonb, DataOrigin::text}) {
        BOOST_TEST(fit_data(nested(2500), origin) == nested(2500));
        BOOST_TEST(fit_data(nested(2501), origin).starts_with(R"({"imported_data_json": "{\"a\":)"));
    }
    const auto wide = "{\"a\": \"" + std::string(3000, '{') + "\"}";
    BOOST_TEST(fit_data(wide, DataOrigin::jsonb) == wide);
}

BOOST_AUTO_TEST_CASE(times) {
    BOOST_TEST(instant_text(*parse_instant("2026-08-01T10:00:01.500Z")) == "2026-08-01T10:00:01.500000Z");
    BOOST_TEST(instant_text(*parse_instant("2026-08-01 10:00:01")) == "2026-08-01T10:00:01.000000Z");
    BOOST_TEST(instant_text(*parse_instant("2026-08-01T10:00:01.1234567+02:00")) == "2026-08-01T08:00:01.123456Z");
    BOOST_TEST(instant_text(*parse_instant("1969-12-31T23:59:59.999Z")) == "1969-12-31T23:59:59.999000Z");
    for (const char* const text :
         {"", "now", "2026-02-30T10:00:00Z", "2026-08-01", "2026-08-01T25:00:00Z", "2026-08-01T10:00:00.Z",
          "2026-08-01T10:00:00Zx", "infinity", "-infinity", "epoch", "0000-12-31T23:59:59Z", "-0001-01-01T00:00:00Z",
          "44-03-15T12:00:00Z BC", "10000-01-01T00:00:00Z", "+2026-08-01T10:00:00Z", "2026-08-01T10:00:00+16:00",
          "2026-08-01T10:00:00+02:60", "2026-08-01T24:00:00Z", "2026-08-01T10:00:61Z"}) {
        BOOST_TEST(!parse_instant(text), text);
    }
}

BOOST_AUTO_TEST_CASE(times_are_of_years_of_four_digits) {
    BOOST_TEST(instant_text(*parse_instant("0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00.000000Z");
    BOOST_TEST(instant_text(*parse_instant("0001-01-01T02:00:00+02:00")) == "0001-01-01T00:00:00.000000Z");
    BOOST_TEST(instant_text(*parse_instant("0001-01-01T00:00:00-15:59")) == "0001-01-01T15:59:00.000000Z");
    BOOST_TEST(instant_text(*parse_instant("9999-12-31T23:59:59.999999Z")) == "9999-12-31T23:59:59.999999Z");
    BOOST_TEST(instant_text(*parse_instant("9999-12-31T11:59:59-12:00")) == "9999-12-31T23:59:59.000000Z");
    for (const char* const text : {"0001-01-01T01:59:59+02:00", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:60Z",
                                   "9999-12-31T23:59:59-00:01", "9999-12-31T12:00:00-12:00"}) {
        BOOST_TEST(!parse_instant(text), text);
    }
}

BOOST_AUTO_TEST_CASE(data_that_jsonb_takes_is_left_as_it_is) {
    for (const char* const text : {"{}", R"({"n": 12345678901234567890.10, "e": 1e2, "s": "\\u0000 é"})"}) {
        BOOST_TEST(fit_data(text, DataOrigin::text) == text);
        BOOST_TEST(fit_data(text, DataOrigin::jsonb) == text);
    }
}

BOOST_AUTO_TEST_CASE(data_that_it_refuses_is_mended_and_kept) {
    BOOST_TEST(fit_data(R"({"a": "x\u0000y"})", DataOrigin::text) ==
               R"({"a": "x\ufffdy", "imported_data_json": "{\"a\": \"x\\u0000y\"}"})");
    BOOST_TEST(
        fit_data(R"({"a": "\ud800"})", DataOrigin::text).starts_with(R"({"a": "\ufffd", "imported_data_json": )"));
    for (const char* const text :
         {"", "no JSON", "[1]", "{\"a\": 1e9999}", "{\"a\": 1}, \"b\": {}", "{\"a\": 1} x", "{"}) {
        BOOST_TEST(fit_data(text, DataOrigin::text) == "{\"imported_data_json\": " + json_string(text) + "}");
    }
    const std::string digits(140'000, '7');
    BOOST_TEST(fit_data("{\"a\": " + digits + "}", DataOrigin::text).starts_with("{\"imported_data_json\""));
    BOOST_TEST(fit_data("{\"a\": \"" + digits + "\"}", DataOrigin::text) == "{\"a\": \"" + digits + "\"}");
    BOOST_TEST(fit_data(std::string(9000, '['), DataOrigin::text).starts_with("{\"imported_data_json\""));
}

BOOST_AUTO_TEST_CASE(what_stays_a_text_holds_no_credential) {
    for (const char* const text :
         {R"({"device_code": "x", "n": 1e9999})", R"([{"user_code": "x"}])",
          R"({"a": {"request_uri": "x"}, "n": 1e9999})", R"({"\u0064evice\u005Fcode": "x", "n": 1e9999})",
          "device_code=x", R"({"user_code": "x")"}) {
        BOOST_TEST(fit_data(text, DataOrigin::text) == R"({"imported_data_json": "<redacted-bearer>"})");
    }
    BOOST_TEST(fit_data(R"({"device_code": "x", "note": "a\u0000b"})", DataOrigin::text) ==
               R"({"device_code": "x", "note": "a\ufffdb", "imported_data_json": "<redacted-bearer>"})");
    BOOST_TEST(fit_data(R"({"device": "\u00", "n": 1e9999})", DataOrigin::text).find("device") != std::string::npos);
    BOOST_TEST(fit_value(R"([{"user_code": "x")") == R"("<redacted-bearer>")");
    BOOST_TEST(fit_value(R"([{"user": "x")") == R"("[{\"user\": \"x\"")");
}

BOOST_AUTO_TEST_CASE(looking_into_data) {
    const std::string data = R"({"a": "x\ny", "n": 7, "o": {"b": "z"}, "empty": ""})";
    BOOST_TEST(*string_at(data, "a") == "x\ny");
    BOOST_TEST(*string_at(data, "o", "b") == "z");
    BOOST_TEST(*number_at(data, "n") == 7);
    BOOST_TEST(!string_at(data, "n"));
    BOOST_TEST(!string_at(data, "empty"));
    BOOST_TEST(!string_at(data, "a", "b"));
    BOOST_TEST(with_members("{ }", R"("a": 1)") == R"({ "a": 1})");
}

BOOST_AUTO_TEST_CASE(tables_that_we_do_not_know_are_refused) {
    FoundTables found;
    for (const Column& column : table(TableId::events).columns) {
        found["spine_events"][std::string(column.name)] = column.kind == Kind::number ? "bigint"
                                                          : column.kind == Kind::json ? "jsonb"
                                                                                      : "text";
    }
    found["spine_events"]["of_later"] = "uuid";
    BOOST_TEST(shape_of(TableId::events, found).name == "spine_events");
    BOOST_TEST(shape_of(TableId::history, found).name.empty());
    BOOST_CHECK_THROW(shape_of(TableId::flights, found), UnknownShape);
    found["spine_events"].erase("stream_id");
    const auto shape = shape_of(TableId::events, found);
    BOOST_TEST(!shape.has[event_column::stream_id]);
    BOOST_TEST(select_list(TableId::events, shape, "t", false).find("null") != std::string::npos);
    found["spine_events"]["occurred_at"] = "timestamp with time zone";
    BOOST_CHECK_EXCEPTION(shape_of(TableId::events, found), UnknownShape, [](const UnknownShape& error) {
        return std::string_view(error.what())
            .starts_with("expected spine_events.occurred_at as text, found timestamp with time zone; the table has ");
    });
}

BOOST_AUTO_TEST_SUITE_END()
