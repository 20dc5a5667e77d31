#include "cli/init.hpp"

#include "cli/setup/destination.hpp"
#include "cli/setup/next_steps.hpp"
#include "cli/setup/password_file.hpp"
#include "cli/setup/plan.hpp"
#include "cli/setup/server_facts.hpp"
#include "cli/setup/server_user.hpp"
#include "pq/advice.hpp"
#include "text/shell.hpp"
#include "text/text.hpp"

#include <boost/algorithm/string/join.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace pdpp::cli {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

/// Where a database is made from, as createdb does it.
constexpr auto maintenance_database = "postgres";

/// True if the database was connected to; false if it has to be made, and another one was.
asio::awaitable<bool> connect_or_find_missing(pq::Connection& connection, const Destination& destination,
                                              bool may_create) {
    try {
        co_await connect(connection, destination, destination.database, "pdpp init");
        co_return true;
    } catch (const pq::Error& error) {
        if (error.sqlstate() != pq::sqlstate::invalid_catalog_name || !may_create) {
            throw;
        }
    }
    co_await connect(connection, destination, maintenance_database, "pdpp init");
    co_return false;
}

// ---- what cannot be begun -------------------------------------------------------------------------------------------

/// Behind a line that cannot be read the server's files are not known, and any of these keeps it from starting again.
void check_configuration(const ServerFacts& facts) {
    if (facts.configuration_errors.empty()) {
        return;
    }
    std::vector<std::string> errors;
    for (const auto& error : facts.configuration_errors) {
        errors.push_back(text_of(error));
    }
    throw Failure{exit_code::refused,
                  "configuration_wrong",
                  "the server's configuration has errors, with which it would not start again: " +
                      boost::algorithm::join(errors, "; "),
                  "Correct that, and run this again. No setting was changed.",
                  {}};
}

void check_possible(const ServerFacts& facts, bool is_database_there) {
    if (!facts.available_version && !facts.extension_version) {
        const auto major = facts.version_number / 10'000;
        throw Failure{
            exit_code::refused,
            "extension_missing",
            fmt::format("the PostgreSQL {} of this server has no extension pdpp that could be created", major),
            fmt::format("Install it on the server's machine, by its package postgresql-{}-pdpp or from the "
                        "sources (make extension && make -f extension/Makefile install), and run this again.",
                        major),
            {}};
    }
    if (facts.is_read_only && !facts.is_standby) {
        throw failure_of(
            pq::Error(pq::ErrorKind::refused, "read-only", std::string{pq::sqlstate::read_only_sql_transaction}));
    }
    if (is_database_there && !facts.extension_version && facts.encoding != "UTF8") {
        throw Failure{
            exit_code::refused,
            "wrong_encoding",
            fmt::format("the database {} is encoded in {}, and pdpp needs UTF8", facts.database, facts.encoding),
            "Have another one made: pdpp init --db NAME --create-db",
            {}};
    }
}

// ---- saying it ------------------------------------------------------------------------------------------------------

struct Outlook {
    bool needs_restart;
    std::string restart;       ///< the command; empty if it is not known
    std::string password_file; ///< empty if there is none
    NextSteps next;
};

Outlook outlook_of(const ServerFacts& facts, const Plan& plan, const Destination& destination,
                   std::string password_file) {
    const auto user = asking_user();
    const auto login = pq::role_in(destination.conninfo);
    const Caller caller{.login = login == unix_user() ? "" : login,
                        .unix_user = user,
                        .is_root = user == "root",
                        .role_is_unix_user = is_unix_user(destination.role),
                        .over_socket = facts.is_local,
                        .password_file = password_file,
                        .names_password_file = std::getenv("PDPP_OWNER_PASSWORD_FILE") != nullptr};
    return {.needs_restart = plan.needs_restart,
            .restart = plan.needs_restart ? restart_command(facts, has_systemd() || !facts.is_local) : "",
            .password_file = std::move(password_file),
            .next = next_steps(destination.conninfo, destination.database, destination.role, caller)};
}

const char* who_finds(const std::string& password_file) {
    struct stat found {};
    if (::access(password_file.c_str(), R_OK) != 0 || ::stat(password_file.c_str(), &found) != 0) {
        return "which this user may not read";
    }
    return found.st_uid == 0
               ? "which root alone may read: pdpp token finds it as root, and units of systemd are handed it"
               : "where pdpp serve and pdpp token find it";
}

std::string plan_text(const ServerFacts& facts, const Plan& plan, const Destination& destination) {
    auto text = fmt::format("pdpp init, database {} of {} (PostgreSQL {}), as {}:\n", printable(destination.database),
                            facts.place, facts.version, printable(facts.role));
    for (const auto& step : plan.steps) {
        text += fmt::format("  {:<40}  {}\n", printable(step.what), printable(step.sql));
    }
    if (plan.steps.empty()) {
        text += "  nothing to do: all of it is there\n";
    }
    for (const auto& remark : plan.remarks) {
        text += fmt::format("note: {}\n", printable(remark));
    }
    return text;
}

std::string outlook_text(const Plan& plan, const Outlook& outlook) {
    std::string text;
    if (!plan.by_hand.empty()) {
        text += "these lines belong into the server's postgresql.conf, by hand:\n";
        for (const auto& line : plan.by_hand) {
            text += fmt::format("  {}\n", printable(line));
        }
    }
    if (outlook.needs_restart) {
        text += fmt::format("the server needs a restart, for the background worker: {}\n",
                            outlook.restart.empty() ? "ask whoever runs it" : outlook.restart);
    }
    if (!outlook.password_file.empty()) {
        text += fmt::format("the owner's password is in {}, {}\n", printable(outlook.password_file),
                            who_finds(outlook.password_file));
    }
    const auto& next = outlook.next;
    text += fmt::format("next{}: {}, and beside it: {}; whether all is well{}: {}\n", next.as_root ? ", as root" : "",
                        next.serve, next.run, next.as_root ? ", as this user" : "", next.doctor);
    return text;
}

std::string plan_json(const ServerFacts& facts, const Plan& plan, const Destination& destination) {
    json::array steps;
    for (const auto& step : plan.steps) {
        const auto* const key = step.kind == StepKind::make_password_file ? "file" : "sql";
        steps.push_back({{"what", step.what}, {key, step.sql}});
    }
    return json::serialize(json::object{{"object", "init_plan"},
                                        {"server", facts.place},
                                        {"server_version", facts.version},
                                        {"database", destination.database},
                                        {"as", facts.role},
                                        {"role", destination.role},
                                        {"steps", std::move(steps)},
                                        {"remarks", json::value_from(plan.remarks)}}) +
           "\n";
}

std::string outlook_json(const Plan& plan, const Outlook& outlook, std::size_t done) {
    return json::serialize(json::object{{"object", "init"},
                                        {"steps_done", done},
                                        {"by_hand", json::value_from(plan.by_hand)},
                                        {"restart_needed", outlook.needs_restart},
                                        {"restart", outlook.restart},
                                        {"password_file", outlook.password_file},
                                        {"next", {outlook.next.serve, outlook.next.run, outlook.next.doctor}},
                                        {"next_as_root", outlook.next.as_root}}) +
           "\n";
}

/// True if the person at the terminal wants it, or there is none.
bool is_agreed(const Plan& plan, const Session& session, const InitOptions& options) {
    if (options.yes || session.json || plan.steps.empty() || ::isatty(STDIN_FILENO) == 0) {
        return true;
    }
    print("Do this? [y/N] ");
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

// ---- doing it -------------------------------------------------------------------------------------------------------

Failure made_meanwhile(const Step& step) {
    return {exit_code::refused,
            "made_meanwhile",
            fmt::format("{}: somebody else did that at the same time", step.what),
            "Run this again: what is there by then is left as it is.",
            {}};
}

/// Whether a step was refused because somebody else did it since the plan was made.
bool is_made_meanwhile(const pq::Error& error) {
    constexpr std::string_view duplicate_database = "42P04";
    constexpr std::string_view duplicate_object = "42710";
    constexpr std::string_view unique_violation = "23505"; // of a catalogue, by what was not yet committed
    const auto& state = error.sqlstate();
    return state == duplicate_database || state == duplicate_object || state == unique_violation;
}

/// What the refusal of a step is for the program.
Failure failure_of_step(const Step& step, const pq::Error& error, const Destination& destination) {
    if (error.kind() == pq::ErrorKind::refused && is_made_meanwhile(error)) {
        return made_meanwhile(step);
    }
    auto failure = failure_of(error, destination.conninfo);
    if (error.kind() == pq::ErrorKind::refused && error.sqlstate() == pq::sqlstate::insufficient_privilege) {
        failure.message = fmt::format("{}: {}", step.what, error.what());
        failure.hint = fmt::format("Have a superuser of the server run the same command (on its machine as root, or as "
                                   "the unix user that it runs as), or this, and then run it again: {}",
                                   step.sql);
    }
    return failure;
}

/// Does the steps of a plan, in their order.
class Performer {
  public:
    Performer(pq::Connection& connection, const ServerFacts& planned, const Destination& destination,
              const std::string& owner, const Session& session)
        : connection_(connection), planned_(planned), destination_(destination), owner_(owner), session_(session) {}

    asio::awaitable<void> perform(Plan& plan) {
        bool is_looked_at = false;
        for (std::size_t i = 0; i < plan.steps.size(); ++i) {
            const auto& step = plan.steps[i];
            switch (step.kind) {
            case StepKind::create_database:
                co_await create_database(step);
                break;
            case StepKind::in_transaction:
                co_await in_transaction(plan.steps, i);
                break;
            case StepKind::alter_system: {
                if (!std::exchange(is_looked_at, true)) {
                    check_unchanged(co_await look_at_server(connection_));
                }
                const bool is_allowed = co_await alter_system(step);
                if (!is_allowed) {
                    plan.by_hand = lines_of_configuration(planned_, destination_.database);
                    continue;
                }
                break;
            }
            case StepKind::reload:
                if (!plan.by_hand.empty()) {
                    continue;
                }
                co_await execute(step);
                break;
            case StepKind::make_password_file:
                make_file(step);
                break;
            }
            tell(plan.steps[i]);
        }
    }

    [[nodiscard]] std::size_t done() const noexcept { return done_; }

  private:
    void make_file(const Step& step) const {
        try {
            make_password_file(step.sql, owner_);
        } catch (const std::system_error& error) {
            if (error.code() == std::errc::file_exists) {
                throw made_meanwhile(step);
            }
            throw;
        }
    }

    void tell(const Step& step) {
        ++done_;
        if (!session_.json) {
            print(fmt::format("done: {}\n", printable(step.what)));
        }
    }

    asio::awaitable<void> execute(const Step& step) {
        std::optional<Failure> failure;
        try {
            co_await connection_.query(step.sql);
        } catch (const pq::Error& error) {
            failure = failure_of_step(step, error, destination_);
        }
        if (failure) {
            throw *failure;
        }
    }

    /// What is set is built upon what the files said when the plan was made, which may be as long ago as somebody took
    /// to agree to it.
    void check_unchanged(const ServerFacts& now) const {
        check_configuration(now);
        if (now.preload.in_files != planned_.preload.in_files ||
            now.databases.in_files != planned_.databases.in_files) {
            throw Failure{exit_code::refused,
                          "made_meanwhile",
                          "somebody else changed the settings meanwhile",
                          "Run this again: it builds upon what is there then. No setting was changed.",
                          {}};
        }
    }

    asio::awaitable<void> create_database(const Step& step) {
        co_await execute(step);
        co_await connect(connection_, destination_, destination_.database, "pdpp init");
    }

    /// All that are to be done together, from the place `i` on, which is that of the last of them then. Whoever goes
    /// on after a failure begins with what there was.
    asio::awaitable<void> in_transaction(const std::vector<Step>& steps, std::size_t& i) {
        const auto first = i;
        co_await connection_.query("BEGIN");
        for (;;) {
            co_await execute_or_roll_back(steps[i]);
            if (i + 1 == steps.size() || steps[i + 1].kind != StepKind::in_transaction) {
                break;
            }
            ++i;
        }
        co_await connection_.query("COMMIT");
        std::for_each(steps.begin() + static_cast<std::ptrdiff_t>(first),
                      steps.begin() + static_cast<std::ptrdiff_t>(i), [this](const Step& step) { tell(step); });
    }

    asio::awaitable<void> execute_or_roll_back(const Step& step) {
        std::optional<Failure> failure;
        try {
            co_await execute(step);
        } catch (const Failure& refused) {
            failure = refused;
        }
        if (failure && connection_.usable()) {
            co_await connection_.query("ROLLBACK");
        }
        if (failure) {
            throw *failure;
        }
    }

    /// False if the server does not allow it.
    asio::awaitable<bool> alter_system(const Step& step) {
        // before version 17 only a library that is loaded has settings
        constexpr auto load = "LOAD 'pdpp'";
        for (const auto& sql : {std::string{load}, step.sql}) {
            try {
                co_await connection_.query(sql);
            } catch (const pq::Error& error) {
                if (error.kind() != pq::ErrorKind::refused) {
                    throw;
                }
                if (sql != load) {
                    co_return false;
                }
            }
        }
        co_return true;
    }

    pq::Connection& connection_;
    const ServerFacts& planned_; ///< what the plan was made from
    const Destination& destination_;
    const std::string& owner_;
    const Session& session_;
    std::size_t done_ = 0;
};

// ---- the owner's password -------------------------------------------------------------------------------------------

struct PasswordFile {
    std::string path; ///< empty if the environment has the password itself
    bool is_there = false;
};

PasswordFile password_file() {
    const auto is_set = [](const char* name) {
        const char* const value = std::getenv(name);
        return value != nullptr && *value != '\0';
    };
    const auto exists = [](const std::string& path) {
        std::error_code ignored;
        return std::filesystem::exists(path, ignored);
    };
    if (is_set("PDPP_OWNER_PASSWORD_FILE")) {
        const std::string path = std::getenv("PDPP_OWNER_PASSWORD_FILE");
        return {path, exists(path)};
    }
    if (is_set("PDPP_OWNER_PASSWORD")) {
        return {"", true};
    }
    for (const auto& path : usual_password_files()) {
        if (::access(path.c_str(), R_OK) == 0) {
            return {path, true};
        }
    }
    const auto path = own_password_file();
    return {path, path.empty() || exists(path)};
}

} // namespace

asio::awaitable<int> init(Session session, InitOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    const auto destination = destination_of(session.database, options.role);
    pq::Connection connection(executor);
    const bool is_there = co_await connect_or_find_missing(connection, destination, options.create_database);
    auto facts = co_await look_at_server(connection);
    auto role = co_await look_at_role(connection, destination.role);
    if (!is_there) { // what is known is of another database
        facts.database.clear();
        facts.extension_version.reset();
        facts.schema.clear();
        role.grants = {};
    }
    check_possible(facts, is_there);
    check_configuration(facts);

    const auto password = facts.is_standby ? PasswordFile{"", true} : password_file();
    const Wishes wishes{.database = is_there ? "" : destination.database,
                        .role = destination.role,
                        .password_file = password.is_there ? "" : password.path,
                        .password_owner = reader_of_password(destination.role, asking_user())};
    const Quoting quoting{.identifier = [&](std::string_view name) { return connection.identifier(name); },
                          .literal = [&](std::string_view text) { return connection.literal(text); }};
    auto plan = plan_for(facts, role, wishes, quoting);
    if (facts.is_local && !is_unix_user(destination.role)) {
        plan.remarks.push_back(
            fmt::format("there is no unix user {}, by whom a server lets in such a role over its socket "
                        "(peer): make one, or see that pg_hba.conf lets it in",
                        destination.role));
    }
    print(session.json ? plan_json(facts, plan, destination) : plan_text(facts, plan, destination));
    if (options.dry_run) {
        if (!session.json) {
            print("nothing was done: --dry-run\n");
        }
        co_return exit_code::success;
    }
    if (!is_agreed(plan, session, options)) {
        print("nothing was done\n");
        co_return exit_code::other_ending;
    }
    Performer performer(connection, facts, destination, wishes.password_owner, session);
    co_await performer.perform(plan);
    const auto outlook = outlook_of(facts, plan, destination, password.path);
    print(session.json ? outlook_json(plan, outlook, performer.done()) : outlook_text(plan, outlook));
    co_return exit_code::success;
}

} // namespace pdpp::cli
