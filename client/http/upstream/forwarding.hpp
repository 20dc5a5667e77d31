#pragma once
// What a request becomes when it is handed on, and its answer when it comes back: what is of a connection stays on it.

#include "http/wire/message.hpp"

#include <boost/beast/http/message.hpp>

#include <string>
#include <string_view>

namespace pdpp::http {

using ResponseHead = beast::http::response_header<>;

/// Whether this is a read of a run, by its status or its timeline: one of the two that are answered here.
bool is_read_of_run(const RequestHead& request);

/// Whether a request like this may be made again if nobody knows what became of it.
bool is_repeatable(verb method);

/// Whether the client would rather speak WebSocket from now on.
bool asks_for_websocket(const RequestHead& request);

/// Whether an answer is a stream of events, which may be silent for as long as it likes.
bool is_event_stream(const Response& answer);

/// What is told of the client: by us, whatever it says itself.
struct Sender {
    std::string_view address; ///< Peer::address
    std::string_view scheme;  ///< that it has used, as far as this server can know
    std::string_view request_id;
    std::string_view via; ///< the name of this server to others in between
};

/// How the body follows.
enum class Framing { none, length, chunks };

/// Throws Refusal 400 or 405 for what is not to be handed on, and 502 for what has been, by the server of that name.
void check_forwardable(const RequestHead& request, std::string_view via);

Framing framing_of(const RequestHead& request);

/// Whether the client sends its body only once it is told that it is wanted.
bool waits_for_word(const RequestHead& request);

/// The request line and the headers, up to the empty line and with it. `usual_host` is named where the client names
/// none.
std::string forwarded_head(const RequestHead& request, const Sender& sender, std::string_view usual_host);

/// The head of the answer as the client gets it, without a body. A switch of protocols keeps what says so.
Response answered_head(const ResponseHead& answer);

} // namespace pdpp::http
