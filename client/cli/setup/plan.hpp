#pragma once
// What `pdpp init` has to do, from what is so and what is wished for. Pure.

#include "cli/setup/server_facts.hpp"

#include <functional>
#include <string>
#include <vector>

namespace pdpp::cli {

struct Wishes {
    std::string database;       ///< that is to be made; empty if it is there
    std::string role;           ///< of the gateway
    std::string password_file;  ///< that is to be made; empty if none is needed
    std::string password_owner; ///< the unix user who is to read it; empty if that is whoever makes it
};

enum class StepKind {
    create_database, ///< over another database
    in_transaction,  ///< extension, role and grants: all or none
    alter_system,    ///< where it is not allowed, lines of postgresql.conf take its place
    reload,
    make_password_file,
};

struct Step {
    StepKind kind;
    std::string what; ///< `extension pdpp 0.3.0`
    std::string sql;  ///< nothing of it is secret; of a file its path
};

struct Plan {
    std::vector<Step> steps;
    std::vector<std::string> by_hand; ///< lines of postgresql.conf, where nothing else may be done
    std::vector<std::string> remarks; ///< what is so, and left so
    bool needs_restart = false;       ///< once the steps are done
};

/// How names and texts are put into SQL.
struct Quoting {
    std::function<std::string(std::string_view)> identifier;
    std::function<std::string(std::string_view)> literal;
};

Plan plan_for(const ServerFacts& facts, const RoleFacts& role, const Wishes& wishes, const Quoting& quoting);

/// The lines of postgresql.conf that preload the worker, unless it is preloaded, and have it serve `database`.
std::vector<std::string> lines_of_configuration(const ServerFacts& facts, const std::string& database);

} // namespace pdpp::cli
