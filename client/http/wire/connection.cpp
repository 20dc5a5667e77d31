// Reading requests and writing responses with Beast.

#include "http/wire/connection.hpp"

#include "http/wire/errors.hpp"
#include "pq/condition.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace pdpp::http {

namespace asio = boost::asio;
namespace urls = boost::urls;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t chunk = 4096;

/// True if `failure` is about what the client sent, rather than about the connection.
bool is_bad_request(error_code failure) {
    return failure.category() == make_error_code(beast::http::error::bad_method).category() &&
           failure != beast::http::error::end_of_stream && failure != beast::http::error::partial_message;
}

/// `target` is as much as is known of the request's.
Refusal refusal_for(error_code failure, std::string_view target) {
    if (failure == beast::http::error::body_limit) {
        return refusal(ErrorKind::body_too_large);
    }
    if (failure == beast::http::error::header_limit && target.empty()) {
        return refusal(ErrorKind::uri_too_long);
    }
    if (failure == beast::http::error::header_limit) {
        return refusal(ErrorKind::headers_too_large);
    }
    return invalid_request("This is not a well-formed HTTP request.");
}

/// A host and perhaps a port.
bool is_authority(std::string_view text) {
    // Boost takes 127.0.0.1.example.org for an address with something behind it.
    constexpr std::string_view digits = "0123456789";
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const auto name = text.substr(0, text.find(':'));
    const auto port = text.substr(std::min(name.size() + 1, text.size()));
    if (name.find_first_not_of(plain) == std::string_view::npos &&
        port.find_first_not_of(digits) == std::string_view::npos) {
        return true;
    }
    const auto authority = urls::parse_authority(text);
    return authority && !authority->has_userinfo();
}

bool is_host(std::string_view text) {
    thread_local std::string last; // the same for nearly all
    if (text != last) {
        if (!is_authority(text)) {
            return false;
        }
        last = text;
    }
    return true;
}

/// What Beast lets pass, and should not: two readers of such a request could see two different ones (RFC 9112, 11.2).
/// Throws Refusal.
void check_framing(const beast::http::request_header<>& request) {
    std::size_t hosts = 0;
    std::string_view host;
    std::size_t lengths = 0;
    std::size_t codings = 0;
    for (const auto& header : request) { // once through them costs less than a search for each
        if (header.name() == field::host) {
            ++hosts;
            host = header.value();
        }
        lengths += header.name() == field::content_length ? 1 : 0;
        codings += header.name() == field::transfer_encoding ? 1 : 0;
    }
    if (hosts > 1 || (request.version() == 11 && hosts == 0)) {
        throw invalid_request("The request must have one Host header.");
    }
    if (!is_host(host)) {
        throw invalid_request("The Host header must be a host and perhaps a port.");
    }
    if (lengths > 1 || (lengths == 1 && request[field::content_length].find(',') != std::string_view::npos)) {
        throw invalid_request("The request must not have more than one Content-Length.");
    }
    if (codings == 0) {
        return;
    }
    if (lengths > 0) {
        throw invalid_request("The request must not have both Content-Length and Transfer-Encoding.");
    }
    if (request.version() < 11 || codings > 1 || !beast::iequals(request[field::transfer_encoding], "chunked")) {
        throw invalid_request("The Transfer-Encoding of a request must be chunked, in HTTP/1.1.");
    }
}

/// A target with scheme and host is what proxies are sent, and others have to take (RFC 9112 §3.2.2); its host goes
/// before the header.
void make_origin_form(beast::http::request_header<>& request) {
    if (request.target().starts_with('/')) {
        return;
    }
    const std::string target = request.target();
    const auto url = urls::parse_absolute_uri(std::string_view{target}.substr(0, target.find('?')));
    if (!url || url->encoded_host().empty() ||
        (url->scheme_id() != urls::scheme::http && url->scheme_id() != urls::scheme::https)) {
        return;
    }
    request.set(field::host, url->encoded_host_and_port());
    request.target(fmt::format("{}{}", url->encoded_path().empty() ? "/" : "",
                               std::string_view{target}.substr(url->encoded_origin().size())));
}

/// Told apart by its path, a request is refused in the form that its callers know.
Refusal with_target(Refusal refusal, const Request& request) {
    refusal.target = request.target();
    return refusal;
}

/// Puts the status line and the headers into `text`, up to the empty line. Beast's own serializer makes it of some
/// dozens of buffers, which costs more than the rest of a request.
void write_head(const Response& response, std::string& text) {
    const auto append = [&](std::initializer_list<std::string_view> parts) {
        for (const auto part : parts) {
            text += part;
        }
    };
    append({response.version() == 10 ? "HTTP/1.0 " : "HTTP/1.1 ", std::to_string(response.result_int()), " ",
            response.reason(), "\r\n"});
    for (const auto& header : response) {
        append({header.name_string(), ": ", header.value(), "\r\n"});
    }
    text += "\r\n";
}

} // namespace

/// A body that is taken as it comes. Whoever takes it may outlive the connection, and is told then that it has gone.
class Connection::StreamedBody : public BodySource {
  public:
    StreamedBody(Connection& connection, beast::http::request_parser<beast::http::string_body>&& parser)
        : connection_(&connection), parser_(std::move(parser)), left_(connection.socket().get_executor()) {
        const auto& request = parser_.get();
        is_asked_for_ = request.version() < 11 || !beast::iequals(request[field::expect], "100-continue");
    }

    asio::awaitable<std::optional<std::string>> next() override {
        if (!parser_.is_done() && connection_ != nullptr && !std::exchange(is_asked_for_, true)) {
            const beast::http::response<beast::http::empty_body> go_on{status::continue_, 11};
            co_await beast::http::async_write(connection_->stream_, go_on, as_result);
        }
        while (!parser_.is_done()) {
            if (connection_ == nullptr) {
                throw boost::system::system_error(asio::error::operation_aborted);
            }
            if (is_hungry_ || connection_->buffer_.size() == 0) {
                co_await read_some();
            }
            auto bytes = parse();
            if (!bytes.empty()) {
                co_return bytes;
            }
        }
        co_return std::nullopt;
    }

    [[nodiscard]] bool is_done() const { return parser_.is_done(); }

    void forget_connection() noexcept { connection_ = nullptr; }
    [[nodiscard]] bool is_forgotten() const { return connection_ == nullptr; }

    /// The read that is under way must have been cancelled.
    asio::awaitable<void> finish_reading() {
        co_await left_.until([this] { return !is_reading_; });
    }

  private:
    asio::awaitable<void> read_some() {
        auto& buffer = connection_->buffer_;
        const auto room = std::min<std::size_t>(buffer.max_size() - buffer.size(), 4 * chunk);
        if (room == 0) { // for what comes before the bytes of a chunk
            throw invalid_request("This is not a well-formed HTTP request.");
        }
        connection_->stream_.expires_after(connection_->limits_.body_time);
        is_reading_ = true;
        const auto [failure, size] = co_await connection_->stream_.async_read_some(buffer.prepare(room), as_result);
        is_reading_ = false;
        left_.changed();
        if (is_forgotten() || failure) {
            throw boost::system::system_error(failure ? failure : asio::error::operation_aborted);
        }
        connection_->buffer_.commit(size);
        is_hungry_ = false;
    }

    /// What there is in the buffer; empty if that is not yet anything of the body.
    std::string parse() {
        auto& buffer = connection_->buffer_;
        std::string bytes(buffer.size(), '\0');
        auto& body = parser_.get().body();
        body.data = bytes.data();
        body.size = bytes.size();
        error_code failure;
        buffer.consume(parser_.put(buffer.data(), failure));
        is_hungry_ = failure == beast::http::error::need_more;
        if (failure && !is_hungry_ && failure != beast::http::error::need_buffer) {
            throw refusal_for(failure, parser_.get().target());
        }
        bytes.resize(bytes.size() - body.size);
        return bytes;
    }

    Connection* connection_;
    beast::http::request_parser<beast::http::buffer_body> parser_;
    pq::Condition left_;       ///< the read that was under way has ended
    bool is_asked_for_ = true; ///< else the client waits for word that its body is wanted
    bool is_hungry_ = false;   ///< what is in the buffer is not enough
    bool is_reading_ = false;
};

Connection::~Connection() {
    if (streamed_) {
        streamed_->forget_connection();
    }
}

std::shared_ptr<BodySource> Connection::streamed_body() const {
    return streamed_;
}

bool Connection::has_read_body() const noexcept {
    return !streamed_ || streamed_->is_done();
}

asio::awaitable<void> Connection::leave_body() {
    if (streamed_) {
        streamed_->forget_connection();
        stream_.cancel();
        co_await streamed_->finish_reading();
    }
}

asio::awaitable<std::size_t> Connection::receive(asio::mutable_buffer bytes) {
    if (buffer_.size() > 0) { // sent ahead
        const auto size = asio::buffer_copy(bytes, buffer_.data());
        buffer_.consume(size);
        co_return size;
    }
    stream_.expires_never();
    const auto [failure, size] = co_await stream_.async_read_some(bytes, as_result);
    co_return failure ? 0 : size;
}

asio::awaitable<bool> Connection::send(asio::const_buffer bytes) {
    stream_.expires_after(limits_.write_time);
    const auto [failure, size] = co_await asio::async_write(stream_, bytes, as_result);
    co_return !failure;
}

void Connection::end_sending() noexcept {
    error_code ignored;
    stream_.socket().shutdown(Socket::shutdown_send, ignored);
}

Connection::Connection(Socket socket, const ServerLimits& limits) : stream_(std::move(socket)), limits_(limits) {
    // What a client sends ahead of its answers is read no further than this; the rest waits in the kernel.
    buffer_.max_size(limits.header_bytes + chunk);
    error_code ignored; // a unix socket has no such option
    stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    stream_.socket().non_blocking(true, ignored); // write() tries first
}

asio::awaitable<bool> Connection::wait_for_request(std::chrono::milliseconds patience) {
    in_flight_ = false;
    if (buffer_.size() > 0) {
        co_return true; // the client did not wait for the last answer
    }
    stream_.expires_after(patience);
    const auto [failure, size] = co_await stream_.async_read_some(buffer_.prepare(chunk), as_result);
    buffer_.commit(size);
    co_return !failure;
}

asio::awaitable<bool> Connection::read(const Handler& handler, std::optional<Request>& whole) {
    streamed_.reset();
    beast::http::request_parser<beast::http::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    parser.body_limit(boost::none); // until it is known whose the body is

    // An empty line before a request is ignored (RFC 9112 §2.2).
    if (std::string_view(static_cast<const char*>(buffer_.data().data()), buffer_.size()).starts_with("\r\n")) {
        buffer_.consume(2);
    }

    // Most requests have come in one piece: they need no further waiting.
    error_code failure;
    auto size = parser.put(buffer_.data(), failure);
    buffer_.consume(size);
    if (failure == beast::http::error::need_more) {
        failure = {};
    }
    if (!failure && !parser.is_header_done()) {
        stream_.expires_after(limits_.header_time);
        std::size_t more = 0;
        std::tie(failure, more) = co_await beast::http::async_read_header(stream_, buffer_, parser, as_result);
        size += more;
    }
    in_flight_ = !failure || is_bad_request(failure);
    if (!failure) {
        auto& request = parser.get();
        if (size > limits_.header_bytes) { // the parser's own limit is only for what it has to wait for
            throw with_target(refusal_for(beast::http::error::header_limit, request.target()), request);
        }
        try {
            check_framing(request);
        } catch (const Refusal& refusal) {
            throw with_target(refusal, request);
        }
        make_origin_form(request);
        if (handler.takes_stream(request)) {
            whole.emplace(request.base());
            streamed_ = std::make_shared<StreamedBody>(*this, std::move(parser));
            co_return true;
        }
        if (parser.content_length().value_or(0) > limits_.body_bytes) {
            throw with_target(refusal(ErrorKind::body_too_large), request);
        }
        parser.body_limit(limits_.body_bytes);
        stream_.expires_after(limits_.body_time);
        if (!parser.is_done() && request.version() >= 11 && beast::iequals(request[field::expect], "100-continue")) {
            const beast::http::response<beast::http::empty_body> go_on{status::continue_, 11};
            co_await beast::http::async_write(stream_, go_on, as_result);
        }
        // Fields after a chunked body are no headers (RFC 9110 §6.5.1). Beast puts them there, past every check, and
        // past the proxy that let the headers through.
        const auto head = parser.chunked() ? std::make_unique<beast::http::request_header<>>(request) : nullptr;
        if (!parser.is_done()) {
            std::tie(failure, std::ignore) = co_await beast::http::async_read(stream_, buffer_, parser, as_result);
        }
        if (head) {
            request.base() = std::move(*head);
        }
    }
    if (is_bad_request(failure)) {
        throw with_target(refusal_for(failure, parser.get().target()), parser.get());
    }
    if (failure || !stream_.socket().is_open()) { // closed when the last bytes were already here
        co_return false;
    }
    whole.emplace(parser.release());
    co_return true;
}

asio::awaitable<bool> Connection::write(const Response& response, bool head) {
    // One memory for all answers, since most fit into what the kernel takes at once: they never wait.
    thread_local std::string text;
    text.clear();
    write_head(response, text);
    const auto body = head ? std::string_view{} : std::string_view{response.body()};
    const bool is_whole = body.size() <= chunk;
    if (is_whole) {
        text += body;
    }
    using Buffers = std::array<asio::const_buffer, 2>;
    const asio::const_buffer apart = is_whole ? asio::const_buffer{} : asio::const_buffer{body.data(), body.size()};
    error_code failure;
    const auto sent = stream_.socket().write_some(Buffers{asio::buffer(text), apart}, failure);
    if (failure == asio::error::would_block || failure == asio::error::try_again) {
        failure = {};
    }
    const auto sent_of_text = std::min(sent, text.size());
    const auto rest_of_text = text.substr(sent_of_text);
    const Buffers rest{asio::buffer(rest_of_text), apart + (sent - sent_of_text)};
    if (!failure && asio::buffer_size(rest) > 0) {
        stream_.expires_after(limits_.write_time);
        std::tie(failure, std::ignore) = co_await asio::async_write(stream_, rest, as_result);
    }
    co_return !failure;
}

asio::awaitable<bool> Connection::write(Response head, BodySource& body) {
    constexpr unsigned http_1_1 = 11;
    const bool chunked = head.version() >= http_1_1 && !head.has_content_length();
    if (chunked) { // else Beast would take the length away
        head.chunked(true);
    }
    if (buffer_.size() == 0 && has_read_body()) { // else somebody may be reading into it
        buffer_.shrink_to_fit();                  // a stream may be open for long
    }
    error_code failure;
    {
        std::string text;
        write_head(head, text);
        stream_.expires_after(limits_.write_time);
        std::tie(failure, std::ignore) = co_await asio::async_write(stream_, asio::buffer(text), as_result);
    }
    while (!failure) {
        const auto piece = co_await body.next();
        stream_.expires_after(limits_.write_time);
        if (piece && chunked) {
            std::tie(failure, std::ignore) =
                co_await asio::async_write(stream_, beast::http::make_chunk(asio::buffer(*piece)), as_result);
        } else if (piece) {
            std::tie(failure, std::ignore) = co_await asio::async_write(stream_, asio::buffer(*piece), as_result);
        } else if (chunked) {
            std::tie(failure, std::ignore) =
                co_await asio::async_write(stream_, beast::http::make_chunk_last(), as_result);
        }
        if (!piece) {
            break;
        }
    }
    co_return !failure;
}

asio::awaitable<void> Connection::finish() {
    in_flight_ = false;
    constexpr int chunks_read = 64;
    error_code failure;
    stream_.socket().shutdown(Socket::shutdown_send, failure);
    // Closing with unread bytes would reset the connection, and take the answer away from a client still sending.
    stream_.expires_after(std::chrono::seconds(2));
    for (int i = 0; i < chunks_read && !failure; ++i) {
        buffer_.clear();
        std::tie(failure, std::ignore) = co_await stream_.async_read_some(buffer_.prepare(chunk), as_result);
    }
    close();
}

void Connection::close() noexcept {
    stream_.close();
}

} // namespace pdpp::http
