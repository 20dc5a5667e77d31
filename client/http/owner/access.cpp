// The session on a request, login and logout.

#include "http/owner/access.hpp"

#include "http/syntax/form.hpp"
#include "http/syntax/header_list.hpp"
#include "http/syntax/json_body.hpp"
#include "http/wire/envelope.hpp"
#include "http/wire/errors.hpp"
#include "log/log.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <cmath>

namespace pdpp::http {

namespace json = boost::json;

namespace {

/// Calls `use` with each part of `list` between separators, until it returns true; whether one did.
template <typename Use>
bool any_part(std::string_view list, char separator, Use use) {
    while (!list.empty()) {
        const auto end = list.find(separator);
        if (use(trimmed(list.substr(0, end)))) {
            return true;
        }
        list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    }
    return false;
}

/// Calls `use` with each token on the request, wherever it is carried, until it returns true; whether one did.
template <typename Use>
bool any_token(const Request& request, Use use) {
    constexpr std::string_view scheme = "Bearer ";
    const std::string_view authorization = request[field::authorization];
    if (beast::iequals(authorization.substr(0, scheme.size()), scheme) &&
        use(trimmed(authorization.substr(scheme.size())))) {
        return true;
    }
    const auto is_accepted_cookie = [&](std::string_view pair) {
        const auto equals = pair.find('=');
        return pair.substr(0, equals) == session_cookie && equals != std::string_view::npos &&
               use(pair.substr(equals + 1));
    };
    const auto [first, last] = request.equal_range(field::cookie);
    return std::any_of(first, last,
                       [&](const auto& header) { return any_part(header.value(), ';', is_accepted_cookie); });
}

/// The instant at which what expires then (seconds since 1970) is good no more; a year from now stands for all later
/// ones, which may be beyond any clock.
OwnerSession::Time on_timers(double expiry, OwnerSessions::Time now) {
    using Seconds = std::chrono::duration<double>;
    const Seconds left = Seconds(std::ceil(expiry)) - now.time_since_epoch();
    const auto soon = std::min<Seconds>(left, std::chrono::years(1));
    return OwnerSession::Time::clock::now() + std::chrono::ceil<OwnerSession::Time::duration>(soon);
}

std::optional<std::string> password_in_json(std::string_view body) {
    boost::system::error_code malformed;
    const auto value = json::parse(body, malformed);
    if (malformed || !value.is_object()) {
        throw invalid_request("The body is not a JSON object.");
    }
    const auto* const password = value.get_object().if_contains("password");
    if (password == nullptr || !password->is_string()) {
        return std::nullopt;
    }
    return std::string{password->get_string()};
}

std::string password_of(const Request& request) {
    const auto type = media_type(request);
    std::optional<std::string> password;
    if (beast::iequals(type, "application/x-www-form-urlencoded")) {
        password = form_value(request.body(), "password");
    } else if (beast::iequals(type, "application/json")) {
        password = password_in_json(request.body());
    } else {
        throw refusal(ErrorKind::unsupported_media_type,
                      "The body must be application/x-www-form-urlencoded or application/json.");
    }
    if (!password) {
        throw invalid_request("The body must give a password.", "password");
    }
    return *password;
}

} // namespace

Owner::Owner(const std::optional<std::string>& password, std::string subject) : subject_(std::move(subject)) {
    if (password) {
        sessions_.emplace(*password);
    }
}

void Owner::check_password(std::string_view password, std::string_view peer) {
    const std::lock_guard one_at_a_time(looking_);
    const auto now = LoginThrottle::Time::clock::now();
    if (const auto wait = throttle_.must_wait(peer, now)) {
        auto too_many = refusal(ErrorKind::too_many_attempts);
        too_many.headers.emplace_back(field::retry_after, std::to_string(wait->count()));
        throw too_many;
    }
    if (!has_password(password)) {
        throttle_.failed(peer, now);
        log::write(log::Level::warning, "wrong owner password from {}", peer);
        throw refusal(ErrorKind::invalid_password);
    }
}

OwnerAccess::OwnerAccess(std::shared_ptr<Owner> owner, bool secure_cookie)
    : owner_(std::move(owner)), secure_cookie_(secure_cookie) {}

OwnerSession OwnerAccess::check_session(const Request& request) const {
    if (!has_sessions()) {
        return {OwnerSession::Time::max(), alive_};
    }
    const auto now = OwnerSessions::Time::clock::now();
    std::optional<double> expiry;
    if (!any_token(request, [&](std::string_view token) { return (expiry = good_until(token, now)).has_value(); })) {
        throw refusal(ErrorKind::owner_session_required);
    }
    return {on_timers(*expiry, now), alive_};
}

bool OwnerAccess::has_session(const Request& request) const {
    const auto now = OwnerSessions::Time::clock::now();
    return !has_sessions() ||
           any_token(request, [&](std::string_view token) { return good_until(token, now).has_value(); });
}

/// When the token expires; nothing if it is not good.
std::optional<double> OwnerAccess::good_until(std::string_view token, OwnerSessions::Time now) const {
    auto expiry = verified_.expiry_of(token);
    if (!expiry) {
        expiry = owner_->sessions()->expiry_of(token);
        if (expiry && is_good(*expiry, now)) {
            verified_.remember(token, *expiry);
        }
    }
    return expiry && is_good(*expiry, now) ? expiry : std::nullopt;
}

Response OwnerAccess::log_in(const Request& request, std::string_view peer) {
    if (!has_sessions()) {
        throw refusal(ErrorKind::owner_login_disabled);
    }
    owner_->check_password(password_of(request), peer);
    const auto token =
        owner_->sessions()->issue(OwnerSessions::Time::clock::now(), session_lifetime, owner_->subject());
    Response response = json_response(status::no_content, {});
    response.set(field::set_cookie, cookie(token, session_lifetime));
    return response;
}

Response OwnerAccess::log_out() const {
    Response response = json_response(status::no_content, {});
    response.set(field::set_cookie, cookie({}, std::chrono::seconds(0)));
    return response;
}

std::string OwnerAccess::cookie(std::string_view token, std::chrono::seconds lifetime) const {
    std::string text{session_cookie};
    text.append("=").append(token).append("; Path=/; HttpOnly; SameSite=Lax; Max-Age=");
    text.append(std::to_string(lifetime.count()));
    if (secure_cookie_) {
        text.append("; Secure");
    }
    return text;
}

} // namespace pdpp::http
