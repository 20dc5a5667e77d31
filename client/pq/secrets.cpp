#include "pq/secrets.hpp"

#include "pq/conninfo.hpp"

#include <algorithm>
#include <cctype>

namespace pdpp::pq {

namespace {

constexpr std::string_view hidden = "***";

/// Where the connection string begins, if it is one.
std::size_t begin_of_conninfo(std::string_view word) {
    constexpr std::string_view source = "postgres:";
    std::size_t begin = 0;
    if (const auto equals = word.find('='); word.starts_with("--") && equals != std::string_view::npos) {
        begin = equals + 1;
    }
    const auto rest = word.substr(begin);
    return rest.starts_with(source) && !rest.starts_with("postgres://") ? begin + source.size() : begin;
}

bool is_secret(const PQconninfoOption& option) {
    return std::string_view{option.dispchar}.starts_with('*') || std::string_view{option.keyword}.starts_with("scram_");
}

/// Of what libpq does not read all that may be one goes.
std::string without_likely_secrets(std::string_view word) {
    std::string plain{word};
    std::ranges::transform(plain, plain.begin(), [](unsigned char letter) { return std::tolower(letter); });
    auto end = word.size();
    if (const auto at = plain.find("password"); at != std::string::npos && plain.find('=', at) != std::string::npos) {
        end = plain.find('=', at) + 1;
    }
    if (const auto at = plain.find("://"); at != std::string::npos && plain.find('@', at) != std::string::npos) {
        end = std::min(end, at + 3);
    }
    return end == word.size() ? std::string{word} : std::string{word.substr(0, end)}.append(hidden);
}

} // namespace

std::string without_secrets(std::string_view word) {
    const auto begin = begin_of_conninfo(word);
    const std::string conninfo{word.substr(begin)};
    const ConninfoOptions options{is_database_name(conninfo) ? nullptr : PQconninfoParse(conninfo.c_str(), nullptr)};
    if (!options) {
        return without_likely_secrets(word);
    }
    std::string shown;
    bool has_secret = false;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr) {
            continue;
        }
        if (option->keyword == std::string_view{"host"} &&
            std::string_view{option->val}.find('@') != std::string::npos) {
            return without_likely_secrets(word); // a password had an @ in it that was not encoded
        }
        shown.append(shown.empty() ? "" : " ").append(option->keyword).append("=");
        shown.append(is_secret(*option) ? hidden : std::string_view{option->val});
        has_secret = has_secret || is_secret(*option);
    }
    return has_secret ? std::string{word.substr(0, begin)} + shown : std::string{word};
}

} // namespace pdpp::pq
