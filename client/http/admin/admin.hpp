#pragma once
// What the people and programs that look after the gateway ask it, on a listener of its own: /live, /ready, /metrics.

#include "http/admin/ending_counts.hpp"
#include "http/admin/readiness.hpp"
#include "http/owner/local_hosts.hpp"
#include "http/wire/handler.hpp"

#include <functional>
#include <optional>

namespace pdpp::http {

class Admin : public Handler {
  public:
    /// `metrics` gives the text of the metrics as of now. All must outlive this.
    Admin(Readiness& readiness, EndingCounts& endings, std::function<boost::asio::awaitable<std::string>()> metrics)
        : readiness_(readiness), endings_(endings), metrics_(std::move(metrics)) {}

    boost::asio::awaitable<Reply> answer(const Request& request, Peer& peer) override;
    Response refuse(const Refusal& refusal, const std::string& peer) override;

    /// The only hosts that requests may be for.
    void set_hosts(LocalHosts hosts) { hosts_ = std::move(hosts); }

    /// The gateway is stopping: from now on it is not ready, whatever the checks say.
    void begin_draining() noexcept { draining_ = true; }

  private:
    boost::asio::awaitable<Response> respond(const Request& request);
    boost::asio::awaitable<Response> ready();

    Readiness& readiness_;
    EndingCounts& endings_;
    std::function<boost::asio::awaitable<std::string>()> metrics_;
    std::optional<LocalHosts> hosts_;
    bool draining_ = false;
};

} // namespace pdpp::http
