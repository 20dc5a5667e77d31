// A queue of questions, and a few workers that take them to the database.

#include "pq/shared_reads.hpp"

#include "pq/condition.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <deque>
#include <exception>
#include <map>
#include <utility>

namespace pdpp::pq {

namespace asio = boost::asio;

namespace {

/// A question and its answer, for which whoever asks waits.
struct Question {
    Question(const asio::any_io_executor& executor, std::string key_, std::string_view function_,
             std::vector<Argument> arguments_)
        : key(std::move(key_)), function(function_), arguments(std::move(arguments_)), answered(executor) {}

    void answer(std::exception_ptr why_not) {
        failure = std::move(why_not);
        is_answered = true;
        answered.changed();
    }

    std::string key;
    std::string_view function;
    std::vector<Argument> arguments;
    Condition answered;
    bool is_answered = false;
    SharedReads::Body body;
    std::exception_ptr failure;
};

/// The same for the same question: no text in PostgreSQL holds a NUL.
std::string key_of(std::string_view function, const std::vector<Argument>& arguments) {
    std::string key{function};
    for (const auto& argument : arguments) {
        key += '\0';
        key += argument.name;
        if (argument.value) {
            key.append("=").append(*argument.value);
        }
    }
    return key;
}

} // namespace

struct SharedReads::State {
    State(asio::any_io_executor executor_, std::size_t at_once_, Call call_)
        : executor(std::move(executor_)), at_once(at_once_), call(std::move(call_)) {}

    std::shared_ptr<Question> take_next();
    void give_up_all(const std::exception_ptr& failure);
    asio::awaitable<bool> ask(Question& question);
    static asio::awaitable<void> work(std::shared_ptr<State> state);

    asio::any_io_executor executor;
    std::size_t at_once;
    Call call;
    std::size_t workers = 0;
    std::deque<std::shared_ptr<Question>> queue;
    std::map<std::string, std::shared_ptr<Question>, std::less<>> queued; ///< the same, by key
};

std::shared_ptr<Question> SharedReads::State::take_next() {
    auto question = std::move(queue.front());
    queue.pop_front();
    queued.erase(question->key);
    return question;
}

void SharedReads::State::give_up_all(const std::exception_ptr& failure) {
    while (!queue.empty()) {
        take_next()->answer(failure);
    }
}

/// False if no connection can be had.
asio::awaitable<bool> SharedReads::State::ask(Question& question) {
    std::exception_ptr failure;
    bool is_connected = true;
    try {
        auto body = co_await call(question.function, std::move(question.arguments));
        question.body = std::make_shared<const std::string>(std::move(body));
    } catch (const Error& error) {
        failure = std::current_exception();
        is_connected = error.kind() != ErrorKind::cannot_connect && error.kind() != ErrorKind::not_let_in;
    } catch (...) {
        failure = std::current_exception();
    }
    question.answer(failure);
    co_return is_connected;
}

asio::awaitable<void> SharedReads::State::work(std::shared_ptr<State> state) {
    // Those who are woken in the same turn of the loop join the first of them.
    co_await asio::post(state->executor, asio::use_awaitable);
    while (!state->queue.empty()) {
        const auto question = state->take_next();
        const bool is_connected = co_await state->ask(*question);
        if (!is_connected) {
            state->give_up_all(question->failure);
        }
    }
    --state->workers;
}

SharedReads::SharedReads(const asio::any_io_executor& executor, std::size_t at_once, Call call)
    : state_(std::make_shared<State>(executor, at_once, std::move(call))) {}

asio::awaitable<SharedReads::Body> SharedReads::read(std::string_view function, std::vector<Argument> arguments) {
    const auto state = state_;
    auto key = key_of(function, arguments);
    auto& place = state->queued[key];
    if (!place) {
        place = std::make_shared<Question>(state->executor, std::move(key), function, std::move(arguments));
        state->queue.push_back(place);
    }
    const auto question = place;
    if (state->workers < state->at_once) {
        ++state->workers;
        asio::co_spawn(state->executor, State::work(state), asio::detached);
    }
    co_await question->answered.until([&] { return question->is_answered; });
    if (question->failure) {
        std::rethrow_exception(question->failure);
    }
    co_return question->body;
}

} // namespace pdpp::pq
