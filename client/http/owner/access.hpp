#pragma once
// Who may come in: the owner's session on a request, and the doors that open and close one.

#include "http/owner/login_throttle.hpp"
#include "http/owner/session.hpp"
#include "http/owner/verified_sessions.hpp"
#include "http/wire/message.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace pdpp::http {

/// The owner, and how many wrong passwords were tried: one for all threads.
class Owner {
  public:
    /// Without a password there are no sessions and everybody is the owner: for loopback only.
    explicit Owner(const std::optional<std::string>& password, std::string subject = std::string{usual_owner_subject});

    /// What is signed by the password; null without one.
    [[nodiscard]] const OwnerSessions* sessions() const noexcept { return sessions_ ? &*sessions_ : nullptr; }

    /// Whether this is the password.
    [[nodiscard]] bool has_password(std::string_view password) const {
        return sessions_ && sessions_->is_password(password);
    }

    /// Whose the sessions are that are made here.
    [[nodiscard]] const std::string& subject() const noexcept { return subject_; }

    /// Looks at a password from `peer`, one at a time. Throws Refusal: 401 `invalid_password`, 429 `too_many_attempts`.
    void check_password(std::string_view password, std::string_view peer);

  private:
    std::optional<OwnerSessions> sessions_;
    std::string subject_;
    std::mutex looking_; ///< a password is looked at and counted before the next one is
    LoginThrottle throttle_;
};

/// For one thread.
class OwnerAccess {
  public:
    /// `secure_cookie` when browsers reach this server by https.
    OwnerAccess(std::shared_ptr<Owner> owner, bool secure_cookie);

    /// Whether there is a password, and so a login.
    [[nodiscard]] bool has_sessions() const noexcept { return owner_->sessions() != nullptr; }

    /// The session that the request carries as a bearer token or as the cookie; without a password, one that never
    /// expires. Throws Refusal 401 `owner_session_required` unless it is good now.
    OwnerSession check_session(const Request& request) const;

    /// Whether the request carries one that is good now; true without a password.
    bool has_session(const Request& request) const;

    /// Answers POST /owner/login: the session's cookie for the right password, in a form or a JSON object as
    /// `password`. Throws Refusal: 400 `invalid_request`, 401 `invalid_password`, 403 `owner_login_disabled` where
    /// there is no password, 415 `unsupported_media_type`, 429 `too_many_attempts` with Retry-After.
    Response log_in(const Request& request, std::string_view peer);

    /// Answers POST /owner/logout: takes the cookie back. Tokens that were copied stay good until they expire.
    Response log_out() const;

  private:
    std::optional<double> good_until(std::string_view token, OwnerSessions::Time now) const;
    std::string cookie(std::string_view token, std::chrono::seconds lifetime) const;

    std::shared_ptr<Owner> owner_;
    mutable VerifiedSessions verified_;
    bool secure_cookie_;
    std::shared_ptr<const void> alive_ = std::make_shared<char>(); ///< for the sessions to know
};

} // namespace pdpp::http
