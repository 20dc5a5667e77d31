#pragma once
// What one client may cost the server.

#include <chrono>
#include <cstddef>

namespace pdpp::http {

/// What a client may ask of the server's memory and patience.
struct ServerLimits {
    std::size_t header_bytes = 16384; ///< request line and headers together: 431
    std::size_t body_bytes = 131072;  ///< 413; twice what pdpp.max_event_bytes allows a run's data by default
    /// Open at once. One more takes the place of the oldest whose client is not known (Peer::is_known); if there is
    /// none it is answered 503 and closed.
    std::size_t connections = 16384;
    /// From a request's first byte to the end of its headers; to its first byte as well, after an answer to a client
    /// that is not known.
    std::chrono::milliseconds header_time = std::chrono::seconds(10);
    std::chrono::milliseconds body_time = std::chrono::seconds(30);
    std::chrono::milliseconds write_time = std::chrono::seconds(30);
    std::chrono::milliseconds idle_time = std::chrono::seconds(75); ///< between requests
};

} // namespace pdpp::http
