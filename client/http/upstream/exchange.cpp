#include "http/upstream/exchange.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fmt/format.h>

#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t read_at_once = std::size_t{64} << 10U;
constexpr std::uint32_t head_limit = 64U << 10U;
constexpr std::chrono::seconds word_time(1);

/// What two readers could understand in two ways (RFC 9112, 6.3); Beast refuses most of it.
bool is_ambiguous(const beast::http::response_header<>& head) {
    const auto codings = head.count(field::transfer_encoding);
    const auto lengths = head.count(field::content_length);
    return codings > 1 || lengths > 1 || (codings > 0 && lengths > 0) ||
           head[field::content_length].find(',') != std::string_view::npos ||
           (codings > 0 && (head.version() < 11 || !beast::iequals(head[field::transfer_encoding], "chunked")));
}

} // namespace

Exchange::Exchange(std::shared_ptr<Link> link, std::chrono::milliseconds patience)
    : link_(std::move(link)), patience_(patience), word_(link_->executor()), read_(link_->executor()) {}

void Exchange::fail(const std::string& why) {
    link_->close();
    if (failure_of_body_) {
        std::rethrow_exception(failure_of_body_);
    }
    throw LostUpstream(link_->is_late() ? "it is silent for too long" : why, link_->is_late(), has_answered_);
}

asio::awaitable<void> Exchange::send(std::string text) {
    link_->give(patience_);
    const auto failure = co_await link_->write(asio::buffer(text));
    if (failure) {
        fail(failure.message());
    }
}

void Exchange::send_body(std::shared_ptr<BodySource> body, bool in_chunks, bool waits_for_word) {
    is_sending_ = true;
    is_sent_ = false;
    link_->give_forever(); // it is the client's turn
    if (waits_for_word) {
        word_.expires_after(word_time);
    }
    asio::co_spawn(
        link_->executor(),
        [self = shared_from_this(), body = std::move(body), in_chunks, waits_for_word]() mutable
        -> asio::awaitable<void> { co_await self->pump(std::move(body), in_chunks, waits_for_word); },
        asio::detached);
}

asio::awaitable<void> Exchange::pump(std::shared_ptr<BodySource> body, bool in_chunks, bool waits_for_word) {
    try {
        if (waits_for_word && !has_word_ && !has_head_) {
            co_await word_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
        bool is_taken = !waits_for_word || !has_head_;
        while (is_taken) {
            auto bytes = co_await body->next();
            const bool is_last = !bytes;
            std::string text;
            if (is_last) {
                text = in_chunks ? "0\r\n\r\n" : "";
            } else if (in_chunks) {
                text = fmt::format("{:x}\r\n", bytes->size()).append(*bytes).append("\r\n");
            } else {
                text = *std::move(bytes);
            }
            link_->give(patience_);
            const auto failure = co_await link_->write(asio::buffer(text));
            link_->give_forever();
            // a server that takes no more of it may have said why
            is_taken = !failure && !is_last;
            is_sent_ = !failure && is_last;
        }
    } catch (...) {
        failure_of_body_ = std::current_exception();
        link_->close();
    }
    is_sending_ = false;
    if (is_reading_ && !is_endless_) {
        link_->give(patience_); // it is that server's turn again
    }
    read_.changed();
}

/// The reader keeps the exchange and the peer, since whoever waits for it may be gone before it ends.
void Exchange::start_reading(Peer& peer) {
    is_reading_ = true;
    asio::co_spawn(
        link_->executor(),
        [self = shared_from_this(), peer = peer.shared_from_this()]() -> asio::awaitable<void> {
            const auto [failure, size] = co_await self->link_->read_some(self->buffer_.prepare(read_at_once));
            self->buffer_.commit(size);
            self->read_failure_ = failure;
            self->is_reading_ = false;
            self->has_answered_ = self->has_answered_ || size > 0;
            self->read_.changed();
            peer->wake();
        },
        asio::detached);
}

/// Reads some bytes behind those that are there. While the client has nothing more to say it is watched.
asio::awaitable<void> Exchange::read_more(Peer& peer, bool is_endless) {
    is_endless_ = is_endless;
    if (!is_sending_ && !is_endless) {
        link_->give(patience_);
    } else if (!is_sending_) {
        link_->give_forever();
    }
    start_reading(peer);
    while (is_reading_) {
        if (is_sending_) {
            co_await read_.until([this] { return !is_reading_ || !is_sending_; });
        } else if ((peer.is_draining() || peer.has_left()) && !is_endless) {
            co_await read_.until([this] { return !is_reading_; });
        } else {
            co_await peer.wait_until(Peer::Time::max());
        }
        if (is_reading_ && (peer.is_gone() || (peer.has_left() && is_endless))) {
            link_->close();
            throw LostClient();
        }
        if (is_reading_ && peer.is_draining() && is_endless) {
            link_->close();
            co_return;
        }
    }
    if (!is_sending_) {
        link_->give_forever(); // it is the client's turn to take what came
    }
}

asio::awaitable<const Exchange::Answer*> Exchange::head(Peer& peer, bool answers_head) {
    for (;;) {
        answer_.emplace();
        answer_->header_limit(head_limit);
        answer_->body_limit(boost::none);
        answer_->skip(answers_head);
        bool is_hungry = buffer_.size() == 0;
        while (!answer_->is_header_done()) {
            if (is_hungry) {
                co_await read_more(peer, false);
                if (read_failure_) {
                    fail(read_failure_.message());
                }
            }
            error_code failure;
            buffer_.consume(answer_->put(buffer_.data(), failure));
            is_hungry = failure == beast::http::error::need_more;
            if (failure && !is_hungry) {
                fail(failure.message());
            }
        }
        const auto& head = answer_->get();
        if (is_ambiguous(head)) {
            fail("its answer can be understood in two ways");
        }
        const auto result = head.result_int();
        if (result >= 200 || result == 101) {
            break;
        }
        has_word_ = has_word_ || result == 100;
        if (has_word_) {
            word_.cancel();
        }
    }
    has_head_ = true;
    word_.cancel();
    co_return &*answer_;
}

asio::awaitable<std::optional<std::string>> Exchange::next(Peer& peer, bool is_endless) {
    bool is_hungry = buffer_.size() == 0;
    while (!answer_->is_done()) {
        if (is_hungry) {
            if (!(peer.is_draining() && is_endless)) {
                co_await read_more(peer, is_endless);
            }
            if (peer.is_draining() && is_endless) {
                co_return std::nullopt; // it may come back, and go on
            }
        }
        error_code failure;
        if (is_hungry && read_failure_) {
            if (read_failure_ != asio::error::eof) {
                fail(read_failure_.message());
            }
            answer_->put_eof(failure);
            if (failure) {
                fail("its answer has no end");
            }
            co_return std::nullopt;
        }
        std::string bytes(buffer_.size(), '\0');
        auto& body = answer_->get().body();
        body.data = bytes.data();
        body.size = bytes.size();
        buffer_.consume(answer_->put(buffer_.data(), failure));
        is_hungry = failure == beast::http::error::need_more || buffer_.size() == 0;
        if (failure && failure != beast::http::error::need_more && failure != beast::http::error::need_buffer) {
            fail(failure.message());
        }
        if (is_hungry && buffer_.size() > head_limit) {
            fail("what comes before a chunk has no end");
        }
        bytes.resize(bytes.size() - body.size);
        if (!bytes.empty()) {
            co_return bytes;
        }
    }
    co_return std::nullopt;
}

std::shared_ptr<Link> Exchange::finish() {
    const bool is_fit = has_head_ && answer_->is_done() && answer_->get().keep_alive() && is_sent_ && !is_sending_ &&
                        !is_reading_ && buffer_.size() == 0 && !answer_->get().need_eof();
    if (is_fit) {
        return std::exchange(link_, nullptr);
    }
    link_->close();
    return nullptr;
}

} // namespace pdpp::http
