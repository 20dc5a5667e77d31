#include "cli/setup/plan.hpp"

#include "cli/setup/name_list.hpp"
#include "pq/advice.hpp"
#include "pq/grants.hpp"
#include "text/shell.hpp"

#include <boost/algorithm/string/join.hpp>
#include <boost/algorithm/string/replace.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace pdpp::cli {

namespace {

bool names(const std::string& list, const std::string& database) {
    const auto all = names_in(list);
    return std::ranges::find(all, database) != all.end();
}

/// Makes the plan from the parts that belong together.
class Planner {
  public:
    Planner(const ServerFacts& facts, const RoleFacts& role, const Wishes& wishes, const Quoting& quoting)
        : facts_(facts), role_(role), wishes_(wishes), quoting_(quoting),
          database_(wishes.database.empty() ? facts.database : wishes.database) {}

    Plan plan() && {
        if (!facts_.is_standby) { // all of this comes from the primary
            plan_database();
            plan_extension();
            plan_role();
            plan_grants();
        }
        plan_settings();
        if (!wishes_.password_file.empty()) {
            add(StepKind::make_password_file, "the owner's password, a random one", wishes_.password_file);
        }
        return std::move(plan_);
    }

  private:
    void add(StepKind kind, std::string what, std::string sql) {
        plan_.steps.push_back({kind, std::move(what), std::move(sql)});
    }

    void plan_database() {
        if (wishes_.database.empty()) {
            return;
        }
        // whatever the server's own encoding is; a locale belongs to one encoding, but for C, which every server has
        const bool is_foreign = !facts_.foreign_locale.empty();
        add(StepKind::create_database, fmt::format("database {}", database_),
            fmt::format("create database {} encoding 'UTF8' template template0{}", quoting_.identifier(database_),
                        is_foreign ? " lc_collate 'C' lc_ctype 'C'" : ""));
        if (is_foreign) {
            plan_.remarks.push_back(
                fmt::format("UTF8 does not go with the server's locale {}: the database gets C, which "
                            "sorts by code points",
                            facts_.foreign_locale));
        }
    }

    void plan_extension() {
        const auto& available = facts_.available_version;
        const auto& installed = facts_.extension_version;
        if (!installed) {
            add(StepKind::in_transaction, fmt::format("extension pdpp {}", available.value_or("")),
                "create extension pdpp");
        } else if (available && available != installed && facts_.library_version &&
                   facts_.library_version != available) {
            plan_.remarks.push_back(
                fmt::format("the extension is of version {} and {} is installed on the server, which "
                            "still runs the library of {}: restart it, then run this again",
                            *installed, *available, *facts_.library_version));
            plan_.needs_restart = true;
        } else if (available && available != installed) {
            add(StepKind::in_transaction, fmt::format("extension pdpp from {} to {}", *installed, *available),
                "alter extension pdpp update");
        }
    }

    void plan_role() {
        if (!role_.exists) {
            add(StepKind::in_transaction, fmt::format("role {}", role_.name),
                fmt::format("create role {} login", quoting_.identifier(role_.name)));
        } else if (role_.is_superuser) {
            plan_.remarks.push_back(
                fmt::format("the role {} is a superuser and needs no grants; one that may do less is "
                            "better for a gateway in service: {}",
                            role_.name, pq::init_command(database_, "pdpp-gateway")));
        } else if (!role_.may_log_in) {
            plan_.remarks.push_back(fmt::format("the role {} may not log in, which is left so: a gateway logs in as a "
                                                "member of it, or after: alter role {} login",
                                                role_.name, quoting_.identifier(role_.name)));
        }
    }

    void plan_grants() {
        const bool is_new = !role_.exists || !facts_.extension_version;
        const auto& grants = role_.grants;
        const auto role = quoting_.identifier(role_.name);
        if (role_.is_superuser) {
            return;
        }
        if (!grants.may_connect) {
            add(StepKind::in_transaction, fmt::format("connecting to the database, for {}", role_.name),
                fmt::format("grant connect on database {} to {}", quoting_.identifier(database_), role));
        }
        if (!grants.sees_schema) {
            add(StepKind::in_transaction, fmt::format("the extension's schema, for {}", role_.name),
                fmt::format("grant usage on schema {} to {}", facts_.schema, role));
        }
        const auto add_kind = [&](std::string_view kind, int lacks) {
            if (is_new || lacks > 0) {
                add(StepKind::in_transaction, fmt::format("grant {}, for {}", kind, role_.name),
                    fmt::format("select {}pdpp_grant({}::regrole, '{}')",
                                facts_.schema.empty() ? "" : facts_.schema + ".",
                                quoting_.literal(pq::as_regrole(role_.name)), kind));
            }
        };
        add_kind("owner", grants.owner_lacks);
        add_kind("controller", grants.controller_lacks);
    }

    /// Where it is not known what the files say, whoever may read them writes the line: what `value` is built upon may
    /// be older, and what was changed since would be lost.
    void alter_system(const std::string& setting, bool is_known, const std::string& value) {
        if (facts_.may_alter_system && is_known) {
            add(StepKind::alter_system, fmt::format("setting {}", setting),
                fmt::format("alter system set {} = {}", setting, value));
        } else {
            plan_.by_hand = lines_of_configuration(facts_, database_);
        }
    }

    void plan_preload() {
        const auto& preload = facts_.preload;
        const auto& wanted = preload.in_files ? preload.in_files : preload.running;
        plan_.needs_restart = plan_.needs_restart || !preloads_pdpp(preload.running.value_or(""));
        if (preloads_pdpp(wanted.value_or(""))) {
            return;
        }
        if (preload.is_on_command_line) {
            plan_.by_hand = lines_of_configuration(facts_, database_);
            plan_.remarks.emplace_back("shared_preload_libraries is set where the server is started, which goes before "
                                       "its files: add pdpp there");
            return;
        }
        // each library is a text of its own: one that holds commas would be taken for the name of a library
        auto libraries = names_in(wanted.value_or(""));
        libraries.emplace_back("pdpp");
        std::ranges::transform(libraries, libraries.begin(), quoting_.literal);
        alter_system("shared_preload_libraries", preload.in_files.has_value(), boost::algorithm::join(libraries, ", "));
    }

    void plan_settings() {
        const auto& databases = facts_.databases;
        if (!facts_.preload.running && !facts_.has_launcher) {
            plan_.by_hand = lines_of_configuration(facts_, database_);
            plan_.needs_restart = true;
            plan_.remarks.push_back(fmt::format("the role {} may not see shared_preload_libraries, which may have pdpp "
                                                "already: ask a superuser of the server",
                                                facts_.role));
            return;
        }
        if (facts_.preload.running) {
            plan_preload();
        }
        const bool is_running = preloads_pdpp(facts_.preload.running.value_or("")) || facts_.has_launcher;
        const auto& wanted = databases.in_files ? databases.in_files : databases.running;
        const bool is_named = names(wanted.value_or(""), database_);
        if (!is_named) {
            alter_system("pdpp.databases", databases.in_files.has_value(),
                         quoting_.literal(with_name(wanted.value_or(""), database_)));
        }
        const bool is_done = names(databases.running.value_or(""), database_);
        if (is_running && !is_done && plan_.by_hand.empty()) {
            add(StepKind::reload, "the configuration, read again", "select pg_reload_conf()");
        }
    }

    const ServerFacts& facts_;
    const RoleFacts& role_;
    const Wishes& wishes_;
    const Quoting& quoting_;
    std::string database_;
    Plan plan_;
};

} // namespace

Plan plan_for(const ServerFacts& facts, const RoleFacts& role, const Wishes& wishes, const Quoting& quoting) {
    return Planner(facts, role, wishes, quoting).plan();
}

std::vector<std::string> lines_of_configuration(const ServerFacts& facts, const std::string& database) {
    const auto line = [](std::string_view name, const std::string& value) {
        return fmt::format("{} = '{}'", name, boost::algorithm::replace_all_copy(value, "'", "''"));
    };
    const auto& preload = facts.preload.in_files ? facts.preload.in_files : facts.preload.running;
    const auto& databases = facts.databases.in_files ? facts.databases.in_files : facts.databases.running;
    const auto served = databases.value_or("");
    std::vector<std::string> lines;
    if (!preload && !facts.has_launcher) {
        lines.push_back(line("shared_preload_libraries", "pdpp") + "  # beside what it names already");
    } else if (preload && !preloads_pdpp(*preload)) {
        lines.push_back(line("shared_preload_libraries", with_name(*preload, "pdpp")));
    }
    lines.push_back(line("pdpp.databases", names(served, database) ? served : with_name(served, database)));
    return lines;
}

} // namespace pdpp::cli
