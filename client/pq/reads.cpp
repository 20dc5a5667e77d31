#include "pq/reads.hpp"

#include "pq/hosts.hpp"

#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

/// Whether to ask the primary after a standby has failed so: not when it took all the time there was.
bool is_worth_asking_again(const Error& error) {
    return error.kind() != ErrorKind::timeout && error.sqlstate() != sqlstate::query_canceled;
}

} // namespace

bool is_present(const Answer& answer, const Finality& is_final) {
    return !answer.from_standby || (is_final && is_final(answer.body));
}

Error no_primary() {
    return {ErrorKind::cannot_connect, "there is a standby only, and what it says may be the past"};
}

asio::awaitable<Answer> read_of_either(std::function<asio::awaitable<Answer>()> standby,
                                       std::function<asio::awaitable<Answer>()> primary, Finality is_final) {
    try {
        auto answer = co_await standby();
        if (is_present(answer, is_final)) {
            co_return answer;
        }
    } catch (const Error& error) {
        if (!is_worth_asking_again(error)) {
            throw;
        }
    }
    auto answer = co_await primary();
    if (!is_present(answer, is_final)) {
        throw no_primary();
    }
    co_return answer;
}

Reads::Reads(const asio::any_io_executor& executor, std::string conninfo, Prepare prepare)
    : conninfo_(std::move(conninfo)), prepare_(std::move(prepare)), names_several_(names_several_hosts(conninfo_)),
      begins_elsewhere_(to_standby(conninfo_) != to_primary(conninfo_)), standby_(executor), primary_(executor) {}

asio::awaitable<std::string> Reads::read(std::string_view function, std::vector<Argument> arguments,
                                         Finality is_final) {
    const auto of_primary = [&]() { return ask_primary(function, arguments, is_final); };
    const auto of_standby = [&]() { return ask_standby(function, arguments); };
    if (!begins_elsewhere_ || !is_final || primary_.usable()) {
        auto answer = co_await of_primary();
        co_return std::move(answer.body);
    }
    auto answer = co_await read_of_either(of_standby, of_primary, is_final);
    co_return std::move(answer.body);
}

/// Whether a server is a standby is what it said before it was asked: one that is promoted meanwhile is taken for a
/// standby once more, never the other way round. One that takes no writes has been replaced, if there are others.
asio::awaitable<Answer> Reads::ask(Connection& connection, std::string_view function,
                                   std::vector<Argument> arguments) const {
    const bool is_standby = connection.is_standby();
    auto body = co_await connection.body(function, std::move(arguments), default_timeout, Effect::reads);
    co_return Answer{std::move(body), is_standby || (names_several_ && connection.is_read_only())};
}

asio::awaitable<Answer> Reads::ask_standby(std::string_view function, std::vector<Argument> arguments) {
    if (!standby_.usable()) {
        co_await standby_.open(to_standby(conninfo_));
    }
    co_return co_await ask(standby_, function, std::move(arguments));
}

asio::awaitable<Answer> Reads::ask_primary(std::string_view function, std::vector<Argument> arguments,
                                           Finality is_final) {
    bool is_new = false;
    for (;;) {
        if (!primary_.usable()) {
            if (names_several_) {
                co_await primary_.open_primary(conninfo_);
            } else {
                co_await primary_.open(to_primary(conninfo_));
            }
            if (prepare_) {
                co_await prepare_(primary_);
            }
            is_new = true;
        }
        auto answer = co_await ask(primary_, function, arguments);
        if (is_present(answer, is_final)) {
            co_return answer;
        }
        const auto place = primary_.place();
        primary_.close();
        if (is_new) {
            throw Error(ErrorKind::cannot_connect,
                        place + " is a standby: what it does not know, or says is active, is asked of the primary, and "
                                "there is no other host");
        }
    }
}

} // namespace pdpp::pq
