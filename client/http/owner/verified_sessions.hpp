#pragma once
// Session tokens that have been verified, so that each is verified once: a token stays good until it expires.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pdpp::http {

class VerifiedSessions {
  public:
    /// Remembers at most `limit` tokens. Throws std::runtime_error if there are no random bytes to be had.
    explicit VerifiedSessions(std::size_t limit = 1024);

    /// When a token that was remembered expires, in seconds since 1970. How long the search takes tells nothing about
    /// a token: they are compared in constant time, and found by a hash that nobody can foretell.
    [[nodiscard]] std::optional<double> expiry_of(std::string_view token) const;

    /// Remembers a token that is genuine.
    void remember(std::string_view token, double expiry);

    [[nodiscard]] std::size_t size() const noexcept { return expiries_.size(); }

  private:
    struct Hash {
        using is_transparent = void;
        std::uint64_t secret;
        std::size_t operator()(std::string_view token) const noexcept;
    };
    struct IsSame {
        using is_transparent = void;
        bool operator()(std::string_view left, std::string_view right) const noexcept;
    };

    std::size_t limit_;
    std::unordered_map<std::string, double, Hash, IsSame> expiries_;
};

} // namespace pdpp::http
