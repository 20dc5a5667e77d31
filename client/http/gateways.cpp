#include "http/gateways.hpp"

#include "pq/hosts.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// Of one loop. Without a connection nobody can work.
GatewayOptions options_of(const GatewayOptions& all, std::size_t number, std::size_t count) {
    auto options = all;
    options.database.pool_size = std::max<std::size_t>(share_of(all.database.pool_size, number, count), 1);
    options.database.status_cache_bytes = all.database.status_cache_bytes / count;
    return options;
}

} // namespace

Gateways::Gateways(Loops& loops, GatewayOptions options)
    : loops_(loops), options_(std::move(options)), process_metrics_(loops.size()),
      listener_(
          loops.first().get_executor(), pq::to_primary(options_.database.conninfo),
          [this](pq::Connection& connection) { return meet_primary(connection); },
          [this](const pq::RunNews& news) {
              loops_.tell_each([this, news](std::size_t number) { gateways_[number]->hear(news); });
          }) {
    const auto count = loops.size();
    Database::All* const all = count > 1 ? this : nullptr;
    for (std::size_t i = 0; i < count; ++i) {
        gateways_.push_back(std::make_unique<Gateway>(loops[i].get_executor(), options_of(options_, i, count), all));
    }
}

asio::awaitable<void> Gateways::tell(std::uint64_t run_number) {
    Loops::Act hear = [this, run_number](std::size_t number) { gateways_[number]->database().heard(run_number); };
    co_await loops_.do_on_each(std::move(hear));
}

asio::awaitable<std::string> Gateways::kept_ending(std::string run_id) {
    // shared, since whoever waits may be gone before the others have answered
    const auto kept = std::make_shared<std::vector<std::string>>(loops_.size());
    Loops::Act look = [this, kept, run_id = std::move(run_id)](std::size_t number) {
        (*kept)[number] = gateways_[number]->database().kept_ending(run_id);
    };
    co_await loops_.do_on_each(std::move(look));
    const auto found = std::ranges::find_if(*kept, [](const std::string& body) { return !body.empty(); });
    co_return found == kept->end() ? std::string{} : *found;
}

std::vector<ServingLoop> Gateways::serving() {
    std::vector<ServingLoop> serving;
    for (std::size_t i = 0; i < loops_.size(); ++i) {
        serving.push_back({.loop = loops_[i], .handler = *gateways_[i], .metrics = &gateways_[i]->metrics()});
    }
    return serving;
}

asio::awaitable<void> Gateways::meet_primary(pq::Connection& connection) {
    const auto history = co_await history_of(connection, options_.database.statement_timeout + std::chrono::seconds(2));
    loops_.tell_each([this, history](std::size_t number) { gateways_[number]->database().meet_primary(history); });
}

asio::awaitable<void> Gateways::reload(std::optional<std::string> password, std::size_t target_bytes) {
    std::vector<std::shared_ptr<OwnerAccess>> accesses(loops_.size());
    if (password && options_.owner->sessions() != nullptr && !options_.owner->has_password(*password)) {
        const auto owner = std::make_shared<Owner>(password, options_.owner->subject());
        for (std::size_t i = 0; i < accesses.size(); ++i) {
            accesses[i] = std::make_shared<OwnerAccess>(gateways_[i]->access_of(owner));
        }
        options_.owner = owner;
    }
    Loops::Act change = [this, accesses, target_bytes](std::size_t number) {
        auto& gateway = *gateways_[number];
        gateway.set_target_bytes(target_bytes);
        if (accesses[number]) {
            gateway.set_access(std::move(*accesses[number]));
        }
    };
    co_await loops_.do_on_each(std::move(change));
}

asio::awaitable<std::string> Gateways::metrics_text() {
    const auto metrics = std::make_shared<std::vector<Metrics*>>(loops_.size()); // as in kept_ending()
    Loops::Act look = [this, metrics](std::size_t number) { (*metrics)[number] = &gateways_[number]->metrics(); };
    co_await loops_.do_on_each(std::move(look));
    co_return http::metrics_text(process_metrics_, *metrics);
}

} // namespace pdpp::http
