#include "cli/serve.hpp"

#include "cli/owner_password.hpp"
#include "http/gateway.hpp"
#include "http/server.hpp"
#include "pq/reconcile.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <memory>
#include <stdexcept>
#include <unistd.h>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

namespace {

struct Options {
    std::string listen = "127.0.0.1:8080";
    std::string socket_mode = "0660";
    std::string public_url;
    std::size_t pool_size = 4;
    long statement_timeout_ms = 10'000;
    bool insecure_no_owner = false;
    long wait_limit_s = 60;
    double keep_alive_s = 15;
};

/// For CLI11: empty for three or four octal digits, else what is wrong.
std::string is_mode(const std::string& text) {
    const bool octal = text.find_first_not_of("01234567") == std::string::npos;
    return octal && (text.size() == 3 || (text.size() == 4 && text.front() == '0')) ? "" : "must be like 0660";
}

mode_t mode_of(const std::string& text) {
    return static_cast<mode_t>(std::stoul(text, nullptr, 8));
}

/// Why the gateway does not start: the command line or the environment is wrong.
Failure refusal(std::string message, std::string hint) {
    return {exit_code::usage, "usage", std::move(message), std::move(hint), {}};
}

/// Throws Failure.
http::Endpoint endpoint(asio::io_context& loop, std::string_view option, const std::string& text) {
    try {
        return http::parse_endpoint(loop, text);
    } catch (const std::invalid_argument& wrong) {
        throw refusal(fmt::format("{} {}", option, wrong.what()),
                      "Give it as HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, or as unix:/PATH.");
    }
}

/// Throws Failure.
http::Listener listener(asio::io_context& loop, std::string_view option, const std::string& text, mode_t socket_mode) {
    const auto address = endpoint(loop, option, text);
    try {
        return {loop, address, socket_mode};
    } catch (const boost::system::system_error& failure) {
        throw refusal(fmt::format("cannot listen on {}: {}", text, failure.code().message()),
                      fmt::format("Choose another address with {} HOST:PORT.", option));
    }
}

http::GatewayOptions gateway_options(const Options& options, std::string database, const http::Endpoint& address) {
    http::GatewayOptions gateway{.conninfo = std::move(database),
                                 .pool_size = options.pool_size,
                                 .statement_timeout = std::chrono::milliseconds(options.statement_timeout_ms),
                                 .owner_password = owner_password(),
                                 .public_origin = {},
                                 .live = {}};
    gateway.live.wait_limit = std::chrono::seconds(options.wait_limit_s);
    gateway.live.keep_alive =
        std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(options.keep_alive_s));
    if (!gateway.owner_password && !options.insecure_no_owner)
        throw refusal("PDPP_OWNER_PASSWORD is not set", "Set it to the owner's password. To serve everybody on this "
                                                        "machine without one, add --insecure-no-owner.");
    if (!gateway.owner_password && !http::is_local(address))
        throw refusal("--insecure-no-owner is for loopback addresses only",
                      "Listen on 127.0.0.1, [::1] or a unix socket, or set PDPP_OWNER_PASSWORD.");
    if (!options.public_url.empty()) {
        gateway.public_origin = http::parse_origin(options.public_url);
        if (!gateway.public_origin)
            throw refusal(fmt::format("--public-url {} is not the URL of a site", options.public_url),
                          "Give scheme and host, and the port if it is unusual: https://pdpp.example.org");
    }
    return gateway;
}

/// The first SIGINT or SIGTERM lets what is in flight finish, a second one does not.
void stop_on_signal(asio::signal_set& signals, http::Server& server, asio::io_context& loop) {
    signals.async_wait([&](boost::system::error_code cancelled, int) {
        if (cancelled)
            return;
        spdlog::info("stopping");
        server.drain(std::chrono::seconds(10));
        signals.async_wait([&](boost::system::error_code, int) { loop.stop(); });
    });
}

void serve(const Options& options, std::string database) {
    asio::io_context loop(1);
    const auto settings = gateway_options(options, std::move(database), endpoint(loop, "--listen", options.listen));
    http::Gateway gateway(loop.get_executor(), settings);
    http::Server server(loop, listener(loop, "--listen", options.listen, mode_of(options.socket_mode)), gateway);
    std::signal(SIGPIPE, SIG_IGN); // whoever reads our log may go away
    asio::signal_set signals(loop, SIGINT, SIGTERM);
    stop_on_signal(signals, server, loop);
    server.start();
    if (!settings.owner_password)
        spdlog::warn("no owner's password: everybody on this machine may read every run");
    spdlog::info("listening on {}", http::to_string(server.endpoint()));
    asio::co_spawn(loop, gateway.try_database(), asio::detached);
    asio::co_spawn(loop, gateway.follow_runs(), asio::detached);
    asio::co_spawn(loop, pq::keep_reconciling(settings.conninfo), asio::detached);
    loop.run();
}

} // namespace

void add_serve_command(CLI::App& app, Action& action) {
    auto* const command = app.add_subcommand("serve", "Serve runs over HTTP, until told to stop");
    const auto options = std::make_shared<Options>();
    command->add_option("--listen", options->listen, "where to listen; port 0 takes a free one")
        ->capture_default_str()
        ->option_text("HOST:PORT|unix:/PATH");
    command->add_option("--socket-mode", options->socket_mode, "permissions of a unix socket")
        ->check(CLI::Validator(is_mode, "MODE"))
        ->capture_default_str()
        ->option_text("MODE");
    command->add_option("--public-url", options->public_url, "how browsers reach this server, if not by that address")
        ->option_text("URL");
    command->add_option("--pool", options->pool_size, "database connections at most")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str()
        ->option_text("N");
    command->add_option("--statement-timeout", options->statement_timeout_ms, "longest statement, in milliseconds")
        ->check(CLI::Range(1, 3'600'000))
        ->capture_default_str()
        ->option_text("MS");
    command->add_option("--wait-limit", options->wait_limit_s, "longest Prefer: wait, in seconds")
        ->check(CLI::Range(0, 86'400))
        ->capture_default_str()
        ->option_text("SECONDS");
    command->add_option("--keep-alive", options->keep_alive_s, "longest silence of an event stream, in seconds")
        ->check(CLI::Range(0.01, 3600.0))
        ->capture_default_str()
        ->option_text("SECONDS");
    command->add_flag("--insecure-no-owner", options->insecure_no_owner,
                      "without PDPP_OWNER_PASSWORD: serve everybody, on a loopback address only");
    command->footer(
        "The owner's password comes from PDPP_OWNER_PASSWORD. Sessions are opened with POST /owner/login, or\n"
        "with a bearer token as `pdpp token` prints it.\n\n"
        "  GET /_ref/runs/{run_id}                            the status\n"
        "  GET /_ref/runs/{run_id}/timeline?limit=N&cursor=C  the events\n"
        "  POST /_ref/connections/{connector_instance_id}/run starts a run of a connection\n"
        "  POST /_ref/connectors/{connector_id}/run           the same for a connector with one connection\n"
        "  POST /_ref/runs/{run_id}/cancel                    asks a run to end\n"
        "  GET, POST /rpc/{function}                          the SQL API by PostgREST's conventions\n"
        "  POST /owner/login, /owner/logout                   the session's cookie\n\n"
        "Prefer: wait=N holds back the status until it changes, and the answer to a run until it has ended. Accept:\n"
        "text/event-stream follows a run or its timeline, Accept: application/x-ndjson gets all of a timeline.\n\n"
        "SIGINT and SIGTERM let the requests in flight finish, and end waits and streams.\n\n"
        "Example:\n"
        "  PDPP_OWNER_PASSWORD=... pdpp serve --listen 127.0.0.1:8080 --db service=pdpp");
    command->callback([&app, &action, options] {
        action = [&app, options] {
            try {
                serve(*options, conninfo(app));
                return exit_code::success;
            } catch (const Failure& failure) {
                return report(failure, wants_json(app, STDERR_FILENO));
            }
        };
    });
}

} // namespace pdpp::cli
