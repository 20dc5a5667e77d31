// Accepting connections, and the life of each.

#include "http/wire/server.hpp"

#include "http/wire/connection.hpp"
#include "http/wire/errors.hpp"
#include "log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/chrono.h>

#include <algorithm>
#include <ctime>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <unistd.h>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using boost::system::error_code;

/// Shared with the coroutines, whose frames may be destroyed after the server. The lock is taken when a connection
/// comes or goes, not for a request.
struct Server::State {
    /// One of the loops, and what only its thread touches.
    struct Place {
        ServingLoop serving;
        std::set<Session*> sessions = {};
        bool draining = false;
        std::size_t connections = 0; ///< those here and those on their way here; under the lock
    };

    State(const std::vector<ServingLoop>& loops, Listener listener_, const ServerLimits& limits_)
        : listener(std::move(listener_)), limits(limits_), patience(loops.front().loop) {
        for (const auto& each : loops) {
            places.push_back({.serving = each});
        }
    }

    ServingLoop& first() noexcept { return places.front().serving; }
    Place& next_place();
    bool is_full_now();
    bool make_room();
    void drain(Place& place);
    void stop_loops() noexcept;

    // for the loop that takes connections
    Listener listener;
    ServerLimits limits;
    asio::steady_timer patience; ///< while draining
    std::size_t turned_away = 0; ///< connections that are just now told that there is no place for them
    std::size_t last_place = 0;  ///< that was given a connection
    bool draining = false;

    std::deque<Place> places;

    std::mutex mutex;              ///< for what is below
    std::list<Session*> strangers; ///< whose client was not known when last looked at, the oldest first
    std::size_t connections = 0;
    std::size_t leaving = 0;       ///< of them: those that have lost their place
    bool stops_when_empty = false; ///< nobody else comes
    bool has_loops = true;         ///< they may be gone before the last session is
};

/// One connection on the server's list, for as long as this lives. Made by the loop that takes it, for one that serves
/// it.
struct Server::Session : std::enable_shared_from_this<Session> {
    Session(std::shared_ptr<State> state_, State::Place& home_, Socket socket, std::string address)
        : state(std::move(state_)), home(home_), limits(state->limits), connection(std::move(socket), limits),
          peer(std::make_shared<Peer>(connection.socket(), std::move(address))) {
        if (home.serving.metrics != nullptr) {
            counted.emplace(home.serving.metrics->connection());
        }
        const std::lock_guard lock(state->mutex);
        place = state->strangers.insert(state->strangers.end(), this);
        ++state->connections;
        ++home.connections;
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        const std::lock_guard lock(state->mutex);
        if (place) {
            state->strangers.erase(*place);
        }
        if (is_leaving) {
            --state->leaving;
        }
        --home.connections;
        if (--state->connections == 0 && state->stops_when_empty) {
            state->stop_loops();
        }
    }

    /// After an answer: who is not known has the time of a request's headers for his next one, and may have to go.
    void note_client() {
        const bool is_known = peer->is_known();
        patience = is_known ? limits.idle_time : std::min(limits.idle_time, limits.header_time);
        if (!is_known) {
            const std::lock_guard lock(state->mutex);
            if (!place && !is_leaving) {
                place = state->strangers.insert(state->strangers.end(), this);
            }
        }
    }

    std::shared_ptr<State> state;
    State::Place& home;
    ServerLimits limits;
    Connection connection;
    std::chrono::milliseconds patience = limits.idle_time; ///< how long its client may keep silent
    std::optional<std::list<Session*>::iterator> place;    ///< among the strangers; under the lock
    bool is_leaving = false;                               ///< under the lock
    std::optional<Metrics::Held> counted;
    std::shared_ptr<Peer> peer;
};

/// The one with the fewest connections; of several, they take turns.
Server::State::Place& Server::State::next_place() {
    const std::lock_guard lock(mutex);
    auto best = last_place;
    for (std::size_t i = 1; i <= places.size(); ++i) {
        const auto candidate = (last_place + i) % places.size();
        if (best == last_place ? places[candidate].connections <= places[best].connections
                               : places[candidate].connections < places[best].connections) {
            best = candidate;
        }
    }
    last_place = best;
    return places[best];
}

bool Server::State::is_full_now() {
    const std::lock_guard lock(mutex);
    return connections - leaving >= limits.connections;
}

/// Closes the connection that is the first to go, if there is one. Nothing is lost with it but a request that came
/// without a session, or has not come yet: who is let in is known before anything is done for him, and who is not known
/// any more when his place is given away is not let in (Peer::recognise).
bool Server::State::make_room() {
    const std::lock_guard lock(mutex);
    while (!strangers.empty()) {
        auto* const oldest = strangers.front();
        strangers.pop_front();
        oldest->place.reset();
        if (!oldest->peer->give_way()) {
            continue;
        }
        oldest->is_leaving = true;
        ++leaving;
        if (&oldest->home == &places.front()) {
            oldest->connection.close();
        } else {
            asio::post(oldest->home.serving.loop, [session = oldest->weak_from_this()] {
                if (const auto still_there = session.lock()) {
                    still_there->connection.close();
                }
            });
        }
        if (first().metrics != nullptr) {
            first().metrics->gave_way();
        }
        return true;
    }
    return false;
}

/// With the lock held, or when nothing runs.
void Server::State::stop_loops() noexcept {
    if (has_loops) {
        for (const auto& place : places) {
            place.serving.loop.stop();
        }
    }
}

/// On the place's own loop.
void Server::State::drain(Place& place) {
    place.draining = true;
    for (auto* const session : place.sessions) {
        if (session->connection.is_in_flight()) {
            session->peer->drain();
        } else {
            session->connection.close();
        }
    }
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

/// The same connection, for another loop.
Socket moved_to(asio::io_context& loop, const StreamProtocol& protocol, Socket socket) {
    Socket moved(loop);
    const auto descriptor = socket.release();
    error_code failure;
    moved.assign(protocol, descriptor, failure);
    if (failure) {
        ::close(descriptor);
        throw boost::system::system_error(failure);
    }
    return moved;
}

} // namespace

Server::Server(const std::vector<ServingLoop>& loops, Listener listener, const ServerLimits& limits)
    : state_(std::make_shared<State>(loops, std::move(listener), limits)) {}

Server::Server(asio::io_context& loop, Listener listener, Handler& handler, const ServerLimits& limits)
    : Server({ServingLoop{loop, handler}}, std::move(listener), limits) {}

Server::~Server() {
    const std::lock_guard lock(state_->mutex);
    state_->has_loops = false;
}

Endpoint Server::endpoint() const {
    return state_->listener.endpoint();
}

void Server::set_limits(const ServerLimits& limits) noexcept {
    state_->limits = limits;
}

void Server::start() {
    asio::co_spawn(state_->first().loop, accept(state_), asio::detached);
}

asio::awaitable<void> Server::accept(std::shared_ptr<State> state) {
    while (!state->draining) {
        auto [failure, socket] = co_await state->listener.acceptor().async_accept(asio::as_tuple(asio::use_awaitable));
        if (!failure && state->is_full_now() && !state->make_room()) {
            auto& first = state->first();
            if (first.metrics != nullptr) {
                first.metrics->turned_away();
            }
            if (state->turned_away < turned_away_limit) {
                asio::co_spawn(first.loop, turn_away(state, std::move(socket)), asio::detached);
            }
        } else if (!failure) {
            hand_round(state, std::move(socket));
        } else if (!state->draining) {
            // Out of file descriptors, most likely: some come free as connections end.
            log::write(log::Level::warning, "cannot take a connection: {}", failure.message());
            asio::steady_timer pause(state->first().loop, std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }
}

/// To the loop that has the fewest.
void Server::hand_round(const std::shared_ptr<State>& state, Socket socket) {
    try {
        auto address = peer_of(socket);
        auto& home = state->next_place();
        auto& loop = home.serving.loop;
        if (&home != &state->places.front()) {
            socket = moved_to(loop, state->listener.endpoint().protocol(), std::move(socket));
        }
        asio::co_spawn(loop, serve(std::make_shared<Session>(state, home, std::move(socket), std::move(address))),
                       asio::detached);
    } catch (const std::exception& error) {
        log::write(log::Level::warning, "cannot take a connection: {}", error.what());
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
    auto response = state->first().handler.refuse(refusal(ErrorKind::too_many_connections), peer);
    response.keep_alive(false);
    response.set(field::date, http_date());
    const bool is_sent = co_await connection.write(response, false);
    if (is_sent) {
        co_await connection.finish();
    }
}

/// On the list of its loop, for as long as this lives.
class Server::Listed {
  public:
    explicit Listed(Session& session) : session_(session) { session_.home.sessions.insert(&session_); }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;
    ~Listed() { session_.home.sessions.erase(&session_); }

  private:
    Session& session_;
};

asio::awaitable<void> Server::serve(std::shared_ptr<Session> shared) {
    auto& session = *shared;
    const Listed listed(session);
    const auto& place = session.home;
    auto& handler = place.serving.handler;
    auto& connection = session.connection;
    bool keep = true;
    while (keep && !place.draining) {
        // Each awaited answer has a name of its own: gcc 12 gets a co_await inside a condition wrong.
        const bool has_begun = co_await connection.wait_for_request(session.patience);
        if (!has_begun) {
            break;
        }
        std::optional<Request> request;
        std::optional<Reply> answer;
        try {
            const bool is_read = co_await connection.read(handler, request);
            if (!is_read) {
                co_return;
            }
        } catch (const Refusal& refusal) {
            answer = handler.refuse(refusal, session.peer->address());
        }
        session.peer->begin_request();
        if (const auto body = connection.streamed_body(); request && body) {
            answer = co_await handler.answer_stream(*request, body, *session.peer);
        } else if (request) {
            answer = co_await handler.answer(*request, *session.peer);
        }
        session.peer->end_request();
        auto& response = answer->head;
        const auto version = request ? request->version() : http_1_1;
        const bool head = request && request->method() == verb::head;
        const bool has_end = !answer->body || head || version >= http_1_1 || response.has_content_length();
        keep = request && request->keep_alive() && has_end && connection.has_read_body() && !place.draining;
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
    auto& state = *state_;
    state.draining = true;
    state.listener.close();
    for (auto& place : state.places) {
        // behind the connections that are on their way there
        if (&place == &state.places.front()) {
            state.drain(place);
        } else {
            asio::post(place.serving.loop, [state = state_, &place] { state->drain(place); });
        }
    }
    {
        const std::lock_guard lock(state.mutex);
        state.stops_when_empty = true;
        if (state.connections == 0) {
            state.stop_loops();
        }
    }
    state.patience.expires_after(limit);
    state.patience.async_wait([state = state_](boost::system::error_code cancelled) {
        if (!cancelled) {
            const std::lock_guard lock(state->mutex);
            state->stop_loops();
        }
    });
}

} // namespace pdpp::http
