#include "http/upstream/upstream.hpp"

#include "http/upstream/exchange.hpp"
#include "http/upstream/forwarding.hpp"
#include "http/upstream/tunnel.hpp"
#include "http/wire/errors.hpp"
#include "http/wire/request_id.hpp"
#include "log/log.hpp"

#include <optional>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;

namespace {

/// For the log: nobody gets it.
constexpr unsigned client_has_left = 499;

/// The rest of an answer.
class UpstreamBody : public BodySource {
  public:
    UpstreamBody(std::shared_ptr<Exchange> exchange, std::shared_ptr<Links> links, Peer& peer, bool is_endless)
        : exchange_(std::move(exchange)), links_(std::move(links)), peer_(peer), is_endless_(is_endless) {}
    UpstreamBody(const UpstreamBody&) = delete;
    UpstreamBody& operator=(const UpstreamBody&) = delete;
    ~UpstreamBody() override {
        try {
            if (auto link = exchange_->finish()) {
                links_->give_back(std::move(link));
            }
        } catch (...) { // it is closed, and the next request makes another
        }
    }

    asio::awaitable<std::optional<std::string>> next() override {
        auto bytes = co_await exchange_->next(peer_, is_endless_);
        co_return bytes;
    }

  private:
    std::shared_ptr<Exchange> exchange_;
    std::shared_ptr<Links> links_;
    Peer& peer_;
    bool is_endless_;
};

Refusal refusal_of_loss(const LostUpstream& lost, bool may_be_done) {
    if (lost.is_late()) {
        return refusal(ErrorKind::upstream_timeout);
    }
    if (may_be_done) {
        return refusal(ErrorKind::upstream_unavailable, "The server that this was handed on to was lost before it "
                                                        "answered. Whether it has done what was asked is not known.");
    }
    return refusal(ErrorKind::upstream_unavailable);
}

/// A request that is here as a whole, however it came.
RequestHead with_length(const Request& request) {
    RequestHead head{request.base()};
    if (framing_of(head) != Framing::none) {
        head.erase(field::transfer_encoding);
        head.erase(field::expect);
        head.set(field::content_length, std::to_string(request.body().size()));
    }
    return head;
}

/// Whether it has to be said that such an answer has none.
bool may_have_body(const Request& request, const Response& answer) {
    return request.method() != verb::head && answer.result() != status::no_content &&
           answer.result() != status::not_modified;
}

Reply answer_to_nobody() {
    Reply reply;
    reply.head.result(client_has_left);
    reply.is_for_nobody = true;
    return reply;
}

} // namespace

std::string new_via() {
    constexpr std::size_t length = 16; // of a request's id
    return "pdpp-" + new_request_id().substr(std::string_view{"req_"}.size(), length);
}

Upstream::Upstream(const asio::any_io_executor& executor, UpstreamOptions options)
    : options_(std::move(options)), links_(std::make_shared<Links>(executor, options_.address)) {}

asio::awaitable<Reply> Upstream::hand_on(const Request& request, std::shared_ptr<BodySource> body, Peer& peer,
                                         std::string_view request_id) {
    check_forwardable(request, options_.via);
    if (framing_of(request) == Framing::none) {
        body = nullptr;
    }
    const bool is_repeatable = http::is_repeatable(request.method()) && !body;
    for (bool only_new = !is_repeatable;; only_new = true) {
        auto link = only_new ? nullptr : links_->idle();
        const bool was_idle = link != nullptr;
        if (!link) {
            link = co_await links_->open(request_id);
        }
        std::optional<LostUpstream> lost;
        try {
            auto reply = co_await attempt(std::move(link), request, body, peer, request_id);
            co_return reply;
        } catch (const LostUpstream& failure) {
            lost = failure;
        } catch (const LostClient&) {
            co_return answer_to_nobody();
        } catch (const boost::system::system_error&) { // of the client's connection
            co_return answer_to_nobody();
        }
        // It may have closed what was idle just when this was sent. What may not be made twice had one of its own.
        if (was_idle && !lost->has_answered() && !lost->is_late()) {
            continue;
        }
        log::write(log::Level::warning, {{"request_id", request_id}}, "upstream: {}", lost->what());
        throw refusal_of_loss(*lost, !http::is_repeatable(request.method()));
    }
}

asio::awaitable<Reply> Upstream::attempt(std::shared_ptr<Link> link, const Request& request,
                                         std::shared_ptr<BodySource> body, Peer& peer, std::string_view request_id) {
    const Sender sender{
        .address = peer.address(), .scheme = options_.scheme, .request_id = request_id, .via = options_.via};
    const auto exchange = std::make_shared<Exchange>(std::move(link), options_.patience);
    if (body) {
        co_await exchange->send(forwarded_head(request, sender, options_.address.authority));
        exchange->send_body(std::move(body), framing_of(request) == Framing::chunks, waits_for_word(request));
    } else {
        co_await exchange->send(forwarded_head(with_length(request), sender, options_.address.authority) +
                                request.body());
    }
    const auto* const answer = co_await exchange->head(peer, request.method() == verb::head);
    Reply reply(answered_head(answer->get()));
    if (answer->get().result() == status::switching_protocols) {
        if (!asks_for_websocket(request) || !beast::iequals(answer->get()[field::upgrade], "websocket")) {
            throw LostUpstream("it switches to a protocol that nobody asked for", false, true);
        }
        peer.stop_watching();
        reply.tunnel = make_tunnel(exchange, options_.patience);
        co_return reply;
    }
    auto rest = std::make_unique<UpstreamBody>(exchange, links_, peer, is_event_stream(reply.head));
    if (!answer->is_done()) {
        reply.body = std::move(rest);
    } else if (may_have_body(request, reply.head)) {
        reply.head.content_length(0);
    }
    co_return reply;
}

} // namespace pdpp::http
