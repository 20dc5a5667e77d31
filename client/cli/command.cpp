#include "cli/command.hpp"

#include "pq/advice.hpp"
#include "pq/mistake.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>
#include <utility>

namespace pdpp::cli {

namespace asio = boost::asio;

int report(const Failure& failure, bool json) {
    const auto text = json ? failure_json(failure) : failure_text(failure);
    std::fputs(text.c_str(), stderr);
    return failure.exit_code;
}

void print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
        throw std::system_error(errno, std::generic_category(), "cannot write the output");
    }
}

void refuse_mistake(const Session& session) {
    if (const auto mistake = pq::mistake_in(session.database)) {
        throw Failure{
            exit_code::usage, "usage", "the connection string is wrong: " + *mistake, pq::check_what_is_said, {}};
    }
}

int run_to_end(asio::awaitable<int> work, const Session& session) {
    refuse_mistake(session);
    asio::io_context loop;
    std::exception_ptr error;
    int result = exit_code::other_ending;
    asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown, int code) {
        error = std::move(thrown);
        result = code;
        loop.stop();
    });
    loop.run();
    try {
        if (error) {
            std::rethrow_exception(error);
        }
        return result;
    } catch (const pq::Error& failure) {
        return report(failure_of(failure, session.database), session.json);
    } catch (const std::exception& failure) {
        return report({exit_code::other_ending, "internal_error", failure.what(), "", {}}, session.json);
    }
}

} // namespace pdpp::cli
