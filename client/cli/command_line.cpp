#include "cli/command_line.hpp"

#include "cli/check.hpp"
#include "cli/command.hpp"
#include "cli/connections.hpp"
#include "cli/controller.hpp"
#include "cli/describe.hpp"
#include "cli/doctor.hpp"
#include "cli/help.hpp"
#include "cli/import.hpp"
#include "cli/init.hpp"
#include "cli/now.hpp"
#include "cli/prune.hpp"
#include "cli/run.hpp"
#include "cli/runs.hpp"
#include "cli/serve.hpp"
#include "cli/status.hpp"
#include "cli/timeline.hpp"
#include "cli/token.hpp"
#include "cli/wait.hpp"
#include "pq/body.hpp"
#include "version.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

using Words = std::vector<std::string>;

/// Takes the words behind `--` off a command line of `run`: they are another program's, and the parser, which gives
/// brackets and commas a meaning, must not see them.
Words take_child(const CLI::App& app, Words& words) {
    const auto is_command = [&](const std::string& word) {
        return std::ranges::any_of(app.get_subcommands({}),
                                   [&](const auto* known) { return known->get_name() == word; });
    };
    const auto dashes = std::ranges::find(words, "--");
    const auto command = std::find_if(words.begin(), dashes, is_command);
    if (dashes == words.end() || command == dashes || *command != "run") {
        return {};
    }
    Words child(std::make_move_iterator(std::next(dashes)), std::make_move_iterator(words.end()));
    words.erase(dashes, words.end());
    return child;
}

template <typename Options>
int perform(asio::awaitable<int> (*work)(Session, Options), const Session& session, const Options& options) {
    return run_to_end(work(session, options), session);
}

template <typename Options>
int perform(int (*work)(Session, Options), const Session& session, const Options& options) {
    return work(session, options);
}

/// The parser, and what it has found.
class CommandLine {
  public:
    CommandLine();

    Action read(Words words);

  private:
    /// A command that `work` does with the options. It speaks JSON where `descriptor` is no terminal. `complete` sees
    /// to what the parser cannot, and may throw CLI::ParseError.
    template <typename Options, typename Work>
    void on_parsed(
        CLI::App* command, std::shared_ptr<Options> options, Work work, int descriptor,
        std::function<void()> complete = [] {}) {
        command->callback([this, options = std::move(options), work, descriptor, complete = std::move(complete)] {
            complete();
            descriptor_ = descriptor;
            work_ = [work, options = *options](const Session& session) { return perform(work, session, options); };
        });
    }

    void add_run();
    void add_status();
    void add_timeline();
    void add_runs();
    void add_connections();
    void add_now();
    void add_retry();
    void add_wait();
    void add_cancel();
    void add_serve();
    void add_controller();
    void add_check();
    void add_prune();
    void add_import();
    void add_token();
    void add_init();
    void add_doctor();

    [[nodiscard]] bool is_json(int descriptor) const { return !json_->empty() || ::isatty(descriptor) == 0; }
    [[nodiscard]] Action refuse(const CLI::ParseError& error, bool json) const;

    CLI::App app_{"pdpp: run handles that never dangle.", "pdpp"};
    CLI::Option* database_ = nullptr;
    CLI::Option* json_ = nullptr;
    Words child_; ///< what is behind `--`
    int descriptor_ = STDOUT_FILENO;
    std::function<int(const Session&)> work_;
};

/// --help as CLI11 writes it, which says nothing of an option but the name of its value, where it has one; and nothing
/// of the options of the whole program in the help of a command.
class HelpFormatter : public CLI::Formatter {
  public:
    std::string make_option_desc(const CLI::Option* option) const override {
        auto text = option->get_description();
        if (option->get_required() && !option->get_positional()) {
            text += " (required)";
        }
        if (const auto& usual = option->get_default_str(); !usual.empty()) {
            text += fmt::format(" (default: {})", usual);
        }
        return text;
    }

    std::string make_footer(const CLI::App* app) const override {
        const auto text = CLI::Formatter::make_footer(app);
        return app->get_parent() == nullptr
                   ? text
                   : text + "\nOf every command: --db CONNINFO, --json. What they mean, and exit codes: pdpp --help\n";
    }
};

/// The words below the options as we broke them into lines: CLI11 2.6 would fill its own with them.
void keep_lines(auto& formatter) {
    if constexpr (requires { formatter.enable_footer_formatting(false); }) {
        formatter.enable_footer_formatting(false);
    }
}

CommandLine::CommandLine() {
    const auto formatter = std::make_shared<HelpFormatter>();
    keep_lines(*formatter);
    app_.formatter(formatter);
    app_.set_version_flag("--version", "pdpp " + std::string{program_version}, "Print the version and exit");
    database_ = app_.add_option("--db", "the database: connection string, URI or name")->option_text("CONNINFO");
    json_ = app_.add_flag("--json")->description("JSON output and errors, also on a terminal");
    app_.footer(help::program);
    app_.require_subcommand(1);
    app_.fallthrough();
    add_run();
    add_status();
    add_timeline();
    add_runs();
    add_connections();
    add_now();
    add_retry();
    add_wait();
    add_cancel();
    add_serve();
    add_controller();
    add_check();
    add_prune();
    add_import();
    add_token();
    add_init();
    add_doctor();
}

Action CommandLine::read(Words words) {
    if (words == Words{"--describe"}) { // asked by client/pages, not by people
        return [text = describe(app_, program_version)] {
            std::fputs(text.c_str(), stdout);
            return 0;
        };
    }
    child_ = take_child(app_, words);
    const bool json = std::ranges::find(words, "--json") != words.end() || ::isatty(STDERR_FILENO) == 0;
    try {
        std::ranges::reverse(words); // as CLI11 wants them
        app_.parse(words);
    } catch (const CLI::ParseError& error) {
        return refuse(error, json);
    }
    Session session{database_->empty() ? std::string() : database_->as<std::string>(), is_json(descriptor_)};
    return [work = work_, session = std::move(session)] {
        try {
            return work(session);
        } catch (const Failure& failure) {
            return report(failure, session.json);
        }
    };
}

/// What the parser says, but where its words leave something out.
std::string what_is_wrong(const CLI::ParseError& error) {
    const std::string text = error.what();
    return dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && text.find("required") != std::string::npos
               ? text.substr(0, text.find(':')) + " needs a value"
               : text;
}

Action CommandLine::refuse(const CLI::ParseError& error, bool json) const {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) { // --help, --version
        std::ostringstream text;
        const int code = app_.exit(error, text, text);
        return [text = text.str(), code] {
            std::fputs(text.c_str(), stdout);
            return code;
        };
    }
    const auto chosen = app_.get_subcommands();
    const auto left = app_.remaining(true);
    std::string message = what_is_wrong(error);
    std::string hint = chosen.empty() ? "See: pdpp --help" : "See: pdpp " + chosen.front()->get_name() + " --help";
    const auto option = std::ranges::find_if(left, [](const std::string& word) { return word.starts_with('-'); });
    if (option != left.end()) {
        message = "there is no option " + *option;
    } else if (chosen.empty() && !left.empty()) { // CLI11 minds first that there is no command
        message = "there is no command " + left.front();
    } else if (!left.empty() && chosen.front()->get_name() == "run") {
        hint = fmt::format("What is run comes behind --, as in: pdpp run -- {}. {}", left.front(), hint);
    }
    return [failure = Failure{exit_code::usage, "usage", std::move(message), std::move(hint), {}}, json] {
        return report(failure, json);
    };
}

// ---- what several commands take -------------------------------------------------------------------------------------

void add_run_id(CLI::App* command, std::string& run_id) {
    command->add_option("RUN", run_id, "the run's id")->required();
}

void add_cursor(CLI::App* command, std::optional<std::string>& cursor) {
    command->add_option("--cursor", cursor, "go on where an earlier page ended (its next_cursor)")
        ->option_text("CURSOR");
}

CLI::Option* add_all(CLI::App* command, bool& all) {
    return command->add_flag("--all", all, "every page, to the end");
}

void add_timeout(CLI::App* command, std::optional<double>& seconds, const std::string& text) {
    command->add_option("--timeout", seconds, text)->check(CLI::Range(0.001, 1e9))->option_text("SECONDS");
}

void add_metrics_file(CLI::App* command, std::string& file) {
    command->add_option("--metrics-file", file, "how many endings wait for the database, for Prometheus to read")
        ->option_text("FILE");
}

void add_log_options(CLI::App* command, log::Options& options) {
    command->add_option("--log-format", options.format, "how the lines on standard error are written")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str()
        ->option_text("text|json");
    command->add_option("--log-level", options.level, "the least that is logged")
        ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
        ->capture_default_str()
        ->option_text("debug|info|warning|error|off");
}

// ---- commands that ask ----------------------------------------------------------------------------------------------

void CommandLine::add_status() {
    auto* const command = app_.add_subcommand("status", "Show what a run's handle resolves to");
    const auto options = std::make_shared<StatusOptions>();
    add_run_id(command, options->run_id);
    command->footer(help::status);
    on_parsed(command, options, show_status, STDOUT_FILENO);
}

void CommandLine::add_timeline() {
    auto* const command = app_.add_subcommand("timeline", "Show everything that happened to a run, in order");
    const auto options = std::make_shared<TimelineOptions>();
    add_run_id(command, options->run_id);
    command->add_option("--limit", options->limit, "events in a page (the server's default: 2000)")
        ->check(CLI::Range(1, 5000))
        ->option_text("N");
    add_cursor(command, options->cursor);
    add_all(command, options->all);
    command->add_flag("--follow", options->follow, "print events as they are committed, until the run has ended")
        ->excludes("--all");
    command->footer(help::timeline);
    on_parsed(command, options, show_timeline, STDOUT_FILENO);
}

void CommandLine::add_runs() {
    auto* const command = app_.add_subcommand("runs", "List runs, newest admission first");
    const auto options = std::make_shared<RunsOptions>();
    command->add_option("--status", options->status, "only these")
        ->check(CLI::IsMember({"active", "completed", "failed", "cancelled", "abandoned"}));
    command->add_option("--connector", options->connector_id, "of this connector")->option_text("ID");
    command->add_option("--connection", options->connector_instance_id, "of this connection")->option_text("ID");
    command->add_option("--retry-of", options->retry_of, "that repeat this run")->option_text("RUN");
    command->add_option("--since", options->since, "admitted then or later")->option_text("TIME");
    command->add_option("--until", options->until, "admitted before")->option_text("TIME");
    command->add_option("--limit", options->list.limit, "runs in a page (default: 50)")
        ->check(CLI::Range(1, 500))
        ->option_text("N");
    add_cursor(command, options->list.cursor);
    add_all(command, options->list.all);
    command->add_flag("--watch", options->watch, "show the first page, and again when it changes, until interrupted")
        ->excludes("--all")
        ->excludes("--cursor");
    command->footer(help::runs);
    on_parsed(command, options, show_runs, STDOUT_FILENO);
}

/// Two flags of which one may be given: true, or false.
void add_either(CLI::App* command, std::optional<bool>& truth, const std::string& yes, const std::string& yes_text,
                const std::string& no, const std::string& no_text) {
    const auto set = [&truth](bool to) { return [&truth, to] { truth = to; }; };
    command->add_flag_callback(yes, set(true), yes_text);
    command->add_flag_callback(no, set(false), no_text)->excludes(yes);
}

void CommandLine::add_connections() {
    auto* const command = app_.add_subcommand("connections", "List connections: who offers each, and its active run");
    const auto options = std::make_shared<ConnectionsOptions>();
    command->add_option("--connector", options->connector_id, "of this connector")->option_text("ID");
    command->add_option("--connection", options->connector_instance_id, "this one")->option_text("ID");
    add_either(command, options->offered, "--offered", "that a living controller offers", "--not-offered",
               "that none does");
    add_either(command, options->active, "--active", "with a run in flight", "--idle", "without one");
    command->add_option("--limit", options->list.limit, "connections in a page (default: 50)")
        ->check(CLI::Range(1, 500))
        ->option_text("N");
    add_cursor(command, options->list.cursor);
    add_all(command, options->list.all);
    command->footer(help::connections);
    on_parsed(command, options, show_connections, STDOUT_FILENO);
}

void CommandLine::add_wait() {
    auto* const command = app_.add_subcommand("wait", "Wait until a run has ended");
    const auto options = std::make_shared<WaitOptions>();
    add_run_id(command, options->run_id);
    add_timeout(command, options->timeout_seconds, "give up after this time (default: never)");
    command->footer(help::wait);
    on_parsed(command, options, wait_for_end, STDOUT_FILENO);
}

// ---- commands that change something ---------------------------------------------------------------------------------

/// For CLI11: what is wrong with --data, or nothing. The text itself goes to the database as it is.
std::string check_json(const std::string& text) {
    try {
        return pq::parse_body(text).is_object() ? std::string() : "must be a JSON object";
    } catch (const std::exception&) {
        return "is not JSON";
    }
}

void CommandLine::add_now() {
    auto* const command = app_.add_subcommand("now", "Start a run of a connection, and print its handle");
    const auto options = std::make_shared<NowOptions>();
    command->add_option("CONNECTION", options->connector_instance_id, "the connection's id");
    command
        ->add_option("--connector", options->connector_id,
                     "the connector's id: alone, its only offered connection is run; with CONNECTION, that connection\n"
                     "is put on record with it")
        ->option_text("ID");
    command->add_option("--run-id", options->run_id, "the handle (default: a new one)")->option_text("ID");
    command->add_option("--data", options->data, "a JSON object that the run is given, stored with every digit")
        ->check(check_json)
        ->option_text("JSON");
    command
        ->add_option("--idempotency-key", options->idempotency_key,
                     "repeated with the same arguments, the answer is the same and no second run starts")
        ->option_text("KEY");
    add_timeout(command, options->timeout_seconds,
                "end the run if it has not ended after this time (default: its connection's, else pdpp.run_timeout)");
    command->footer(help::now);
    on_parsed(command, options, run_now, STDOUT_FILENO, [options] {
        if (!options->connector_instance_id && !options->connector_id) {
            throw CLI::RequiredError("CONNECTION or --connector");
        }
    });
}

void CommandLine::add_retry() {
    auto* const command =
        app_.add_subcommand("retry", "Start a run that repeats one that has ended, and print its handle");
    const auto options = std::make_shared<NowOptions>();
    command->add_option("RUN", options->retry_of, "the handle of the run to repeat")->required();
    command->add_option("--run-id", options->run_id, "the handle (default: a new one)")->option_text("ID");
    command->add_option("--data", options->data, "a JSON object that the run is given (default: what RUN was given)")
        ->check(check_json)
        ->option_text("JSON");
    command
        ->add_option("--idempotency-key", options->idempotency_key,
                     "repeated with the same arguments, the answer is the same and no second run starts")
        ->option_text("KEY");
    command->footer(help::retry);
    on_parsed(command, options, run_now, STDOUT_FILENO);
}

void CommandLine::add_cancel() {
    auto* const command = app_.add_subcommand("cancel", "Ask a run to end");
    const auto options = std::make_shared<CancelOptions>();
    add_run_id(command, options->run_id);
    command->footer(help::cancel);
    on_parsed(command, options, cancel, STDOUT_FILENO);
}

void CommandLine::add_run() {
    auto* const command = app_.add_subcommand("run", "Launch a command as a run, and record how it ends:\n"
                                                     "pdpp run [OPTIONS] -- COMMAND [ARGUMENT...]");
    const auto options = std::make_shared<RunOptions>();
    command->add_option("--connector", options->connector_id, "the connector's id (default: the command's base name)")
        ->option_text("ID");
    command
        ->add_option("--connection", options->connector_instance_id,
                     "the connection's id (default: the connector's id); one run at a time for each")
        ->option_text("ID");
    add_timeout(command, options->timeout_seconds, "stop the command after this time (default: never)");
    command->add_option("--cwd", options->working_directory, "the command's working directory")->option_text("DIR");
    add_metrics_file(command, options->metrics_file);
    command->footer(help::run);
    // what goes to standard output is the child's
    on_parsed(command, options, launch_command, STDERR_FILENO, [this, options] {
        if (child_.empty()) {
            throw CLI::RequiredError("a command behind --");
        }
        options->command = child_;
    });
}

void CommandLine::add_prune() {
    auto* const command = app_.add_subcommand("prune", "Remove what runs that ended long ago said in between");
    const auto options = std::make_shared<PruneOptions>();
    auto* const before =
        command->add_option("--before", options->before, "of runs that ended before this time")->option_text("TIME");
    command
        ->add_option("--older-than", options->older_than,
                     "of runs that ended longer ago than this; one of the two is required")
        ->option_text("INTERVAL")
        ->excludes(before);
    command->add_option("--batch-size", options->batch_size, "events in a transaction (default: 1000)")
        ->check(CLI::Range(1, 100'000))
        ->option_text("N");
    command->footer(help::prune);
    on_parsed(command, options, prune, STDOUT_FILENO, [options] {
        if (!options->before && !options->older_than) {
            throw CLI::RequiredError("--before or --older-than");
        }
    });
}

void CommandLine::add_import() {
    auto* const command =
        app_.add_subcommand("import", "Copy the runs that another PDPP server recorded, and follow it");
    const auto options = std::make_shared<MoveInOptions>();
    command->add_option("--from", options->from, "its database: postgres:CONNINFO or sqlite:PATH")
        ->required()
        ->option_text("SOURCE");
    auto* const dry_run =
        command->add_flag("--dry-run", options->dry_run, "say what is to be found there, and copy nothing");
    auto* const follow = command->add_flag("--follow", options->follow, "go on with what it writes, until told to stop")
                             ->excludes(dry_run);
    auto* const adjudicate =
        command->add_flag("--adjudicate", options->adjudicate, "end runs whose server has begun another life since");
    command->add_flag("--source-is-stopped", options->source_is_stopped, "and all others: the server is gone for good")
        ->needs(adjudicate)
        ->excludes(follow);
    command->footer(help::import_runs);
    on_parsed(command, options, import_runs, STDOUT_FILENO);
}

void CommandLine::add_check() {
    auto* const command = app_.add_subcommand("check", "Check what must hold for every run, over the whole history");
    command->footer(help::check);
    on_parsed(command, std::make_shared<CheckOptions>(), check, STDOUT_FILENO);
}

// ---- commands that stay, and the gateway's token --------------------------------------------------------------------

void CommandLine::add_controller() {
    auto* const command =
        app_.add_subcommand("controller", "Launch the runs of the connections in a file, until told to stop");
    const auto options = std::make_shared<ControllerOptions>();
    command->add_option("--connections", options->connections_file, "what can be launched, a JSON file (see below)")
        ->required()
        ->option_text("FILE");
    command->add_option("--controller-id", options->controller_id, "this controller's name, kept over its lives")
        ->capture_default_str()
        ->option_text("ID");
    command->add_option("--parallel", options->parallel, "runs at once, at most")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str()
        ->option_text("N");
    command->add_option("--drain-timeout", options->drain_seconds, "how long runs may go on after SIGTERM")
        ->check(CLI::Range(0.0, 1e9))
        ->capture_default_str()
        ->option_text("SECONDS");
    command->add_flag("--show-output", options->show_output, "log what connectors print (it may hold secrets)");
    add_metrics_file(command, options->metrics_file);
    add_log_options(command, options->log);
    command->footer(help::controller);
    on_parsed(command, options, launch_connections, STDERR_FILENO);
}

void CommandLine::add_token() {
    auto* const command = app_.add_subcommand("token", "Print a bearer token of the gateway's owner");
    const auto options = std::make_shared<TokenOptions>();
    command->add_option("--ttl", options->lifetime_seconds, "how long it is good for (default: 7 days)")
        ->check(CLI::Range(1L, 10L * 366 * 24 * 3600))
        ->option_text("SECONDS");
    command->footer(help::token);
    on_parsed(command, options, print_token, STDERR_FILENO);
}

// ---- an installation ------------------------------------------------------------------------------------------------

void CommandLine::add_init() {
    auto* const command =
        app_.add_subcommand("init", "Set a database and its server up: extension, role, worker, password");
    const auto options = std::make_shared<InitOptions>();
    command->add_option("--role", options->role, "the gateway's role (default: whom the next commands log in as)")
        ->option_text("NAME");
    command->add_flag("--create-db", options->create_database, "make the database, if it is not there");
    command->add_flag("--dry-run", options->dry_run, "say what would be done, and do nothing");
    command->add_flag("--yes", options->yes, "do not ask, on a terminal");
    command->footer(help::init);
    on_parsed(command, options, init, STDOUT_FILENO);
}

void CommandLine::add_doctor() {
    auto* const command = app_.add_subcommand("doctor", "Check an installation, and say what to do about each finding");
    const auto options = std::make_shared<DoctorOptions>();
    command->add_option("--role", options->role, "the gateway's role (default: whom `pdpp serve` logs in as)")
        ->option_text("NAME");
    command->add_option("--config", options->config, "the gateway's file: whether it listens where that says")
        ->option_text("FILE");
    command
        ->add_option("--upstream", options->upstream,
                     "the server that the gateway hands on to: whether it answers (default: that of --config)")
        ->option_text("URL");
    command->footer(help::doctor);
    on_parsed(command, options, doctor, STDOUT_FILENO);
}

// ---- serve, whose options may stand in a file as well ---------------------------------------------------------------

/// For CLI11: empty for three octal digits, or four that begin with 0; else what is wrong.
std::string check_mode(const std::string& text) {
    const bool octal = text.find_first_not_of("01234567") == std::string::npos;
    return octal && (text.size() == 3 || (text.size() == 4 && text.front() == '0')) ? "" : "must be like 0660";
}

/// An option in seconds, down to milliseconds.
void add_seconds(CLI::App* command, const std::string& name, std::chrono::milliseconds& time, const std::string& text) {
    const auto set = [&time](double seconds) {
        time = std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
    };
    command->add_option_function<double>(name, set, text)
        ->check(CLI::Range(0.001, 86'400.0))
        ->default_str(fmt::format("{:g}", std::chrono::duration<double>(time).count()))
        ->option_text("SECONDS");
}

void add_bytes(CLI::App* command, const std::string& name, std::size_t& bytes, std::size_t least,
               const std::string& text) {
    command->add_option(name, bytes, text)
        ->check(CLI::Range(least, std::size_t{64} << 20U))
        ->capture_default_str()
        ->option_text("BYTES");
}

void add_serve_options(CLI::App* command, ServeOptions& options) {
    command->add_option("--config", options.config, "a file of `option = value` lines; the command line goes first")
        ->configurable(false)
        ->option_text("FILE");
    command
        ->add_option("--listen", options.listen,
                     "where to listen: of a name its first address; port 0 takes a free one")
        ->capture_default_str()
        ->option_text("HOST:PORT|unix:/PATH");
    command->add_option("--socket-mode", options.socket_mode, "permissions of a unix socket")
        ->check(CLI::Validator(check_mode, "MODE"))
        ->capture_default_str()
        ->option_text("MODE");
    command
        ->add_option("--admin", options.admin, "where to serve /live, /ready and /metrics, to everybody; else nowhere")
        ->option_text("HOST:PORT|unix:/PATH");
    command
        ->add_option("--admin-host", options.admin_hosts,
                     "a name that --admin may be asked by, beside its address and those of this machine; repeatable")
        ->allow_extra_args(false)
        ->option_text("NAME");
    command->add_option("--public-url", options.public_url, "how browsers reach this server, if not by that address")
        ->option_text("URL");
    command
        ->add_option(
            "--threads", options.threads,
            "threads that serve, which share connections and memory; else the cores, at most 4, and at most one "
            "for each 4 of --pool")
        ->check(CLI::Range(std::size_t{1}, most_threads))
        ->option_text("N");
    command
        ->add_option("--pool", options.pool_size,
                     "database connections at most, of all threads together; else 4 for each")
        ->check(CLI::Range(1, 1000))
        ->option_text("N");
    command->add_option("--statement-timeout", options.statement_timeout_ms, "longest statement, in milliseconds")
        ->check(CLI::Range(1, 3'600'000))
        ->capture_default_str()
        ->option_text("MS");
    command
        ->add_option("--status-cache", options.status_cache_mb,
                     "memory for the statuses of runs that have ended, which never change, in MB; 0 keeps none")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str()
        ->option_text("MB");
    command->add_option("--wait-limit", options.wait_limit_s, "longest Prefer: wait, in seconds")
        ->check(CLI::Range(0, 86'400))
        ->capture_default_str()
        ->option_text("SECONDS");
    add_seconds(command, "--keep-alive", options.keep_alive, "longest silence of an event stream");
    command
        ->add_option("--upstream", options.upstream, "the PDPP server that all but reads of known runs is handed on to")
        ->option_text("URL");
    add_seconds(command, "--upstream-timeout", options.upstream_timeout, "longest silence of that server");
    command->add_flag("--insecure-no-owner", options.insecure_no_owner,
                      "without an owner's password: serve everybody, on a loopback address or a unix socket only");
    add_log_options(command, options.log);

    auto& limits = options.limits;
    command
        ->add_option("--max-connections", limits.connections,
                     "connections of clients that are open at once; more are answered 503")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str()
        ->option_text("N");
    add_bytes(command, "--max-header-bytes", limits.header_bytes, 1024, "request line and headers; more is 431");
    add_bytes(command, "--max-target-bytes", options.target_bytes, 64, "path and query; more is 414");
    add_bytes(command, "--max-body-bytes", limits.body_bytes, 1024, "of a request; more is 413");
    add_seconds(command, "--header-timeout", limits.header_time,
                "from a request's first byte to the end of its headers");
    add_seconds(command, "--body-timeout", limits.body_time, "to the end of its body");
    add_seconds(command, "--write-timeout", limits.write_time, "for a client to take its answer");
    add_seconds(command, "--idle-timeout", limits.idle_time, "between the requests of a connection");
    command->add_option("--drain-timeout", options.drain_seconds, "how long requests may go on after SIGTERM")
        ->check(CLI::Range(0, 86'400))
        ->capture_default_str()
        ->option_text("SECONDS");
}

std::set<std::string> given_options(const CLI::App& command) {
    std::set<std::string> names;
    for (const auto* const option : command.get_options()) {
        if (option->count() > 0) {
            names.insert(option->get_single_name());
        }
    }
    return names;
}

void CommandLine::add_serve() {
    auto* const command = app_.add_subcommand("serve", "Serve runs over HTTP, until told to stop");
    const auto options = std::make_shared<ServeCommandLine>();
    add_serve_options(command, options->options);
    command->footer(help::serve);
    on_parsed(command, options, serve, STDERR_FILENO, [command, options] { options->given = given_options(*command); });
}

Failure wrong_config(const ServeOptions& options, std::string_view what) {
    return {exit_code::usage, "usage", fmt::format("{}: {}", options.config, what), "See: pdpp serve --help", {}};
}

} // namespace

Action read_command_line(Words words) {
    return CommandLine().read(std::move(words));
}

ServeOptions with_config(const ServeCommandLine& command_line) {
    auto options = command_line.options;
    if (options.config.empty()) {
        return options;
    }
    std::error_code unknown;
    if (std::filesystem::is_directory(options.config, unknown)) { // which would be read as an empty file
        throw wrong_config(options, "the file cannot be read");
    }
    CLI::App parser;
    add_serve_options(&parser, options);
    try {
        for (const auto& item : CLI::ConfigTOML().from_file(options.config)) {
            auto* const option = parser.get_option_no_throw("--" + item.name);
            if (!item.parents.empty() || option == nullptr || !option->get_configurable()) {
                throw wrong_config(options, fmt::format("there is no option {}", item.fullname()));
            }
            if (command_line.given.contains(item.name)) {
                continue;
            }
            for (const auto& value : item.inputs) {
                option->add_result(value);
            }
            option->run_callback();
        }
    } catch (const CLI::FileError&) {
        throw wrong_config(options, "the file cannot be read");
    } catch (const CLI::Error& error) {
        throw wrong_config(options, error.what());
    }
    return options;
}

} // namespace pdpp::cli
