#pragma once
// The owner's sessions: signed tokens that need no storage, in the format of the PDPP servers in use, so that theirs
// are accepted here and ours there: base64url(JSON {"exp","iat","sub"}) "." base64url(HMAC-SHA-256 over the first
// part), the key derived from the owner's password by scrypt. Seconds since 1970.

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace pdpp::http {

constexpr std::string_view session_cookie = "pdpp_owner_session";
/// Whose the sessions are that we make, as those servers name their owner where nothing else is set.
constexpr std::string_view usual_owner_subject = "owner_local";
constexpr std::chrono::seconds session_lifetime = std::chrono::hours(24 * 7);

/// Whether what expires then, in seconds since 1970, is good at `now`.
bool is_good(double expiry, std::chrono::system_clock::time_point now);

/// The session that a request came with, for what goes on after its answer has begun.
class OwnerSession {
  public:
    /// By the clock of timers.
    using Time = std::chrono::steady_clock::time_point;

    /// `owner` goes when the password changes.
    OwnerSession(Time expires_at, std::weak_ptr<const void> owner) noexcept
        : expires_at_(expires_at), owner_(std::move(owner)) {}

    [[nodiscard]] Time expires_at() const noexcept { return expires_at_; }

    /// It has expired, or was made with a password that is the owner's no more.
    [[nodiscard]] bool is_over() const noexcept { return owner_.expired() || Time::clock::now() >= expires_at_; }

  private:
    Time expires_at_;
    std::weak_ptr<const void> owner_;
};

class OwnerSessions {
  public:
    using Time = std::chrono::system_clock::time_point;

    /// Derives the key, which takes a few hundredths of a second and 16 MiB.
    explicit OwnerSessions(std::string_view password);

    /// Whether this is the owner's password; takes the same time for every wrong one.
    [[nodiscard]] bool is_password(std::string_view candidate) const;

    /// A token that is good from `now` for `lifetime`, whose owner is `subject`, UTF-8 text.
    [[nodiscard]] std::string issue(Time now, std::chrono::seconds lifetime,
                                    std::string_view subject = usual_owner_subject) const;

    /// When `token` expires, in seconds since 1970, if it was made with this password, whoever its `sub` is.
    [[nodiscard]] std::optional<double> expiry_of(std::string_view token) const;

    /// Whether `token` was made with this password and is still good at `now`.
    [[nodiscard]] bool accepts(std::string_view token, Time now) const;

  private:
    using Digest = std::array<unsigned char, 32>;

    [[nodiscard]] std::string signature_of(std::string_view payload) const;

    Digest key_;
    Digest password_digest_;
};

} // namespace pdpp::http
