#include "http/run_body.hpp"

#include "run/event.hpp"

namespace pdpp::http {

namespace {

/// The string after the first, or last, occurrence of `key`; empty if there is none.
std::string_view word_after(std::string_view body, std::size_t key, std::size_t key_size) {
    if (key == std::string_view::npos)
        return {};
    body.remove_prefix(key + key_size);
    return body.substr(0, body.find('"'));
}

} // namespace

std::string_view status_word(std::string_view body) {
    // keys of jsonb are sorted by length: links, object, run_id and status come before any other
    constexpr std::string_view key = R"(, "status": ")";
    return word_after(body, body.starts_with(R"({"links": )") ? body.find(key) : std::string_view::npos, key.size());
}

std::string_view timeline_link(std::string_view body) {
    constexpr std::string_view key = R"({"links": {"timeline": ")";
    return word_after(body, body.starts_with(key) ? 0 : std::string_view::npos, key.size());
}

bool is_terminal_status(std::string_view body) {
    return run::outcome_named(status_word(body)).has_value();
}

bool is_terminal_timeline(std::string_view body) {
    constexpr std::string_view key = R"(, "terminal_status": ")"; // the longest key is the last
    const auto word = word_after(body, body.rfind(key), key.size());
    return run::outcome_named(word).has_value() && body.ends_with(R"("})") &&
           word.data() + word.size() + 2 == body.data() + body.size();
}

} // namespace pdpp::http
