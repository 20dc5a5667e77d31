// The program `pdpp`: its command line, and nothing else.

#include "cli/check.hpp"
#include "cli/controller.hpp"
#include "cli/now.hpp"
#include "cli/prune.hpp"
#include "cli/run.hpp"
#include "cli/runs.hpp"
#include "cli/serve.hpp"
#include "cli/status.hpp"
#include "cli/timeline.hpp"
#include "cli/token.hpp"
#include "cli/wait.hpp"
#include "controller/process.hpp"
#include "version.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <iterator>
#include <unistd.h>

namespace {

using Words = std::vector<std::string>;

constexpr auto footer =
    R"(The database is found the usual ways of PostgreSQL: --db takes a connection string (keywords or URI) or a database
name; what it leaves out comes from the service file and the environment (PGHOST, PGPORT, PGUSER, PGDATABASE, ...).
Of several hosts (host=a,b) the primary is found, and found again when it moves; a standby tells how runs ended.
On a terminal the output is for people; where it is piped, and with --json, it is JSON. Errors go to standard error.

Exit codes:
  0  success; of run and wait: the run completed
  1  of run and wait: the run ended in any other way; of check: a violation was found;
     of controller: an ending could not be recorded before it had to stop;
     of serve: the system does not let it listen
  2  the command line is wrong
  3  no such run was ever handed out
  4  the database cannot be reached, or only a standby that cannot tell
  5  the database refused
  124  of wait: the run has not ended in time

Examples:
  pdpp run -- ./fetch-mail --since yesterday
  pdpp now gmail-anna
  pdpp wait --timeout 60 run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp status run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp runs --status failed --since yesterday
  pdpp --db postgresql://owner@db.example/pdpp timeline run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp serve --listen 127.0.0.1:8080 --db "service=pdpp"

`pdpp COMMAND --help` tells more about each.)";

/// Makes sure that 0, 1 and 2 are open, so that no socket or pipe of ours ever takes their place and is written to.
void open_standard_descriptors() {
    int opened = 0;
    do {
        opened = ::open("/dev/null", O_RDWR);
    } while (opened >= 0 && opened <= STDERR_FILENO);
    if (opened >= 0) {
        ::close(opened);
    }
}

void log_to_standard_error() {
    spdlog::set_default_logger(spdlog::stderr_logger_st("pdpp"));
}

/// Takes the words behind `--` off a command line of `run`: they are another program's, and the parser, which gives
/// brackets and commas a meaning, must not see them.
Words take_child(const CLI::App& app, Words& words) {
    const auto is_subcommand = [&](const std::string& word) {
        return std::ranges::any_of(app.get_subcommands({}),
                                   [&](const auto* known) { return known->get_name() == word; });
    };
    const auto dashes = std::ranges::find(words, "--");
    const auto subcommand = std::find_if(words.begin(), dashes, is_subcommand);
    if (dashes == words.end() || subcommand == dashes || *subcommand != "run") {
        return {};
    }
    Words child(std::make_move_iterator(std::next(dashes)), std::make_move_iterator(words.end()));
    words.erase(dashes, words.end());
    return child;
}

int refuse_usage(const CLI::App& app, const CLI::ParseError& error, bool json) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
        return app.exit(error); // --help, --version
    }
    const auto chosen = app.get_subcommands();
    const auto help = chosen.empty() ? std::string("pdpp --help") : "pdpp " + chosen.front()->get_name() + " --help";
    return pdpp::cli::report({pdpp::cli::exit_code::usage, "usage", error.what(), "See: " + help, {}}, json);
}

int run_program(Words words) {
    open_standard_descriptors();
    log_to_standard_error();
    pdpp::controller::take_in_orphans();

    CLI::App app("pdpp: run handles that never dangle.", "pdpp");
    app.set_version_flag("--version", "pdpp " + std::string{pdpp::program_version}, "Print the version and exit");
    app.add_option("--db", "the database: connection string, URI or name")->option_text("CONNINFO");
    app.add_flag("--json")->description("JSON output and errors, also on a terminal");
    app.footer(footer);
    app.require_subcommand(1);
    app.fallthrough();

    pdpp::cli::Action action;
    Words child;
    pdpp::cli::add_run_command(app, action, child);
    pdpp::cli::add_status_command(app, action);
    pdpp::cli::add_timeline_command(app, action);
    pdpp::cli::add_runs_command(app, action);
    pdpp::cli::add_now_command(app, action);
    pdpp::cli::add_wait_command(app, action);
    pdpp::cli::add_cancel_command(app, action);
    pdpp::cli::add_serve_command(app, action);
    pdpp::cli::add_controller_command(app, action);
    pdpp::cli::add_check_command(app, action);
    pdpp::cli::add_prune_command(app, action);
    pdpp::cli::add_token_command(app, action);

    child = take_child(app, words);
    const bool json = std::ranges::find(words, "--json") != words.end() || ::isatty(STDERR_FILENO) == 0;
    try {
        std::ranges::reverse(words); // as CLI11 wants them
        app.parse(words);
    } catch (const CLI::ParseError& error) {
        return refuse_usage(app, error, json);
    }
    return action();
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(Words(argv + 1, argv + argc));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pdpp: %s\n", error.what());
        return pdpp::cli::exit_code::other_ending;
    }
}
