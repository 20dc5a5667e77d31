#include "http/upstream/tunnel.hpp"

#include "http/wire/connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t carried_at_once = std::size_t{16} << 10U;

/// Whoever has nothing more to say is told on to the other, who may have. Where nobody takes what is carried, it is
/// over for both.
class LinkTunnel : public Tunnel {
  public:
    LinkTunnel(std::shared_ptr<Exchange> exchange, std::chrono::milliseconds patience)
        : exchange_(std::move(exchange)), patience_(patience), silence_(exchange_->link()->executor()) {}

    asio::awaitable<void> join(Connection& client) override {
        asio::co_spawn(
            co_await asio::this_coro::executor,
            [&]() -> asio::awaitable<void> {
                co_await carry_from(client);
                has_client_ended_ = true;
                silence_.cancel();
            },
            asio::detached);
        co_await carry_to(client);
        while (!has_client_ended_) {
            silence_.expires_after(patience_);
            const auto [was_broken] = co_await silence_.async_wait(asio::as_tuple(asio::use_awaitable));
            if (!was_broken) { // or that server takes nothing more
                exchange_->link()->close();
                client.close();
            }
        }
        exchange_->link()->close();
        client.close();
    }

  private:
    asio::awaitable<void> carry_from(Connection& client) {
        auto& link = *exchange_->link();
        std::array<char, carried_at_once> bytes{};
        for (;;) {
            const auto size = co_await client.receive(asio::buffer(bytes));
            if (size == 0) {
                break;
            }
            silence_.cancel();
            const auto failure = co_await link.write(asio::buffer(bytes, size));
            if (failure) {
                client.close();
            }
        }
        if (client.socket().is_open()) {
            link.end_writing();
            if (is_reading_) {
                link.give(patience_);
            }
        } else { // lost, or this server is to end
            link.close();
        }
    }

    asio::awaitable<void> carry_to(Connection& client) {
        auto& link = *exchange_->link();
        auto& rest = exchange_->rest();
        bool is_taken = true;
        if (rest.size() > 0) {
            is_taken = co_await client.send(rest.data());
        }
        std::array<char, carried_at_once> bytes{};
        while (is_taken) {
            if (has_client_ended_) {
                link.give(patience_);
            }
            is_reading_ = true;
            const auto [failure, size] = co_await link.read_some(asio::buffer(bytes));
            is_reading_ = false;
            link.give_forever(); // it is the client's turn to take it
            if (failure) {
                break;
            }
            is_taken = co_await client.send(asio::buffer(bytes.data(), size));
        }
        if (is_taken) {
            client.end_sending();
        } else {
            client.close();
        }
    }

    std::shared_ptr<Exchange> exchange_;
    std::chrono::milliseconds patience_; ///< with the silence of one side, when the other has ended
    asio::steady_timer silence_;         ///< of the client, after that server's end
    bool has_client_ended_ = false;
    bool is_reading_ = false; ///< from the link
};

} // namespace

std::unique_ptr<Tunnel> make_tunnel(std::shared_ptr<Exchange> exchange, std::chrono::milliseconds patience) {
    return std::make_unique<LinkTunnel>(std::move(exchange), patience);
}

} // namespace pdpp::http
