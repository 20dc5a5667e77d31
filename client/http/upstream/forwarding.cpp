#include "http/upstream/forwarding.hpp"

#include "http/syntax/header_list.hpp"
#include "http/wire/errors.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace pdpp::http {

namespace {

/// In lower case, and with hyphens: there are servers that take X_Forwarded_For for X-Forwarded-For.
std::string plain(std::string_view name) {
    std::string text{name};
    std::ranges::transform(text, text.begin(), [](unsigned char letter) {
        return letter == '_' ? '-' : static_cast<char>(std::tolower(letter));
    });
    return text;
}

/// What speaks of one connection, whether or not Connection names it (RFC 9110, 7.6.1; of what begins with Proxy- that
/// is Proxy-Connection, and what a client and a proxy say to each other, 11.7), and of how a body is framed, which is
/// said anew.
constexpr std::array of_connection{"connection",
                                   "keep-alive",
                                   "te",
                                   "trailer",
                                   "transfer-encoding",
                                   "upgrade",
                                   "proxy-connection",
                                   "proxy-authenticate",
                                   "proxy-authorization",
                                   "proxy-authentication-info"};

/// What tells a server behind who asks, for what, and how: it may take our word for that, and nobody else's. `Proxy` is
/// what some hand to programs as HTTP_PROXY.
constexpr std::array of_sender{"proxy",           "x-host",   "x-http-host-override", "x-scheme",    "x-url-scheme",
                               "front-end-https", "x-proto",  "x-protocol",           "x-https",     "x-ssl",
                               "x-port",          "x-prefix", "x-base-url",           "x-base-path", "x-script-name"};

/// Names of that kind, as proxies and their makers have invented them, by how they begin, and by what is in them:
/// X-Forward-For, X-Original-URL, X-Originating-IP; Forwarded-For, X-Client-IP, CF-Connecting-IPv6, X-Remote-Addr,
/// X-Azure-SocketIP, Ali-CDN-Real-IP, Cdn-Src-Ip; and X-SSL-Client-Verify, X-Remote-User: who he has been shown to be.
constexpr std::array<std::string_view, 6> beginnings_of_sender{"x-forward",      "x-real-",    "x-original-",
                                                               "x-originating-", "x-rewrite-", "x-envoy-"};
constexpr std::array<std::string_view, 15> parts_of_sender{
    "forwarded", "client-ip", "clientip",    "connecting-ip", "user-ip",     "socketip",   "real-ip",    "src-ip",
    "source-ip", "remote-ip", "remote-addr", "client-addr",   "client-cert", "ssl-client", "remote-user"};

bool is_among(std::string_view name, const auto& names) {
    return std::ranges::find(names, name) != names.end();
}

template <bool IsRequest>
bool is_of_connection(const beast::http::header<IsRequest>& head, std::string_view plain_name) {
    if (is_among(plain_name, of_connection)) {
        return true;
    }
    const auto [first, last] = head.equal_range(field::connection);
    return std::any_of(first, last, [&](const auto& header) {
        return std::ranges::any_of(elements_of(header.value()),
                                   [&](std::string_view name) { return plain(name) == plain_name; });
    });
}

bool is_of_sender(std::string_view plain_name) {
    return is_among(plain_name, of_sender) ||
           std::ranges::any_of(beginnings_of_sender, [&](auto part) { return plain_name.starts_with(part); }) ||
           std::ranges::any_of(parts_of_sender, [&](auto part) { return plain_name.find(part) != plain_name.npos; });
}

/// As Forwarded writes it (RFC 7239, 6).
std::string node(std::string_view address) {
    if (address.find(':') != std::string_view::npos) {
        return fmt::format("\"[{}]\"", address);
    }
    const bool is_known = !address.empty() && address != "unix";
    return std::string{is_known ? address : "unknown"};
}

} // namespace

bool is_read_of_run(const RequestHead& request) {
    constexpr std::string_view runs = "/_ref/runs/";
    if (request.method() != verb::get && request.method() != verb::head) {
        return false;
    }
    std::string_view path = request.target();
    path = path.substr(0, path.find('?'));
    if (!path.starts_with(runs)) {
        return false;
    }
    path.remove_prefix(runs.size());
    const auto slash = path.find('/');
    return slash != 0 && !path.empty() && (slash == std::string_view::npos || path.substr(slash) == "/timeline");
}

bool is_repeatable(verb method) {
    return method == verb::get || method == verb::head || method == verb::options || method == verb::put ||
           method == verb::delete_;
}

bool asks_for_websocket(const RequestHead& request) {
    return request.version() >= 11 && request.method() == verb::get && request.count(field::upgrade) == 1 &&
           beast::iequals(request[field::upgrade], "websocket") &&
           beast::http::token_list{request[field::connection]}.exists("upgrade") &&
           framing_of(request) == Framing::none;
}

bool is_event_stream(const Response& answer) {
    const std::string_view type = answer[field::content_type];
    return beast::iequals(trimmed(type.substr(0, type.find(';'))), "text/event-stream");
}

void check_forwardable(const RequestHead& request, std::string_view via) {
    if (request.method() == verb::connect || request.method() == verb::trace) {
        auto wrong_method = refusal(ErrorKind::method_not_allowed, "CONNECT and TRACE are not handed on.");
        wrong_method.headers.emplace_back(field::allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        throw wrong_method;
    }
    if (!request.target().starts_with('/')) {
        throw invalid_request("The request target must be a path.");
    }
    const auto [first, last] = request.equal_range(field::via);
    if (std::any_of(first, last,
                    [&](const auto& header) { return header.value().find(via) != std::string_view::npos; })) {
        throw refusal(ErrorKind::upstream_unavailable, "The server that this is handed on to is this one.");
    }
}

Framing framing_of(const RequestHead& request) {
    if (request.count(field::transfer_encoding) > 0) {
        return Framing::chunks; // the only one that comes this far
    }
    return request.count(field::content_length) > 0 ? Framing::length : Framing::none;
}

bool waits_for_word(const RequestHead& request) {
    return framing_of(request) != Framing::none && request.version() >= 11 &&
           beast::iequals(request[field::expect], "100-continue");
}

std::string forwarded_head(const RequestHead& request, const Sender& sender, std::string_view usual_host) {
    std::string text = fmt::format("{} {} HTTP/1.1\r\n", std::string_view{request.method_string()},
                                   std::string_view{request.target()});
    const auto add = [&](std::string_view name, std::string_view value) {
        text.append(name).append(": ").append(value).append("\r\n");
    };
    const std::string_view host = request.count(field::host) > 0 ? std::string_view{request[field::host]} : usual_host;
    add("Host", host);
    std::string via;
    for (const auto& header : request) {
        const auto name = plain(header.name_string());
        if (is_of_connection(request, name) || is_of_sender(name) || name == "host" || name == "content-length" ||
            name == "expect" || name == "request-id") {
            continue;
        }
        if (name == "via") {
            via.append(header.value()).append(", ");
            continue;
        }
        add(header.name_string(), header.value());
    }
    if (sender.address != "unix" && !sender.address.empty()) {
        add("X-Forwarded-For", sender.address);
    }
    add("X-Forwarded-Proto", sender.scheme);
    add("X-Forwarded-Host", host);
    add("Forwarded", fmt::format("for={};host=\"{}\";proto={}", node(sender.address), host, sender.scheme));
    add("Via", fmt::format("{}{}.{} {}", via, request.version() / 10, request.version() % 10, sender.via));
    add("Request-Id", sender.request_id);
    switch (framing_of(request)) {
    case Framing::none:
        break;
    case Framing::length:
        add("Content-Length", request[field::content_length]);
        break;
    case Framing::chunks:
        add("Transfer-Encoding", "chunked");
        break;
    }
    if (waits_for_word(request)) {
        add("Expect", "100-continue");
    }
    if (asks_for_websocket(request)) {
        add("Connection", "Upgrade");
        add("Upgrade", "websocket");
    }
    return text + "\r\n";
}

Response answered_head(const ResponseHead& answer) {
    Response head;
    head.result(answer.result_int());
    head.reason(answer.reason());
    const bool switches = answer.result() == status::switching_protocols;
    const bool has_no_length =
        answer.count(field::transfer_encoding) > 0 || answer.result() == status::no_content || switches;
    for (const auto& header : answer) {
        const auto name = plain(header.name_string());
        if (is_of_connection(answer, name) || (has_no_length && name == "content-length")) {
            continue;
        }
        head.insert(header.name_string(), header.value());
    }
    if (switches) {
        head.set(field::connection, "Upgrade");
        head.set(field::upgrade, answer[field::upgrade]);
    }
    return head;
}

} // namespace pdpp::http
