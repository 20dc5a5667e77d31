// The file of connections: what it may say, and where each fault is said to be.

#include <boost/test/unit_test.hpp>

#include "controller/connections_file.hpp"

using namespace pdpp::controller;
using namespace std::chrono_literals;

namespace {

std::string fault_in(std::string_view text) {
    try {
        parse_connections(text);
    } catch (const ConnectionsError& error) {
        return error.what();
    }
    return "no fault";
}

/// One connection that is right but for what `more` adds.
std::string with(const std::string& more) {
    return R"([{"connector_instance_id": "a", "connector_id": "b", "command": ["x"], )" + more + "}]";
}

} // namespace

BOOST_AUTO_TEST_SUITE(connections_files)

BOOST_AUTO_TEST_CASE(everything_said) {
    const auto connections = parse_connections(
        R"([{"connector_instance_id": "mail anna", "connector_id": "mail", "command": ["fetch", "", "--all"],)"
        R"( "env": {"LANG": "C", "DEBUG": null}, "cwd": "/srv", "timeout_seconds": 1.5, "grace_seconds": 0}])");
    BOOST_REQUIRE(connections.size() == 1U);
    const auto& setup = connections.at("mail anna");
    BOOST_TEST(setup.connector_id == "mail");
    BOOST_TEST(setup.command.arguments == (std::vector<std::string>{"fetch", "", "--all"}),
               boost::test_tools::per_element());
    BOOST_TEST(setup.command.environment.at("LANG").value() == "C");
    BOOST_TEST(!setup.command.environment.at("DEBUG").has_value());
    BOOST_TEST(setup.command.working_directory == "/srv");
    BOOST_TEST(!setup.command.has_input);
    BOOST_CHECK(setup.limits.time == 1500ms);
    BOOST_CHECK(setup.limits.grace == 0ms);
}

BOOST_AUTO_TEST_CASE(defaults) {
    const auto connections =
        parse_connections(R"([{"connector_instance_id": "a", "connector_id": "b", "command": ["x"]}])");
    const auto& setup = connections.at("a");
    BOOST_TEST(setup.command.environment.empty());
    BOOST_TEST(setup.command.working_directory.empty());
    BOOST_TEST(!setup.limits.time.has_value());
    BOOST_CHECK(setup.limits.grace == 10s);
    BOOST_TEST(parse_connections(" [] \n").empty());
}

BOOST_AUTO_TEST_CASE(places) {
    BOOST_TEST(fault_in("").starts_with("line 1, column 1: this is not JSON"));
    BOOST_TEST(fault_in("[\n\n  nope]").starts_with("line 3, column "));
    BOOST_TEST(fault_in("[] []").starts_with("line 1, column 4: this is not JSON"));
    BOOST_TEST(fault_in("{}") == "the whole: must be an array of connections");
    BOOST_TEST(fault_in("[1]") == "[0]: must be an object");
    BOOST_TEST(fault_in(R"([{"connector_id": "b", "command": ["x"]}])") ==
               R"([0]: "connector_instance_id" is missing)");
    BOOST_TEST(fault_in(R"([{"connector_instance_id": "a", "command": ["x"]}])") ==
               R"([0]: "connector_id" is missing)");
    BOOST_TEST(fault_in(R"([{"connector_instance_id": "a", "connector_id": "b"}])") == R"([0]: "command" is missing)");
    BOOST_TEST(fault_in(R"([{"connector_instance_id": ".", "connector_id": "b", "command": ["x"]}])")
                   .starts_with("[0].connector_instance_id: must not be . or .."));
    BOOST_TEST(fault_in(R"([{"connector_instance_id": "a", "connector_id": 7, "command": ["x"]}])") ==
               "[0].connector_id: must be a string");
    BOOST_TEST(fault_in(with(R"("color": 1)")) == "[0].color: there is no such setting");
    BOOST_TEST(fault_in(with(R"("env": [])")) == "[0].env: must be an object of strings");
    BOOST_TEST(fault_in(with(R"("env": {"A": 1})")) == "[0].env.A: must be a string");
    BOOST_TEST(fault_in(with(R"("env": {"A=B": "1"})")) == "[0].env.A=B: is no name for a variable");
    BOOST_TEST(fault_in(with(R"("cwd": "a\u0000b")")) == "[0].cwd: must not hold a NUL character");
    BOOST_TEST(fault_in(with(R"("timeout_seconds": 0)")) ==
               "[0].timeout_seconds: must be a number of seconds, at least 0.001");
    BOOST_TEST(fault_in(with(R"("timeout_seconds": "10")")) ==
               "[0].timeout_seconds: must be a number of seconds, at least 0.001");
    BOOST_TEST(fault_in(with(R"("grace_seconds": -1)")) ==
               "[0].grace_seconds: must be a number of seconds, at least 0");
}

BOOST_AUTO_TEST_CASE(commands) {
    const auto command = [](const std::string& value) {
        return fault_in(R"([{"connector_instance_id": "a", "connector_id": "b", "command": )" + value + "}]");
    };
    BOOST_TEST(command(R"("x")") == "[0].command: must be an array: the executable and its arguments");
    BOOST_TEST(command("[]") == "[0].command: must be an array: the executable and its arguments");
    BOOST_TEST(command(R"([""])") == "[0].command[0]: must name an executable");
    BOOST_TEST(command(R"(["x", 1])") == "[0].command[1]: must be a string");
}

BOOST_AUTO_TEST_CASE(a_connection_named_twice) {
    BOOST_TEST(fault_in(R"([{"connector_instance_id": "a", "connector_id": "b", "command": ["x"]},)"
                        R"( {"connector_instance_id": "a", "connector_id": "c", "command": ["y"]}])") ==
               R"([1].connector_instance_id: "a" is there twice)");
}

BOOST_AUTO_TEST_CASE(what_is_offered) {
    BOOST_TEST(
        offer_of(
            parse_connections(
                R"([{"connector_instance_id": "z", "connector_id": "b", "command": ["x"]},)"
                R"( {"connector_instance_id": "a", "connector_id": "c", "command": ["y"], "timeout_seconds": 100, "grace_seconds": 2.5}])"),
            std::chrono::seconds(60)) ==
        R"([{"connector_instance_id":"a","connector_id":"c","timeout_seconds":1.675E2},{"connector_instance_id":"z","connector_id":"b"}])");
    BOOST_TEST(offer_of({}, std::chrono::seconds(60)) == "[]");
}

BOOST_AUTO_TEST_CASE(files) {
    BOOST_CHECK_EXCEPTION(read_connections("/no/such/file"), ConnectionsError, [](const ConnectionsError& error) {
        return std::string_view(error.what()) == "/no/such/file: cannot be read: No such file or directory";
    });
    BOOST_CHECK_EXCEPTION(read_connections("/"), ConnectionsError, [](const ConnectionsError& error) {
        return std::string_view(error.what()) == "/: cannot be read: Is a directory";
    });
}

BOOST_AUTO_TEST_SUITE_END()
