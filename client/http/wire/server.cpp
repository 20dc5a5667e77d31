// Accepting connections, and the life of each.

#include "http/wire/server.hpp"

#include "http/wire/connection.hpp"
#include "http/wire/errors.hpp"
#include "log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/chrono.h>

#include <algorithm>
#include <ctime>
#include <list>
#include <optional>
#include <set>

namespace pdpp::http {

namespace asio = boost::asio;

/// Shared with the coroutines, whose frames may be destroyed after the server.
struct Server::State {
    State(asio::io_context& loop_, Listener listener_, Handler& handler_, const ServerLimits& limits_)
        : loop(loop_), listener(std::move(listener_)), handler(handler_), limits(limits_), patience(loop_) {}

    asio::io_context& loop;
    Listener listener;
    Handler& handler;
    ServerLimits limits;
    Metrics* metrics = nullptr;
    asio::steady_timer patience; ///< while draining
    bool draining = false;
    std::set<Session*> sessions;
    std::list<Session*> strangers; ///< of them: whose client was not known when last looked at, the oldest first
    std::size_t leaving = 0;       ///< of them: those that have lost their place
    std::size_t turned_away = 0;   ///< connections that are just now told that there is no place for them

    bool make_room();
};

/// One connection on the server's list, for as long as this lives.
struct Server::Session {
    Session(std::shared_ptr<State> state_, Socket socket, std::string address)
        : state(std::move(state_)), connection(std::move(socket), state->limits),
          peer(std::make_shared<Peer>(connection.socket(), std::move(address))) {
        state->sessions.insert(this);
        place = state->strangers.insert(state->strangers.end(), this);
        if (state->metrics != nullptr) {
            counted.emplace(state->metrics->connection());
        }
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        state->sessions.erase(this);
        if (place) {
            state->strangers.erase(*place);
        }
        if (is_leaving) {
            --state->leaving;
        }
        if (state->draining && state->sessions.empty()) {
            state->loop.stop();
        }
    }

    /// After an answer: who is not known has the time of a request's headers for his next one, and may have to go.
    void note_client() {
        const auto& limits = state->limits;
        patience = peer->is_known() ? limits.idle_time : std::min(limits.idle_time, limits.header_time);
        if (!peer->is_known() && !place) {
            place = state->strangers.insert(state->strangers.end(), this);
        }
    }

    std::shared_ptr<State> state;
    Connection connection;
    std::chrono::milliseconds patience = state->limits.idle_time; ///< how long its client may keep silent
    std::optional<std::list<Session*>::iterator> place;           ///< among the strangers
    bool is_leaving = false;
    std::optional<Metrics::Held> counted;
    std::shared_ptr<Peer> peer;
};

/// Closes the connection that is the first to go, if there is one. Nothing is lost with it but a request that came
/// without a session, or has not come yet: who is let in is known before anything is done for him.
bool Server::State::make_room() {
    while (!strangers.empty()) {
        auto* const oldest = strangers.front();
        strangers.pop_front();
        oldest->place.reset();
        if (oldest->peer->is_known()) {
            continue;
        }
        oldest->is_leaving = true;
        ++leaving;
        oldest->connection.close();
        if (metrics != nullptr) {
            metrics->gave_way();
        }
        return true;
    }
    return false;
}

namespace {

/// Beyond that many at once, a connection too many is closed without a word.
constexpr std::size_t turned_away_limit = 64;

constexpr unsigned http_1_1 = 11;

/// The time as HTTP writes it (RFC 9110 §5.6.7): written anew when the second is another.
const std::string& http_date() {
    thread_local std::time_t second = 0;
    thread_local std::string text;
    const auto now = std::time(nullptr);
    if (now != second) {
        second = now;
        text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
    }
    return text;
}

/// False if it was not sent to its end.
asio::awaitable<bool> send(Connection& connection, Reply answer, const Peer& peer) {
    const std::string request_id{answer.head["Request-Id"]};
    try {
        const bool is_sent = co_await connection.write(std::move(answer.head), *answer.body);
        co_return is_sent;
    } catch (const Refusal& refusal) { // of what the client goes on to send, while it is answered
        log::write(log::Level::info, {{"request_id", request_id}}, "answer broken off: {:?}", refusal.message);
    } catch (const std::exception& error) {
        if (!peer.has_left()) {
            log::write(log::Level::error, {{"request_id", request_id}}, "stream broken off: {:?}", error.what());
        }
    }
    co_return false;
}

/// The rest of a connection whose protocol is switched.
asio::awaitable<void> tunnel(Connection& connection, Reply answer) {
    const bool is_sent = co_await connection.write(answer.head, false);
    if (is_sent) {
        connection.be_idle(); // what goes through has no end to wait for
        co_await answer.tunnel->join(connection);
    }
}

} // namespace

Server::Server(asio::io_context& loop, Listener listener, Handler& handler, const ServerLimits& limits)
    : state_(std::make_shared<State>(loop, std::move(listener), handler, limits)) {}

Endpoint Server::endpoint() const {
    return state_->listener.endpoint();
}

void Server::count_in(Metrics& metrics) noexcept {
    state_->metrics = &metrics;
}

void Server::set_limits(const ServerLimits& limits) noexcept {
    state_->limits = limits;
}

void Server::start() {
    asio::co_spawn(state_->loop, accept(state_), asio::detached);
}

asio::awaitable<void> Server::accept(std::shared_ptr<State> state) {
    while (!state->draining) {
        auto [failure, socket] = co_await state->listener.acceptor().async_accept(asio::as_tuple(asio::use_awaitable));
        const bool is_full = state->sessions.size() - state->leaving >= state->limits.connections;
        if (!failure && is_full && !state->make_room()) {
            if (state->metrics != nullptr) {
                state->metrics->turned_away();
            }
            if (state->turned_away < turned_away_limit) {
                asio::co_spawn(state->loop, turn_away(state, std::move(socket)), asio::detached);
            }
        } else if (!failure) {
            asio::co_spawn(state->loop, serve(state, std::move(socket)), asio::detached);
        } else if (!state->draining) {
            // Out of file descriptors, most likely: some come free as connections end.
            log::write(log::Level::warning, "cannot take a connection: {}", failure.message());
            asio::steady_timer pause(state->loop, std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }
}

asio::awaitable<void> Server::turn_away(std::shared_ptr<State> state, Socket socket) {
    struct Counted {
        explicit Counted(std::size_t& count_) : count(count_) { ++count; }
        Counted(const Counted&) = delete;
        Counted& operator=(const Counted&) = delete;
        ~Counted() { --count; }
        std::size_t& count;
    };
    const Counted counted(state->turned_away);
    const auto peer = peer_of(socket);
    Connection connection(std::move(socket), state->limits);
    auto response = state->handler.refuse(refusal(ErrorKind::too_many_connections), peer);
    response.keep_alive(false);
    response.set(field::date, http_date());
    const bool is_sent = co_await connection.write(response, false);
    if (is_sent) {
        co_await connection.finish();
    }
}

asio::awaitable<void> Server::serve(std::shared_ptr<State> state, Socket socket) {
    auto address = peer_of(socket);
    Session session(state, std::move(socket), std::move(address));
    auto& connection = session.connection;
    bool keep = true;
    while (keep && !state->draining) {
        // Each awaited answer has a name of its own: gcc 12 gets a co_await inside a condition wrong.
        const bool has_begun = co_await connection.wait_for_request(session.patience);
        if (!has_begun) {
            break;
        }
        std::optional<Request> request;
        std::optional<Reply> answer;
        try {
            request = co_await connection.read(state->handler);
            if (!request) {
                co_return;
            }
        } catch (const Refusal& refusal) {
            answer = state->handler.refuse(refusal, session.peer->address());
        }
        session.peer->forget();
        if (const auto body = connection.streamed_body(); request && body) {
            answer = co_await state->handler.answer_stream(*request, body, *session.peer);
        } else if (request) {
            answer = co_await state->handler.answer(*request, *session.peer);
        }
        auto& response = answer->head;
        const auto version = request ? request->version() : http_1_1;
        const bool head = request && request->method() == verb::head;
        const bool has_end = !answer->body || head || version >= http_1_1 || response.has_content_length();
        keep = request && request->keep_alive() && has_end && connection.has_read_body() && !state->draining;
        response.version(version);
        if (answer->tunnel) {
            co_await tunnel(connection, std::move(*answer));
            co_return;
        }
        response.keep_alive(keep);
        if (response.count(field::date) == 0) {
            response.insert(field::date, http_date());
        }
        bool is_sent = false;
        if (answer->is_for_nobody) {
            connection.close();
        } else if (answer->body && !head) {
            request.reset(); // a stream may be open for long
            is_sent = co_await send(connection, std::move(*answer), *session.peer);
        } else {
            is_sent = co_await connection.write(response, head);
        }
        session.peer->stop_watching();
        answer.reset();
        if (!connection.has_read_body()) {
            co_await connection.leave_body();
        }
        if (!is_sent) {
            co_return;
        }
        session.note_client();
    }
    co_await connection.finish();
}

void Server::drain(std::chrono::seconds limit) {
    state_->draining = true;
    state_->listener.close();
    for (auto* const session : state_->sessions) {
        if (session->connection.is_in_flight()) {
            session->peer->drain();
        } else {
            session->connection.close();
        }
    }
    if (state_->sessions.empty()) {
        state_->loop.stop();
    }
    state_->patience.expires_after(limit);
    state_->patience.async_wait([state = state_](boost::system::error_code cancelled) {
        if (!cancelled) {
            state->loop.stop();
        }
    });
}

} // namespace pdpp::http
