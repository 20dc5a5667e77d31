#include "pq/mistake.hpp"

#include "pq/conninfo.hpp"
#include "pq/hosts.hpp"

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/predicate.hpp>
#include <boost/algorithm/string/split.hpp>
#include <boost/algorithm/string/trim.hpp>

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

namespace pdpp::pq {

namespace {

struct CloseHandle {
    void operator()(PGconn* handle) const noexcept { PQfinish(handle); }
};

/// Words of libpq's quote what they are about: that may be a password, or a piece of one, where a quote or an @ is
/// missing.
std::string without_quoted(const std::string& words, const std::string& conninfo) {
    const auto first = words.find('"');
    const bool may_be_secret =
        boost::algorithm::icontains(conninfo, "pass") || conninfo.find("://") != std::string::npos;
    if (!may_be_secret || first == std::string::npos) {
        return words;
    }
    const auto last = words.rfind('"');
    return words.substr(0, first) + "\"***\"" + words.substr(last + 1);
}

std::string first_line_of(const char* words) {
    const std::string_view text{words == nullptr ? "" : words};
    return std::string{text.substr(0, text.find('\n'))};
}

/// libpq's own verdict: it looks at all that it is told before it goes to a port, and this one there is not.
std::string verdict_of_libpq(const std::string& conninfo) {
    constexpr auto no_port = "none such";
    // a password, so that no passfile is looked into
    const char* const keywords[] = {"dbname", "password", "port", nullptr};
    const char* const values[] = {conninfo.c_str(), "none", no_port, nullptr};
    constexpr int expand_dbname = 1;
    const std::unique_ptr<PGconn, CloseHandle> handle{PQconnectStartParams(keywords, values, expand_dbname)};
    auto words = first_line_of(PQerrorMessage(handle.get()));
    return words.find(no_port) == std::string::npos ? words : "";
}

bool is_number(std::string text, long least, long most) {
    boost::algorithm::trim(text);
    long number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data() + (text.starts_with('+') ? 1 : 0), end, number);
    return failure == std::errc{} && stop == end && number >= least && number <= most;
}

bool is_address(const std::string& text) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST;
    addrinfo* found = nullptr;
    const bool is_read = ::getaddrinfo(text.c_str(), nullptr, &hints, &found) == 0;
    if (is_read) {
        ::freeaddrinfo(found);
    }
    return is_read;
}

bool is_too_long_for_socket(const std::string& host, const std::string& port) {
    return (host.starts_with('/') || host.starts_with('@')) &&
           fmt::format("{}/.s.PGSQL.{}", host, port).size() >= sizeof(sockaddr_un::sun_path);
}

constexpr auto at_sign = "there is an @ too many: in a user or a password of a URI it is written %40, a slash %2F";

/// Of a URI whose password has a slash in it the rest is taken for the name of the database.
bool has_password_in_database(const std::string& conninfo) {
    const ConninfoOptions options{is_database_name(conninfo) ? nullptr : PQconninfoParse(conninfo.c_str(), nullptr)};
    bool has_user = false;
    bool is_cut = false;
    for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
        const std::string_view keyword{option->keyword};
        has_user = has_user || (keyword == "user" && option->val != nullptr);
        is_cut = is_cut || (keyword == "dbname" && option->val != nullptr &&
                            std::string_view{option->val}.find('@') != std::string_view::npos);
    }
    return is_cut && !has_user && conninfo.find("://") != std::string::npos && conninfo.find('@') != std::string::npos;
}

/// What libpq looks at only on its way to a server.
std::string mistake_on_the_way(const std::map<std::string, std::string>& options) {
    const auto list = [&](const std::string& keyword) {
        std::vector<std::string> elements;
        const auto found = options.find(keyword);
        if (found != options.end() && !found->second.empty()) {
            boost::algorithm::split(elements, found->second, boost::algorithm::is_any_of(","));
        }
        return elements;
    };
    const auto hosts = list("host");
    const auto addresses = list("hostaddr");
    const auto ports = list("port");
    const auto number = std::max({hosts.size(), addresses.size(), std::size_t{1}});
    if (ports.size() > 1 && ports.size() != number) {
        return fmt::format("could not match {} port numbers to {} hosts", ports.size(), number);
    }
    constexpr long highest_port = 65535;
    if (!std::ranges::all_of(ports,
                             [](const auto& port) { return port.empty() || is_number(port, 1, highest_port); })) {
        return fmt::format("port is no number from 1 to {}", highest_port);
    }
    if (!std::ranges::all_of(addresses, [](const auto& text) { return text.empty() || is_address(text); })) {
        return "hostaddr is no address of a network: a name goes into host";
    }
    if (std::ranges::any_of(hosts, [](const auto& name) { return name.find('@', 1) != std::string::npos; })) {
        return at_sign;
    }
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        if (is_too_long_for_socket(hosts[i], ports.empty() ? "5432" : ports[ports.size() == 1 ? 0 : i])) {
            return "host is too long for the directory of a socket";
        }
    }
    constexpr std::array numbers{"connect_timeout",     "keepalives",       "keepalives_idle",
                                 "keepalives_interval", "keepalives_count", "tcp_user_timeout"};
    for (const auto* const keyword : numbers) {
        const auto found = options.find(keyword);
        if (found != options.end() && !found->second.empty() && !is_number(found->second, INT_MIN, INT_MAX)) {
            return fmt::format("{} is no number", keyword);
        }
    }
    return {};
}

} // namespace

std::optional<std::string> mistake_in(const std::string& conninfo) {
    constexpr auto unreadable = "it must be a list of keyword=value pairs, a postgresql:// URI or a database name";
    if (is_database_name(conninfo) && conninfo.find(":/") != std::string::npos) {
        return unreadable; // another's URI, which is none of a database's names
    }
    if (auto verdict = verdict_of_libpq(conninfo); !verdict.empty()) {
        const ConninfoOptions options{is_database_name(conninfo) ? nullptr
                                                                 : PQconninfoParse(conninfo.c_str(), nullptr)};
        const bool is_readable = options || is_database_name(conninfo);
        const auto words = without_quoted(verdict, conninfo);
        return is_readable ? words : fmt::format("{}: {}", words, unreadable);
    }
    if (has_password_in_database(conninfo)) {
        return at_sign;
    }
    auto mistake = mistake_on_the_way(resolved(conninfo));
    return mistake.empty() ? std::nullopt : std::optional(std::move(mistake));
}

} // namespace pdpp::pq
