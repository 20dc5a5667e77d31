#pragma once
// The path of a request: read its target, find its route, check the session and the origin, bind the arguments, ask the
// database, answer. Each stage either passes on or throws the refusal that ends the request.

#include "http/database.hpp"
#include "http/handler.hpp"
#include "http/live.hpp"
#include "http/local_hosts.hpp"
#include "http/message.hpp"
#include "http/metrics.hpp"
#include "http/origin.hpp"
#include "http/owner_access.hpp"
#include "http/rpc_request.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>

namespace pdpp::http {

struct GatewayOptions {
    DatabaseOptions database = {};
    std::optional<std::string> owner_password;
    /// The only hosts that requests may be for. Where everybody is let in there must be some.
    std::optional<LocalHosts> hosts = {};
    std::optional<Origin> public_origin;
    std::size_t target_bytes = 8192; ///< path and query: 414; the longest run id and cursor need far less
    LiveOptions live = {};
};

class Gateway : public Handler {
  public:
    Gateway(const boost::asio::any_io_executor& executor, const GatewayOptions& options);

    boost::asio::awaitable<Answer> answer(const Request& request, Client& client) override;
    Response refuse(const Refusal& refusal, const std::string& peer) override;

    /// Serves those who wait for runs, until the loop ends.
    boost::asio::awaitable<void> follow_runs() { return live_.listen(); }

    /// Connects to the database once, and logs it if that fails.
    boost::asio::awaitable<void> try_database();

    /// From now on this is the owner's password; if it is another one, all sessions end.
    void set_owner_password(const std::string& password);

    /// From now on targets may be this long.
    void set_target_bytes(std::size_t bytes) noexcept { target_bytes_ = bytes; }

    Metrics& metrics() noexcept { return metrics_; }
    /// The metrics as of now, as text.
    std::string metrics_text();

  private:
    /// What is found out about a request while it is answered, for the log and the metrics.
    struct Notes {
        std::string request_id;
        std::string_view route = "none"; ///< the pattern
        std::string run_id;
        std::string trace_id;
    };

    boost::asio::awaitable<Answer> respond(const Request& request, Client& client, Notes& notes);
    boost::asio::awaitable<std::string> ask(const SqlCall& call, std::vector<pq::Argument> arguments, Notes& notes);
    boost::asio::awaitable<Answer> stream(StreamKind kind, const SqlCall& call, std::vector<pq::Argument> arguments,
                                          const Request& request, Client& client, Notes& notes);
    boost::asio::awaitable<Response> respond_to_rpc(const Request& request, Client& client, Notes& notes);
    void note(CallKind kind, std::string_view body, Notes& notes);
    void count_statuses(const RpcCall& call, std::string_view body);
    void record(const Request& request, const Response& response, const std::string& peer, const Notes& notes,
                std::chrono::steady_clock::duration time);
    Response act(OwnerAction action, const Request& request, const std::string& peer);

    Metrics metrics_;
    Database database_;
    OwnerAccess owner_;
    std::optional<LocalHosts> hosts_;
    std::optional<Origin> public_origin_;
    std::size_t target_bytes_;
    LiveRuns live_;
};

} // namespace pdpp::http
