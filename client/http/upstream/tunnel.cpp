#include "http/upstream/tunnel.hpp"

#include "http/wire/connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include <array>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t carried_at_once = std::size_t{16} << 10U;

class LinkTunnel : public Tunnel {
  public:
    explicit LinkTunnel(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

    asio::awaitable<void> join(Connection& client) override {
        const auto executor = co_await asio::this_coro::executor;
        pq::Condition ended(executor);
        bool is_open = true;
        asio::co_spawn(
            executor,
            [&]() -> asio::awaitable<void> {
                co_await carry_from(client);
                exchange_->link()->close(); // whoever reads from it hears of that
                is_open = false;
                ended.changed();
            },
            asio::detached);
        co_await carry_to(client);
        exchange_->link()->close();
        client.close();
        co_await ended.until([&] { return !is_open; });
    }

  private:
    asio::awaitable<void> carry_from(Connection& client) {
        std::array<char, carried_at_once> bytes{};
        for (;;) {
            const auto size = co_await client.receive(asio::buffer(bytes));
            if (size == 0) {
                co_return;
            }
            const auto failure = co_await exchange_->link()->write(asio::buffer(bytes, size));
            if (failure) {
                co_return;
            }
        }
    }

    asio::awaitable<void> carry_to(Connection& client) {
        auto& rest = exchange_->rest();
        bool is_taken = true;
        if (rest.size() > 0) {
            is_taken = co_await client.send(rest.data());
        }
        std::array<char, carried_at_once> bytes{};
        while (is_taken) {
            const auto [failure, size] = co_await exchange_->link()->read_some(asio::buffer(bytes));
            if (failure) {
                co_return;
            }
            is_taken = co_await client.send(asio::buffer(bytes.data(), size));
        }
    }

    std::shared_ptr<Exchange> exchange_;
};

} // namespace

std::unique_ptr<Tunnel> make_tunnel(std::shared_ptr<Exchange> exchange) {
    return std::make_unique<LinkTunnel>(std::move(exchange));
}

} // namespace pdpp::http
