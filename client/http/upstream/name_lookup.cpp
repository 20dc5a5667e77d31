#include "http/upstream/name_lookup.hpp"

#include "pq/condition.hpp"
#include "pq/first_of.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

asio::awaitable<void> pass(asio::steady_timer::time_point latest) {
    asio::steady_timer timer(co_await asio::this_coro::executor, latest);
    co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

/// Kept by the resolver until it answers, whoever still waits.
struct NameLookup::Question {
    explicit Question(const asio::any_io_executor& executor) : resolver(executor), answered(executor) {}

    asio::ip::tcp::resolver resolver;
    pq::Condition answered;
    std::optional<Answer> answer;
};

NameLookup::NameLookup(asio::any_io_executor executor, std::string host, std::string port)
    : executor_(std::move(executor)), host_(std::move(host)), port_(std::move(port)) {}

std::shared_ptr<NameLookup::Question> NameLookup::ask() {
    auto question = asked_.lock();
    if (!question || question->answer) {
        question = std::make_shared<Question>(executor_);
        question->resolver.async_resolve(host_, port_,
                                         [question](boost::system::error_code failure, Endpoints endpoints) {
                                             question->answer = Answer{failure, std::move(endpoints)};
                                             question->answered.changed();
                                         });
        asked_ = question;
    }
    return question;
}

asio::awaitable<NameLookup::Answer> NameLookup::answer(std::chrono::steady_clock::time_point latest) {
    const auto question = ask();
    const auto* const asked = question.get(); // gcc 12 cannot keep a closure with a destructor in a co_await
    auto is_answered = question->answered.until([asked] { return asked->answer.has_value(); });
    co_await pq::first_of(std::move(is_answered), pass(latest));
    co_return question->answer.value_or(Answer{asio::error::timed_out, {}});
}

} // namespace pdpp::http
