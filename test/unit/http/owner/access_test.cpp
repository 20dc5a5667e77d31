// Sessions on requests, login and logout.

#include <boost/test/unit_test.hpp>

#include "http/owner/access.hpp"
#include "refusal_of.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace pdpp::http;
using namespace std::chrono_literals;

namespace {

constexpr auto password = "pass word+1";

Request with(field name, const std::string& value) {
    Request request;
    request.insert(name, value);
    return request;
}

Request login(const std::string& type, const std::string& body) {
    auto request = with(field::content_type, type);
    request.body() = body;
    return request;
}

OwnerAccess access_by(const std::optional<std::string>& owner_password, bool secure = false) {
    return OwnerAccess(std::make_shared<Owner>(owner_password), secure);
}

std::string token() {
    static const OwnerSessions sessions(password);
    return sessions.issue(std::chrono::system_clock::now(), 60s);
}

constexpr auto form = "application/x-www-form-urlencoded";

} // namespace

BOOST_AUTO_TEST_SUITE(http_owner_access)

BOOST_AUTO_TEST_CASE(a_session_is_found_wherever_it_is_carried) {
    const auto owner = access_by(password);
    const auto accepted = [&](const Request& request) {
        const auto refusal = refusal_of([&] { owner.check_session(request); });
        BOOST_TEST((!refusal || refusal->error_code == "owner_session_required"));
        return !refusal;
    };
    const auto good = token();
    BOOST_TEST(accepted(with(field::authorization, "Bearer " + good)));
    BOOST_TEST(accepted(with(field::authorization, "bearer  " + good + " ")));
    BOOST_TEST(accepted(with(field::cookie, "pdpp_owner_session=" + good)));
    BOOST_TEST(accepted(with(field::cookie, "a=b; x; pdpp_owner_session=old;pdpp_owner_session=" + good + " ; c={}")));
    auto both = with(field::authorization, "Bearer stale");
    both.insert(field::cookie, "pdpp_owner_session=" + good);
    BOOST_TEST(accepted(both));

    BOOST_TEST(!accepted(Request{}));
    BOOST_TEST(!accepted(with(field::authorization, good)));
    BOOST_TEST(!accepted(with(field::authorization, "Basic " + good)));
    BOOST_TEST(!accepted(with(field::authorization, "Bearer")));
    BOOST_TEST(!accepted(with(field::authorization, "Bearer \"" + good + "\"")));
    BOOST_TEST(!accepted(with(field::cookie, good)));
    BOOST_TEST(!accepted(with(field::cookie, "PDPP_OWNER_SESSION=" + good)));
    BOOST_TEST(!accepted(with(field::cookie, "xpdpp_owner_session=" + good)));
    BOOST_TEST(!accepted(with(field::cookie, "pdpp_owner_session")));
    BOOST_TEST(!accepted(with(field::cookie, "pdpp_owner_session=\"" + good + "\"")));
}

BOOST_AUTO_TEST_CASE(a_session_is_over_when_it_expires) {
    const auto owner = access_by(password);
    const auto now = OwnerSession::Time::clock::now();
    const auto session = owner.check_session(with(field::authorization, "Bearer " + token()));
    BOOST_TEST((session.expires_at() > now + 50s));
    BOOST_TEST((session.expires_at() <= OwnerSession::Time::clock::now() + 61s));
    BOOST_TEST(!session.is_over());
    const auto lasting =
        OwnerSessions(password).issue(std::chrono::system_clock::now(), std::chrono::hours(24 * 366 * 100));
    for (int i = 0; i < 2; ++i) { // verified, and then remembered
        BOOST_TEST((owner.check_session(with(field::authorization, "Bearer " + lasting)).expires_at() > now + 24h));
    }
    const auto alive = std::make_shared<char>();
    BOOST_TEST(OwnerSession(now, alive).is_over());
    BOOST_TEST(!OwnerSession(now + 1h, alive).is_over());
}

BOOST_AUTO_TEST_CASE(a_session_is_over_when_its_owner_goes) {
    for (const auto& owner_password : {std::optional<std::string>(password), std::optional<std::string>()}) {
        auto owner = access_by(owner_password);
        const auto session = owner.check_session(with(field::authorization, "Bearer " + token()));
        BOOST_TEST(!session.is_over());
        owner = access_by("another");
        BOOST_TEST(session.is_over());
    }
}

BOOST_AUTO_TEST_CASE(without_a_password_everybody_is_the_owner_and_nobody_logs_in) {
    auto owner = access_by(std::nullopt);
    BOOST_TEST(!refusal_of([&] { owner.check_session(Request{}); }));
    const auto refusal = refusal_of([&] { owner.log_in(login(form, "password="), "peer"); });
    BOOST_REQUIRE(refusal);
    BOOST_TEST((refusal->code == status::forbidden));
}

BOOST_AUTO_TEST_CASE(the_password_opens_a_session) {
    for (const auto& [type, body] :
         {std::pair{form, "password=pass+word%2B1"},
          {form, "user=me&password=pass%20word%2b1"},
          {"application/json", R"({"password":"pass word+1"})"},
          {"Application/JSON; charset=utf-8", R"( {"password":"pass\u0020word+1","x":1} )"}}) {
        for (const bool secure : {false, true}) {
            auto owner = access_by(password, secure);
            const auto response = owner.log_in(login(type, body), "peer");
            BOOST_TEST((response.result() == status::no_content));
            const std::string cookie{response[field::set_cookie]};
            const auto end = cookie.find(';');
            BOOST_TEST(cookie.substr(end) ==
                       std::string("; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800") + (secure ? "; Secure" : ""));
            BOOST_TEST(!refusal_of([&] { owner.check_session(with(field::cookie, cookie.substr(0, end))); }));
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_login_is_refused_and_does_not_count) {
    auto owner = access_by(password);
    for (const auto& [type, body, code] : {std::tuple{form, "", 400},
                                           {form, "passwor=x", 400},
                                           {"application/json", "", 400},
                                           {"application/json", "[]", 400},
                                           {"application/json", R"({"password":1})", 400},
                                           {"application/json", R"({"password":"x")", 400},
                                           {"text/plain", "password=x", 415},
                                           {"", "password=x", 415}}) {
        for (int i = 0; i < 6; ++i) {
            const auto refusal = refusal_of([&, type = type, body = body] { owner.log_in(login(type, body), "peer"); });
            BOOST_REQUIRE(refusal);
            BOOST_TEST(static_cast<int>(refusal->code) == code, body);
        }
    }
}

BOOST_AUTO_TEST_CASE(wrong_passwords_count) {
    auto owner = access_by(password);
    const auto outcome = [&](const std::string& body, const std::string& peer) {
        const auto refusal = refusal_of([&] { owner.log_in(login(form, body), peer); });
        return refusal ? static_cast<int>(refusal->code) : 204;
    };
    for (int i = 0; i < 5; ++i) {
        BOOST_TEST(outcome("password=wrong", "peer") == 401);
        BOOST_TEST(outcome("password=pass+word%2B1", "peer") == (i < 4 ? 204 : 429));
    }
    BOOST_TEST(outcome("password=pass+word%2B1", "other") == 204);
    const auto refusal = refusal_of([&] { owner.log_in(login(form, "password=wrong"), "peer"); });
    BOOST_REQUIRE(refusal);
    BOOST_TEST((refusal->headers.at(0).first == field::retry_after));
}

BOOST_AUTO_TEST_CASE(logging_out_takes_the_cookie_back) {
    const auto owner = access_by(password, true);
    const auto response = owner.log_out();
    BOOST_TEST((response.result() == status::no_content));
    BOOST_TEST(response[field::set_cookie] == "pdpp_owner_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure");
}

BOOST_AUTO_TEST_CASE(wrong_passwords_are_counted_over_all_threads) {
    const auto owner = std::make_shared<Owner>(password);
    std::atomic<int> looked_at = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            OwnerAccess access(owner, false);
            for (int j = 0; j < 50; ++j) {
                const auto refusal = refusal_of([&] { access.log_in(login(form, "password=wrong"), "peer"); });
                looked_at += refusal && refusal->code == status::unauthorized ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    BOOST_TEST(looked_at == LoginThrottle::peer_limit);
}

BOOST_AUTO_TEST_SUITE_END()
