// What `pdpp init` plans, from what is so.

#include <boost/test/unit_test.hpp>

#include "cli/setup/name_list.hpp"
#include "cli/setup/plan.hpp"
#include "cli/setup/server_facts.hpp"
#include "text/shell.hpp"

using namespace pdpp::cli;
using Names = std::vector<std::string>;

namespace {

const Quoting plain{.identifier = [](std::string_view name) { return '"' + std::string{name} + '"'; },
                    .literal = [](std::string_view text) { return "'" + std::string{text} + "'"; }};

/// A server of somebody's that has the extension on its disk, and nothing else.
ServerFacts fresh() {
    ServerFacts facts;
    facts.database = "app";
    facts.role = "postgres";
    facts.is_superuser = true;
    facts.version_number = 150'000;
    facts.encoding = "UTF8";
    facts.available_version = "0.3.0";
    facts.preload = {"auto_explain", "auto_explain", false};
    facts.databases = {"", "", false};
    return facts;
}

/// One where all is done, and running.
ServerFacts complete() {
    auto facts = fresh();
    facts.schema = "public";
    facts.extension_version = facts.library_version = "0.3.0";
    facts.preload = {"auto_explain, pdpp", "auto_explain, pdpp", false};
    facts.databases = {"app", "app", false};
    return facts;
}

const RoleFacts granted{.name = "ann", .exists = true, .is_superuser = false, .may_log_in = true, .grants = {}};

std::string sql_of(const Plan& plan) {
    std::string text;
    for (const auto& step : plan.steps) {
        text += step.sql + "\n";
    }
    return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(setup_plan)

BOOST_AUTO_TEST_CASE(lists_of_names) {
    BOOST_TEST(names_in("").empty());
    BOOST_TEST(names_in("  ").empty());
    BOOST_TEST(names_in("a, b ,c") == (Names{"a", "b", "c"}));
    BOOST_TEST(names_in(R"("My ""db"", it", other)") == (Names{R"(My "db", it)", "other"}));
    BOOST_TEST(names_in(R"("open)") == (Names{"open"}));
    BOOST_TEST(with_name("", "app") == "app");
    BOOST_TEST(with_name("a,b", R"(x "y", z)") == R"(a, b, "x ""y"", z")");
    for (const std::string name : {"app", "My db", "a,b", R"(q"q)", R"(")", "Ünï", "'"}) {
        BOOST_TEST(names_in(with_name("first", name)) == (Names{"first", name}));
    }
}

BOOST_AUTO_TEST_CASE(a_library_is_preloaded_by_whatever_path) {
    BOOST_TEST(preloads_pdpp("auto_explain, pdpp"));
    BOOST_TEST(preloads_pdpp("$libdir/pdpp"));
    BOOST_TEST(preloads_pdpp(R"("/opt/lib/pdpp.so")"));
    BOOST_TEST((!preloads_pdpp("") && !preloads_pdpp("pdpp_other, xpdpp") && !preloads_pdpp("pdpp/other")));
}

BOOST_AUTO_TEST_CASE(words_for_a_shell) {
    BOOST_TEST(pdpp::in_shell("app") == "app");
    BOOST_TEST(pdpp::in_shell("") == "''");
    BOOST_TEST(pdpp::in_shell("it's $x") == R"('it'\''s $x')");
}

BOOST_AUTO_TEST_CASE(from_nothing) {
    const auto plan = plan_for(fresh(), {.name = "ann", .grants = {}},
                               {.database = {}, .role = {}, .password_file = "/p", .password_owner = {}}, plain);
    BOOST_TEST(sql_of(plan) == "create extension pdpp\n"
                               "create role \"ann\" login\n"
                               "select pdpp_grant('ann'::regrole, 'owner')\n"
                               "select pdpp_grant('ann'::regrole, 'controller')\n"
                               "alter system set shared_preload_libraries = 'auto_explain', 'pdpp'\n"
                               "alter system set pdpp.databases = 'app'\n"
                               "/p\n");
    BOOST_TEST(plan.needs_restart);
    BOOST_TEST(plan.by_hand.empty());
}

BOOST_AUTO_TEST_CASE(a_database_in_utf8_whatever_the_locale) {
    auto facts = fresh();
    facts.database.clear();
    const Wishes wishes{.database = "app", .role = {}, .password_file = {}, .password_owner = {}};
    BOOST_TEST(plan_for(facts, granted, wishes, plain).steps[0].sql ==
               "create database \"app\" encoding 'UTF8' template template0");
    facts.foreign_locale = "en_US.ISO-8859-1";
    const auto plan = plan_for(facts, granted, wishes, plain);
    BOOST_TEST(plan.steps[0].sql ==
               "create database \"app\" encoding 'UTF8' template template0 lc_collate 'C' lc_ctype 'C'");
    BOOST_TEST(plan.remarks.size() == 1);
}

BOOST_AUTO_TEST_CASE(where_all_is_there_nothing_is_done) {
    const auto plan = plan_for(complete(), granted, {}, plain);
    BOOST_TEST(plan.steps.empty());
    BOOST_TEST(!plan.needs_restart);
    BOOST_TEST(plan.remarks.empty());
}

BOOST_AUTO_TEST_CASE(a_restart_that_is_due_is_not_planned_twice) {
    auto facts = complete();
    facts.preload.running = "auto_explain";
    facts.databases.running = "";
    const auto plan = plan_for(facts, granted, {}, plain);
    BOOST_TEST(plan.steps.empty());
    BOOST_TEST(plan.needs_restart);
}

BOOST_AUTO_TEST_CASE(another_database_takes_a_reload) {
    auto facts = complete();
    facts.databases = {"other", "other", false};
    BOOST_TEST(sql_of(plan_for(facts, granted, {}, plain)) == "alter system set pdpp.databases = 'other, app'\n"
                                                              "select pg_reload_conf()\n");
    facts.databases = {"other", "other, app", false};
    BOOST_TEST(sql_of(plan_for(facts, granted, {}, plain)) == "select pg_reload_conf()\n");
}

BOOST_AUTO_TEST_CASE(where_settings_may_not_be_changed_there_are_lines) {
    auto facts = fresh();
    facts.may_alter_system = false;
    facts.databases = {"it's", "it's", false};
    const auto plan = plan_for(facts, granted, {}, plain);
    BOOST_TEST(sql_of(plan).find("alter system") == std::string::npos);
    BOOST_TEST(plan.by_hand ==
               (Names{"shared_preload_libraries = 'auto_explain, pdpp'", "pdpp.databases = 'it''s, app'"}));

    facts.may_alter_system = true;
    facts.preload.is_on_command_line = true;
    const auto fixed = plan_for(facts, granted, {}, plain);
    BOOST_TEST(sql_of(fixed).find("shared_preload_libraries") == std::string::npos);
    BOOST_REQUIRE(fixed.remarks.size() == 1);
    BOOST_TEST(fixed.remarks[0].find("where the server is started") != std::string::npos);

    facts.preload = {};
    facts.databases.in_files.reset();
    const auto unseen = plan_for(facts, granted, {}, plain);
    BOOST_TEST(unseen.by_hand[0] == "shared_preload_libraries = 'pdpp'  # beside what it names already");
}

/// What a value is built upon may be older than what the files say.
BOOST_AUTO_TEST_CASE(where_the_files_are_not_known_no_setting_is_changed) {
    auto facts = fresh();
    facts.preload.in_files.reset();
    facts.databases = {"other", {}, false};
    const auto plan = plan_for(facts, granted, {}, plain);
    BOOST_TEST(sql_of(plan).find("alter system") == std::string::npos);
    BOOST_TEST(plan.by_hand ==
               (Names{"shared_preload_libraries = 'auto_explain, pdpp'", "pdpp.databases = 'other, app'"}));
}

BOOST_AUTO_TEST_CASE(an_update_waits_for_the_library) {
    auto facts = complete();
    facts.extension_version = "0.2.0";
    BOOST_TEST(sql_of(plan_for(facts, granted, {}, plain)) == "alter extension pdpp update\n");
    facts.library_version = "0.2.0";
    const auto waiting = plan_for(facts, granted, {}, plain);
    BOOST_TEST(waiting.steps.empty());
    BOOST_TEST(waiting.needs_restart);
    BOOST_TEST(waiting.remarks.size() == 1);
}

BOOST_AUTO_TEST_CASE(a_standby_has_settings_alone) {
    auto facts = fresh();
    facts.is_standby = true;
    BOOST_TEST(sql_of(plan_for(facts, {.name = "ann", .grants = {}}, {}, plain)) ==
               "alter system set shared_preload_libraries = 'auto_explain', 'pdpp'\n"
               "alter system set pdpp.databases = 'app'\n");
}

BOOST_AUTO_TEST_CASE(grants_that_lack_are_made) {
    auto role = granted;
    role.grants = {.owner_lacks = 0, .controller_lacks = 3, .sees_schema = false, .may_connect = false};
    auto facts = complete();
    facts.schema = "\"Ex t\"";
    BOOST_TEST(sql_of(plan_for(facts, role, {}, plain)) ==
               "grant connect on database \"app\" to \"ann\"\n"
               "grant usage on schema \"Ex t\" to \"ann\"\n"
               "select \"Ex t\".pdpp_grant('ann'::regrole, 'controller')\n");
    role.is_superuser = true;
    const auto plan = plan_for(facts, role, {}, plain);
    BOOST_TEST(plan.steps.empty());
    BOOST_TEST(plan.remarks.size() == 1);
}

BOOST_AUTO_TEST_CASE(the_restart_by_what_the_cluster_is_called) {
    ServerFacts facts;
    BOOST_TEST(restart_command(facts, true) == "");
    facts.data_directory = "/srv/my data";
    BOOST_TEST(restart_command(facts, true) == "pg_ctl restart -D '/srv/my data'");
    facts.cluster = "15/main";
    BOOST_TEST(restart_command(facts, true) == "systemctl restart postgresql@15-main");
    BOOST_TEST(restart_command(facts, false) == "pg_ctlcluster 15 main restart");
    facts.cluster = "eu/main";
    BOOST_TEST(restart_command(facts, true) == "pg_ctl restart -D '/srv/my data'");
}

BOOST_AUTO_TEST_SUITE_END()
