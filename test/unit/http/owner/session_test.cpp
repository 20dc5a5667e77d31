// Session tokens, against ones that another implementation made. Key and tokens are from Python:
//
//   key = hashlib.scrypt(b"correct horse battery staple", salt=b"pdpp-owner-session-kdf-v1", n=16384, r=8, p=1,
//                        maxmem=64 << 20, dklen=32)
//   def b64(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
//   def token(json): p = b64(json.encode()); return p + "." + b64(hmac.new(key, p.encode(), hashlib.sha256).digest())

#include <boost/test/unit_test.hpp>

#include "http/owner/session.hpp"
#include "http/syntax/base64url.hpp"

using namespace pdpp::http;
using namespace std::chrono_literals;

namespace {

const OwnerSessions& sessions() {
    static const OwnerSessions made("correct horse battery staple");
    return made;
}

OwnerSessions::Time at(std::int64_t seconds) {
    return OwnerSessions::Time(std::chrono::seconds(seconds));
}

const auto now = at(1'700'000'000);

/// {"exp":4102444800,"iat":1700000000,"sub":"owner_local"}
constexpr std::string_view payload = "eyJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMCwic3ViIjoib3duZXJfbG9jYWwifQ";
constexpr std::string_view signature = "rPg7NXswP_vVcIRs4cnurCUGcVuWTwk26YSJUmnoj5M";

} // namespace

BOOST_AUTO_TEST_SUITE(http_owner_session)

BOOST_AUTO_TEST_CASE(base64url_has_one_spelling) {
    using namespace std::string_view_literals;
    for (const auto& [bytes, text] : {std::pair{""sv, ""sv},
                                      {"f"sv, "Zg"sv},
                                      {"fo"sv, "Zm8"sv},
                                      {"foo"sv, "Zm9v"sv},
                                      {"\xfb\xff"sv, "-_8"sv},
                                      {"\0\0\0\0"sv, "AAAAAA"sv}}) {
        BOOST_TEST(base64url(bytes) == text);
        BOOST_TEST((from_base64url(text) == std::optional<std::string>(bytes)), text);
    }
    for (const auto* text : {"Z", "Zg==", "Zh", "Zm9", "Z m8", " Zm8", "Zm8\n", "+/8", "Zm9v!", "====", "."}) {
        BOOST_TEST(!from_base64url(text), text);
    }
}

BOOST_AUTO_TEST_CASE(a_session_made_elsewhere_is_accepted_until_it_expires) {
    const auto token = std::string(payload) + "." + std::string(signature);
    BOOST_TEST(sessions().accepts(token, now));
    BOOST_TEST(sessions().accepts(token, at(4102444799)));
    BOOST_TEST(!sessions().accepts(token, at(4102444800)));
    BOOST_TEST(!OwnerSessions("another password").accepts(token, now));
}

BOOST_AUTO_TEST_CASE(our_own_are_made_the_same_way) {
    BOOST_TEST(sessions().accepts(sessions().issue(now, 10s), now + 9s));
    BOOST_TEST(!sessions().accepts(sessions().issue(now, 10s), now + 10s));
    const auto token = sessions().issue(now, 600s);
    const auto claims = from_base64url(token.substr(0, token.find('.')));
    BOOST_TEST(claims.value() == R"({"exp":1700000600,"iat":1700000000,"sub":"owner_local"})");
    const auto of_anna = sessions().issue(now, 600s, "Anna \"A\"");
    BOOST_TEST(sessions().accepts(of_anna, now));
    BOOST_TEST(from_base64url(of_anna.substr(0, of_anna.find('.'))).value() ==
               R"({"exp":1700000600,"iat":1700000000,"sub":"Anna \"A\""})");
}

BOOST_AUTO_TEST_CASE(a_signature_is_not_enough) {
    for (const auto* token :
         {// {"iat":1700000000,"sub":"owner_local"}
          "eyJpYXQiOjE3MDAwMDAwMDAsInN1YiI6Im93bmVyX2xvY2FsIn0.3vFXmmXARogRyvaylwKyJcBegljbXqEGHtxNfQhncD4",
          // {"exp":"4102444800","iat":1700000000,"sub":"x"}
          "eyJleHAiOiI0MTAyNDQ0ODAwIiwiaWF0IjoxNzAwMDAwMDAwLCJzdWIiOiJ4In0"
          ".r0Jj8sFgNLOT2TWkgl2dIUxpeMhdfhu-8WFzUhwX16s",
          // {"exp":null}
          "eyJleHAiOm51bGx9.On9piNt15Kjhcn79-gZQVMjvzDFpZxT8Rd7KEzlidoM",
          // [4102444800]
          "WzQxMDI0NDQ4MDBd.fK_p2r01Ov-ZRAXFWonpJFwO7-bJ6AzwmdDbwNo0pwk",
          // not json
          "bm90IGpzb24.KLdReo4FfVqnfv4sVaQiF5AE0y3YaD-gfXk2107DvgU"}) {
        BOOST_TEST(!sessions().accepts(token, now), token);
    }
}

BOOST_AUTO_TEST_CASE(what_else_is_not_a_session) {
    const std::string p{payload}, s{signature};
    for (const auto& token :
         {std::string(), std::string("."), p, p + ".", "." + s, p + "." + s + ".", p + "." + s + "." + s, p + ".." + s,
          " " + p + "." + s, p + "." + s + "=", p + "=." + s, p + "." + s.substr(1), p + "." + p,
          p + "." + s.substr(0, 42) + "N", // the same bytes, spelled with other stray bits
          p + "." + std::string(43, 'A'), "e30." + s}) {
        BOOST_TEST(!sessions().accepts(token, now), token);
    }
}

BOOST_AUTO_TEST_CASE(the_password_is_known) {
    BOOST_TEST(sessions().is_password("correct horse battery staple"));
    for (const auto* wrong : {"", "correct horse battery stapl", "correct horse battery staple ", "Correct"}) {
        BOOST_TEST(!sessions().is_password(wrong), wrong);
    }
}

BOOST_AUTO_TEST_SUITE_END()
