// Finding out what became of a write.

#include "pq/write.hpp"

#include "pq/body.hpp"
#include "pq/random.hpp"
#include "pq/sha256.hpp"
#include "run/id.hpp"
#include "run/link.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace pdpp::pq {

namespace asio = boost::asio;
using Clock = asio::steady_timer::clock_type;

std::optional<std::string> value_of(const std::vector<Argument>& arguments, std::string_view name) {
    const auto found = std::ranges::find(arguments, name, &Argument::name);
    return found == arguments.end() ? std::nullopt : found->value;
}

namespace {

constexpr std::chrono::milliseconds repeat_pause(100);

/// What one call came to.
using Outcome = std::variant<std::string, Error>;

asio::awaitable<Outcome> attempt(Caller& caller, std::string_view function, std::vector<Argument> arguments,
                                 std::chrono::milliseconds timeout, Effect effect) {
    try {
        auto answer = co_await caller.call(function, std::move(arguments), timeout, effect);
        co_return Outcome{std::move(answer)};
    } catch (const Error& error) {
        co_return Outcome{error};
    }
}

bool is_lost(const Outcome& outcome) {
    const auto* const error = std::get_if<Error>(&outcome);
    return error != nullptr && (error->kind() == ErrorKind::in_doubt || error->kind() == ErrorKind::timeout);
}

std::string answer_of(Outcome outcome) {
    if (const auto* const error = std::get_if<Error>(&outcome)) {
        throw *error;
    }
    return std::get<std::string>(std::move(outcome));
}

/// Time to find the truth in; each attempt gets what is left of it.
class Deadline {
  public:
    explicit Deadline(std::chrono::milliseconds limit) : end_(Clock::now() + limit) {}

    [[nodiscard]] std::chrono::milliseconds remaining() const {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now());
        return std::max(left, std::chrono::milliseconds(1));
    }
    [[nodiscard]] bool is_over() const { return remaining() <= repeat_pause; }

  private:
    Clock::time_point end_;
};

asio::awaitable<void> wait_a_little() {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, repeat_pause);
    co_await timer.async_wait(asio::use_awaitable);
}

/// Refusals that the server gives only when the first call has ended: behind the lock of its connection, or because of
/// the key it would have taken. Any other may be due to what has changed since, and says nothing about the first call.
bool settles_the_doubt(const Error& error) {
    const auto refusal = typed_refusal(error);
    return refusal && (refusal->code == "run_already_active" || refusal->code == "run_id_taken" ||
                       refusal->code == "idempotency_conflict");
}

template <std::size_t Size>
std::array<unsigned char, Size> random_bytes() {
    std::array<unsigned char, Size> bytes{};
    fill_random(bytes);
    return bytes;
}

/// The connection that an admission is for, as far as its arguments say it.
std::optional<std::string> connection_in(std::string_view function, const std::vector<Argument>& arguments) {
    auto connection = value_of(arguments, "connector_instance_id");
    if (!connection && function == "pdpp_run_now") {
        return value_of(arguments, "connector_id"); // which is what the server makes of it
    }
    return connection;
}

/// As the server makes them. Which connection a connector's run will be of only the server knows: nothing can be read
/// out of its id then.
std::string new_run_id(const std::optional<std::string>& connection) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    run::Placement placement{};
    if (connection) {
        const auto digest = sha256(*connection);
        placement = run::placement_of(digest[0], digest[1]);
    } else {
        const auto any = random_bytes<2>();
        placement = run::placement_of(any[0], any[1]);
    }
    return std::string{run::run_id_from(run::placed_uuid7_digits(micros, placement, random_bytes<8>())).view()};
}

std::string new_trace_id() {
    return std::string{run::trace_id_from(random_bytes<16>()).view()};
}

/// Adds the ids by which the admission is recognised.
WriteIds add_ids(std::string_view function, std::vector<Argument>& arguments) {
    WriteIds ids{.run_id = value_of(arguments, "run_id"),
                 .trace_id = value_of(arguments, "trace_id"),
                 .idempotency_key = value_of(arguments, "idempotency_key")};
    // A repeated key must come with the same arguments, and the run id is one of them.
    if (!ids.run_id && !ids.idempotency_key) {
        ids.run_id = new_run_id(connection_in(function, arguments));
        arguments.push_back({"run_id", "text", ids.run_id});
    }
    if (!ids.trace_id) {
        ids.trace_id = new_trace_id();
        arguments.push_back({"trace_id", "text", ids.trace_id});
    }
    return ids;
}

std::string json_string(std::string_view text) {
    return boost::json::serialize(boost::json::string_view{text});
}

std::string message_of(const WriteIds& ids) {
    if (ids.run_id) {
        return "the database was lost before it said whether it did what was asked with run " + *ids.run_id;
    }
    return "the database was lost before it said whether it did what was asked";
}

} // namespace

InDoubt::InDoubt(WriteIds ids) : Error(ErrorKind::in_doubt, message_of(ids)), ids_(std::move(ids)) {}

asio::awaitable<std::string> admit(Caller& caller, std::string_view function, std::vector<Argument> arguments,
                                   Patience patience) {
    const auto ids = add_ids(function, arguments);
    auto outcome = co_await attempt(caller, function, arguments, patience.call, Effect::writes);
    if (!is_lost(outcome)) {
        co_return answer_of(std::move(outcome));
    }
    for (const Deadline deadline(patience.doubt);;) {
        outcome = co_await attempt(caller, function, arguments, deadline.remaining(), Effect::writes);
        if (std::holds_alternative<std::string>(outcome)) {
            co_return answer_of(std::move(outcome));
        }
        bool is_settled = settles_the_doubt(std::get<Error>(outcome));
        if (ids.run_id) {
            // It may have committed, and even ended, since.
            std::vector<Argument> asked;
            asked.push_back({"run_id", "text", ids.run_id});
            const auto status =
                co_await attempt(caller, "pdpp_run_status", std::move(asked), deadline.remaining(), Effect::reads);
            const auto* const body = std::get_if<std::string>(&status);
            if (body != nullptr && string_in(*body, "trace_id") == ids.trace_id) {
                co_return acknowledgement(*ids.run_id, *ids.trace_id, value_of(arguments, "retry_of"));
            }
            is_settled = is_settled && body != nullptr;
        }
        if (is_settled) {
            throw std::get<Error>(outcome);
        }
        if (deadline.is_over()) {
            throw InDoubt(ids);
        }
        co_await wait_a_little();
    }
}

asio::awaitable<std::string> write_again_until_known(Caller& caller, std::string_view function,
                                                     std::vector<Argument> arguments, Patience patience) {
    auto outcome = co_await attempt(caller, function, arguments, patience.call, Effect::writes);
    if (!is_lost(outcome)) {
        co_return answer_of(std::move(outcome));
    }
    for (const Deadline deadline(patience.doubt);;) {
        outcome = co_await attempt(caller, function, arguments, deadline.remaining(), Effect::writes);
        const auto* const error = std::get_if<Error>(&outcome);
        if (error == nullptr || typed_refusal(*error)) {
            co_return answer_of(std::move(outcome));
        }
        if (deadline.is_over()) {
            throw InDoubt({.run_id = value_of(arguments, "run_id"), .trace_id = {}, .idempotency_key = {}});
        }
        co_await wait_a_little();
    }
}

std::string acknowledgement(std::string_view run_id, std::string_view trace_id,
                            const std::optional<std::string>& retry_of) {
    const auto self = run::self_link(run_id);
    const auto timeline = run::timeline_link(run_id);
    std::string body = R"({"links": {"self": )";
    body.append(json_string(self.view())).append(R"(, "timeline": )").append(json_string(timeline.view()));
    body.append(R"(}, "object": "run_ack", "run_id": )").append(json_string(run_id));
    body.append(R"(, "status": "started")");
    if (retry_of) {
        body.append(R"(, "retry_of": )").append(json_string(*retry_of));
    }
    body.append(R"(, "trace_id": )").append(json_string(trace_id)).append("}");
    return body;
}

} // namespace pdpp::pq
