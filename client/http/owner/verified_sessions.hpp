#pragma once
// Session tokens that have been verified, so that each is verified once: a token stays good until it expires.

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string_view>

namespace pdpp::http {

class VerifiedSessions {
  public:
    /// Remembers at most `limit` tokens.
    explicit VerifiedSessions(std::size_t limit = 1024) : limit_(limit) {}

    /// When a token that was remembered expires, in seconds since 1970. They are found by a digest: how long the search
    /// takes tells nothing about a token.
    [[nodiscard]] std::optional<double> expiry_of(std::string_view token) const;

    /// Remembers a token that is genuine.
    void remember(std::string_view token, double expiry);

    [[nodiscard]] std::size_t size() const noexcept { return expiries_.size(); }

  private:
    using Digest = std::array<unsigned char, 32>;

    std::size_t limit_;
    std::map<Digest, double> expiries_;
};

} // namespace pdpp::http
