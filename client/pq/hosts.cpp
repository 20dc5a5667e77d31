// Reading and writing connection strings, with libpq's own parser.

#include "pq/hosts.hpp"

#include "pq/conninfo.hpp"

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string_view>

namespace pdpp::pq {

namespace {

struct Finish {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
using Options = std::map<std::string, std::string>; ///< by keyword

constexpr auto host = "host";
constexpr auto address = "hostaddr";
constexpr auto port = "port";

Options taken_from(PQconninfoOption* list) {
    const ConninfoOptions owner{list};
    Options options;
    for (const auto* option = list; option != nullptr && option->keyword != nullptr; ++option) {
        if (option->val != nullptr) {
            options[option->keyword] = option->val;
        }
    }
    return options;
}

/// What `conninfo` says itself; nothing if it cannot be read.
std::optional<Options> said_in(const std::string& conninfo) {
    if (is_database_name(conninfo)) {
        return Options{{"dbname", conninfo}};
    }
    auto* const list = PQconninfoParse(conninfo.c_str(), nullptr);
    if (list == nullptr) {
        return std::nullopt;
    }
    return taken_from(list);
}

std::string written(const Options& options) {
    std::string conninfo;
    for (const auto& [keyword, value] : options) {
        conninfo.append(conninfo.empty() ? "" : " ").append(keyword).append("='");
        for (const char c : value) {
            if (c == '\'' || c == '\\') {
                conninfo += '\\';
            }
            conninfo += c;
        }
        conninfo += '\'';
    }
    return conninfo;
}

/// The elements of a comma-separated list; none if there is no list.
std::vector<std::string> elements(const Options& options, const std::string& keyword) {
    std::vector<std::string> list;
    const auto found = options.find(keyword);
    if (found != options.end() && !found->second.empty()) {
        boost::algorithm::split(list, found->second, boost::algorithm::is_any_of(","));
    }
    return list;
}

std::size_t number_of_hosts(const Options& options) {
    const auto addresses = elements(options, address).size(); // they go before names, as with libpq
    return addresses > 0 ? addresses : elements(options, host).size();
}

std::string wanted_session(const Options& options) {
    const auto found = options.find("target_session_attrs");
    return found == options.end() ? "any" : found->second;
}

std::string with_session(Options options, const char* wanted) {
    options["target_session_attrs"] = wanted;
    return written(options);
}

/// The places of the hosts in their lists, in the order to try them.
std::vector<std::size_t> order_of(const Options& options) {
    std::vector<std::size_t> order(number_of_hosts(options));
    std::iota(order.begin(), order.end(), 0);
    const auto balance = options.find("load_balance_hosts");
    if (balance != options.end() && balance->second == "random") {
        std::ranges::shuffle(order, std::random_device{});
    }
    return order;
}

} // namespace

/// libpq tells only while connecting: an sslmode that does not exist keeps it from doing so.
std::map<std::string, std::string> resolved(const std::string& conninfo) {
    const char* const keywords[] = {"dbname", "sslmode", nullptr};
    const char* const values[] = {conninfo.c_str(), "none such", nullptr};
    constexpr int expand_dbname = 1;
    const std::unique_ptr<PGconn, Finish> connection{PQconnectStartParams(keywords, values, expand_dbname)};
    return taken_from(PQconninfo(connection.get()));
}

std::vector<std::string> attempts_for(const std::string& conninfo) {
    const auto said = said_in(conninfo);
    const auto meant = resolved(conninfo);
    const auto hosts = order_of(meant);
    if (!said || hosts.size() < 2) {
        return {conninfo};
    }

    const bool prefers_standby = wanted_session(meant) == "prefer-standby";
    std::vector<std::string> attempts;
    const auto try_each = [&](Options options) {
        for (const auto place : hosts) {
            for (const std::string keyword : {host, address, port}) {
                const auto list = elements(meant, keyword);
                if (list.size() == hosts.size()) {
                    options[keyword] = list[place];
                } else if (list.size() > 1 || (list.size() == 1 && keyword != port)) { // one port is that of all hosts
                    return false;
                }
            }
            attempts.push_back(written(options));
        }
        return true;
    };
    auto options = *said;
    options["target_session_attrs"] = prefers_standby ? "standby" : wanted_session(meant);
    bool is_readable = try_each(options);
    if (prefers_standby) {
        options["target_session_attrs"] = "any";
        is_readable = is_readable && try_each(options);
    }
    // Lists that do not match: libpq says so, in its own words.
    return is_readable ? attempts : std::vector<std::string>{conninfo};
}

std::vector<std::string> each_host(const std::string& conninfo) {
    const auto said = said_in(conninfo);
    return attempts_for(said ? with_session(*said, "any") : conninfo);
}

bool names_several_hosts(const std::string& conninfo) {
    return number_of_hosts(resolved(conninfo)) > 1;
}

std::string to_primary(const std::string& conninfo) {
    const auto said = said_in(conninfo);
    const auto meant = resolved(conninfo);
    const auto wanted = wanted_session(meant);
    const bool leads_elsewhere = wanted == "standby" || wanted == "prefer-standby" || wanted == "read-only" ||
                                 (wanted == "any" && number_of_hosts(meant) > 1);
    if (!said || !leads_elsewhere) { // a word that libpq does not know is left to it
        return conninfo;
    }
    return with_session(*said, "read-write");
}

std::string to_database(const std::string& conninfo, const std::string& database) {
    auto said = said_in(conninfo);
    if (!said) { // what cannot be read is refused when it is connected to
        return conninfo;
    }
    (*said)["dbname"] = database;
    return written(*said);
}

std::string socket_of(const std::string& conninfo) {
    const char* const keywords[] = {"dbname", "sslmode", nullptr};
    const char* const values[] = {conninfo.c_str(), "none such", nullptr};
    const std::unique_ptr<PGconn, Finish> connection{PQconnectStartParams(keywords, values, 1)};
    const char* const directory = PQhost(connection.get());
    const char* const port_number = PQport(connection.get());
    if (directory == nullptr || *directory != '/' || port_number == nullptr ||
        number_of_hosts(resolved(conninfo)) > 1) {
        return {};
    }
    return std::string{directory} + "/.s.PGSQL." + port_number;
}

std::string to_standby(const std::string& conninfo) {
    const auto said = said_in(conninfo);
    const auto meant = resolved(conninfo);
    if (!said || number_of_hosts(meant) < 2 || wanted_session(meant) != "any") {
        return conninfo;
    }
    return with_session(*said, "prefer-standby");
}

} // namespace pdpp::pq
