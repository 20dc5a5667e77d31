#include "cli/serve_options.hpp"

#include "cli/output.hpp"

#include <fmt/format.h>

#include <chrono>

namespace pdpp::cli {

namespace {

constexpr auto config_option = "--config";

/// For CLI11: empty for three octal digits, or four that begin with 0; else what is wrong.
std::string is_mode(const std::string& text) {
    const bool octal = text.find_first_not_of("01234567") == std::string::npos;
    return octal && (text.size() == 3 || (text.size() == 4 && text.front() == '0')) ? "" : "must be like 0660";
}

/// An option in seconds, down to milliseconds.
void add_seconds(CLI::App& command, const std::string& name, std::chrono::milliseconds& time, const std::string& text) {
    const auto set = [&time](double seconds) {
        time = std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
    };
    command.add_option_function<double>(name, set, text)
        ->check(CLI::Range(0.001, 86'400.0))
        ->default_str(fmt::format("{:g}", std::chrono::duration<double>(time).count()))
        ->option_text("SECONDS");
}

void add_bytes(CLI::App& command, const std::string& name, std::size_t& bytes, std::size_t least,
               const std::string& text) {
    command.add_option(name, bytes, text)
        ->check(CLI::Range(least, std::size_t{64} << 20U))
        ->capture_default_str()
        ->option_text("BYTES");
}

Failure wrong_config(const ServeOptions& options, std::string_view what) {
    return {exit_code::usage, "usage", fmt::format("{}: {}", options.config, what), "See: pdpp serve --help", {}};
}

} // namespace

void add_serve_options(CLI::App& command, ServeOptions& options) {
    command.add_option(config_option, options.config, "a file of `option = value` lines; the command line goes first")
        ->configurable(false)
        ->option_text("FILE");
    command.add_option("--listen", options.listen, "where to listen; port 0 takes a free one")
        ->capture_default_str()
        ->option_text("HOST:PORT|unix:/PATH");
    command.add_option("--socket-mode", options.socket_mode, "permissions of a unix socket")
        ->check(CLI::Validator(is_mode, "MODE"))
        ->capture_default_str()
        ->option_text("MODE");
    command
        .add_option("--admin", options.admin, "where to serve /live, /ready and /metrics, to everybody; else nowhere")
        ->option_text("HOST:PORT|unix:/PATH");
    command.add_option("--public-url", options.public_url, "how browsers reach this server, if not by that address")
        ->option_text("URL");
    command.add_option("--pool", options.pool_size, "database connections at most")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str()
        ->option_text("N");
    command.add_option("--statement-timeout", options.statement_timeout_ms, "longest statement, in milliseconds")
        ->check(CLI::Range(1, 3'600'000))
        ->capture_default_str()
        ->option_text("MS");
    command
        .add_option("--status-cache", options.status_cache_mb,
                    "memory for the statuses of runs that have ended, which never change, in MB; 0 keeps none")
        ->check(CLI::Range(0, 1'000'000))
        ->capture_default_str()
        ->option_text("MB");
    command.add_option("--wait-limit", options.wait_limit_s, "longest Prefer: wait, in seconds")
        ->check(CLI::Range(0, 86'400))
        ->capture_default_str()
        ->option_text("SECONDS");
    add_seconds(command, "--keep-alive", options.keep_alive, "longest silence of an event stream");
    command.add_flag("--insecure-no-owner", options.insecure_no_owner,
                     "without an owner's password: serve everybody, on a loopback address or a unix socket only");
    add_log_options(command, options.log);

    auto& limits = options.limits;
    command.add_option("--max-connections", limits.connections, "open at once; more are answered 503")
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
    command.add_option("--drain-timeout", options.drain_seconds, "how long requests may go on after SIGTERM")
        ->check(CLI::Range(0, 86'400))
        ->capture_default_str()
        ->option_text("SECONDS");
}

std::set<std::string> given_options(const CLI::App& command) {
    std::set<std::string> names;
    for (const auto* const option : command.get_options())
        if (option->count() > 0)
            names.insert(option->get_single_name());
    return names;
}

ServeOptions with_config(const ServeOptions& from_command_line, const std::set<std::string>& given) {
    auto options = from_command_line;
    if (options.config.empty())
        return options;
    CLI::App parser;
    add_serve_options(parser, options);
    try {
        for (const auto& item : CLI::ConfigTOML().from_file(options.config)) {
            auto* const option = parser.get_option_no_throw("--" + item.name);
            if (!item.parents.empty() || option == nullptr || !option->get_configurable())
                throw wrong_config(options, fmt::format("there is no option {}", item.fullname()));
            if (given.contains(item.name))
                continue;
            for (const auto& value : item.inputs)
                option->add_result(value);
            option->run_callback();
        }
    } catch (const CLI::Error& error) {
        throw wrong_config(options, error.what());
    }
    return options;
}

std::string needing_restart(const ServeOptions& running, const ServeOptions& wanted) {
    std::string names;
    const auto compare = [&](std::string_view name, const auto& ours, const auto& theirs) {
        if (ours != theirs)
            names.append(names.empty() ? "" : ", ").append(name);
    };
    compare("--listen", running.listen, wanted.listen);
    compare("--socket-mode", running.socket_mode, wanted.socket_mode);
    compare("--admin", running.admin, wanted.admin);
    compare("--public-url", running.public_url, wanted.public_url);
    compare("--pool", running.pool_size, wanted.pool_size);
    compare("--statement-timeout", running.statement_timeout_ms, wanted.statement_timeout_ms);
    compare("--status-cache", running.status_cache_mb, wanted.status_cache_mb);
    compare("--wait-limit", running.wait_limit_s, wanted.wait_limit_s);
    compare("--keep-alive", running.keep_alive, wanted.keep_alive);
    compare("--insecure-no-owner", running.insecure_no_owner, wanted.insecure_no_owner);
    return names;
}

} // namespace pdpp::cli
