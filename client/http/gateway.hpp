#pragma once
// The path of a request: read its target, find its route, check the session and the origin, bind the arguments, ask the
// database, answer. Each stage either passes on or throws the refusal that ends the request. A gateway is one thread's.

#include "http/follow/followed_runs.hpp"
#include "http/owner/access.hpp"
#include "http/owner/local_hosts.hpp"
#include "http/owner/origin.hpp"
#include "http/pages/pages.hpp"
#include "http/routes/routing.hpp"
#include "http/rpc/request.hpp"
#include "http/runs/database.hpp"
#include "http/runs/run_status.hpp"
#include "http/upstream/upstream.hpp"
#include "http/watch/metrics.hpp"
#include "http/wire/handler.hpp"
#include "http/wire/message.hpp"
#include "pq/run_listener.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pdpp::http {

struct GatewayOptions {
    DatabaseOptions database = {};
    std::shared_ptr<Owner> owner = std::make_shared<Owner>(std::nullopt);
    /// The only hosts that requests may be for. Where everybody is let in there must be some.
    std::optional<LocalHosts> hosts = {};
    std::optional<Origin> public_origin;
    std::size_t target_bytes = 8192; ///< path and query: 414; the longest run id and cursor need far less
    FollowOptions follow = {};
    /// The server that all is handed on to but reads of runs that are known here.
    std::optional<UpstreamOptions> upstream = {};
};

class Gateway : public Handler {
  public:
    /// `all` as for Database.
    Gateway(const boost::asio::any_io_executor& executor, const GatewayOptions& options, Database::All* all = nullptr);

    boost::asio::awaitable<Reply> answer(const Request& request, Peer& peer) override;
    bool takes_stream(const RequestHead& request) const override;
    boost::asio::awaitable<Reply> answer_stream(const Request& request, std::shared_ptr<BodySource> body,
                                                Peer& peer) override;
    Response refuse(const Refusal& refusal, const std::string& peer) override;

    /// Passes on what is heard of runs, to those who wait and to what is kept in memory.
    void hear(const pq::RunNews& news);
    Database& database() noexcept { return database_; }

    /// Tells in the log what keeps the database from serving, until the loop ends.
    boost::asio::awaitable<void> watch_database() { return database_.watch_setup(); }

    /// How `owner` is let in from now on.
    [[nodiscard]] OwnerAccess access_of(std::shared_ptr<Owner> owner) const;
    /// From now on it is by this: all sessions end, and their streams.
    void set_access(OwnerAccess access);

    /// From now on targets may be this long.
    void set_target_bytes(std::size_t bytes) noexcept { target_bytes_ = bytes; }

    /// With what is to be looked at: as of now.
    Metrics& metrics();

  private:
    /// What the database answers: a status, or another body.
    using Said = std::variant<StatusText, std::string>;

    /// An answer, and for the log and the metrics what the request turned out to be about.
    struct Answered { // NOLINT(bugprone-exception-escape): see Reply
        Reply reply;
        std::string_view route = "none"; ///< the pattern
        std::string run_id;
        std::string trace_id;

        void note_body(CallKind kind, std::string_view body);
        void note(CallKind kind, const Said& said);
    };

    /// A request that may go to the database.
    struct Asked {
        const Request& request;
        Peer& peer;
        const std::string& request_id;
        const Route& route;
        const SqlCall& call;
        std::vector<pq::Argument> arguments;
        std::optional<StreamKind> stream;         ///< that the client would rather have than a body
        std::optional<std::chrono::seconds> wait; ///< for how long it would like to wait
    };

    void check_admissible(const Request& request) const;
    boost::asio::awaitable<void> respond(const Request& request, Peer& peer, const std::string& request_id,
                                         Answered& answered);
    boost::asio::awaitable<void> respond_with_page(const Request& request, Peer& peer, const std::string& request_id,
                                                   Answered& answered);
    void authenticate(const Route& route, const Request& request, Peer& peer);
    std::optional<Response> own_answer(const Route& route, const Request& request, const Peer& peer);
    Asked bind(const Match& match, const Target& target, const Request& request, Peer& peer,
               const std::string& request_id) const;
    const RunStatus* kept_status(const Asked& asked);
    boost::asio::awaitable<Said> ask(const Asked& asked);
    static Response represent(const Asked& asked, const RunStatus& kept);
    boost::asio::awaitable<FollowedRuns::Body> wait(const Asked& asked, Said& said);
    static Response represent(const Asked& asked, Said said, const FollowedRuns::Body& ended);
    boost::asio::awaitable<Reply> open_stream(Asked asked, Answered& answered);

    boost::asio::awaitable<void> hand_on(const Request& request, std::shared_ptr<BodySource> body, Peer& peer,
                                         const std::string& request_id, Answered& answered);
    boost::asio::awaitable<bool> is_for_upstream(const std::exception_ptr& failure, std::string run_id,
                                                 const std::string& request_id);

    boost::asio::awaitable<void> respond_to_rpc(const Request& request, Peer& peer, const std::string& request_id,
                                                Answered& answered);
    void authenticate_rpc(const Request& request, Peer& peer);
    void count_statuses(const RpcCall& call, std::string_view body);

    Response told_of(const std::exception_ptr& failure, const Request& request, const std::string& request_id);
    void record(const Request& request, const Answered& answered, std::string_view request_id, const std::string& peer,
                std::chrono::steady_clock::duration time);
    Response act(OwnerAction action, const Request& request, const std::string& peer);

    Metrics metrics_;
    Database database_;
    OwnerAccess owner_;
    Pages pages_;
    std::optional<LocalHosts> hosts_;
    std::optional<Origin> public_origin_;
    std::size_t target_bytes_;
    FollowedRuns followed_;
    std::optional<Upstream> upstream_;
};

} // namespace pdpp::http
