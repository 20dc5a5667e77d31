#include "cli/setup/next_steps.hpp"

#include "pq/conninfo.hpp"
#include "pq/hosts.hpp"
#include "pq/secrets.hpp"
#include "text/shell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace pdpp::cli {

namespace {

bool is_plain(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view{"_-./:@%+,"}.find(c) != std::string_view::npos;
}

/// `keyword=value`, as libpq reads it.
std::string setting(std::string_view keyword, const std::string& value) {
    if (!value.empty() && std::ranges::all_of(value, is_plain)) {
        return fmt::format("{}={}", keyword, value);
    }
    std::string quoted;
    for (const char c : value) {
        quoted += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string{c};
    }
    return fmt::format("{}='{}'", keyword, quoted);
}

/// `conninfo` as a list of keywords that names the database, so that more can be put behind it: the last counts.
std::string as_list(const std::string& conninfo, const std::string& database) {
    if (conninfo.empty() || pq::is_database_name(conninfo)) {
        return setting("dbname", database);
    }
    if (conninfo.find("://") != std::string::npos) {
        return pq::to_database(conninfo, database);
    }
    return pq::resolved(conninfo).contains("dbname") ? conninfo : conninfo + " " + setting("dbname", database);
}

} // namespace

std::string database_option(const std::string& conninfo) {
    if (conninfo.empty()) {
        return "";
    }
    return pq::without_secrets(conninfo) == conninfo ? " --db " + in_shell(conninfo) : " --db ...";
}

NextSteps next_steps(const std::string& conninfo, const std::string& database, const std::string& role,
                     const Caller& caller) {
    // peer: the server lets in whoever is called like the role
    const bool is_other_user = caller.over_socket && caller.role_is_unix_user && role != caller.unix_user;
    const auto& login = !caller.login.empty() ? caller.login : is_other_user ? role : caller.unix_user;

    std::string option;
    if (login != role) {
        option = database_option(as_list(conninfo, database) + " " + setting("user", role));
    } else if (is_other_user && conninfo.empty()) {
        option = " --db " + in_shell(database); // which is else called like the user
    } else if (is_other_user && !pq::is_database_name(conninfo)) {
        option = database_option(as_list(conninfo, database));
    } else {
        option = database_option(conninfo);
    }

    const auto as_user = is_other_user ? fmt::format("runuser -u {} -- ", in_shell(role)) : std::string{};
    // who is not root may not read the file: what root reads goes by the environment, which the user alone can see
    auto password = is_other_user && !caller.password_file.empty()
                        ? fmt::format("PDPP_OWNER_PASSWORD=\"$(cat {})\" ", in_shell(caller.password_file))
                        : std::string{};
    if (!password.empty() && caller.names_password_file) {
        password = "PDPP_OWNER_PASSWORD_FILE= " + password;
    }
    const bool is_own = role == (caller.login.empty() ? caller.unix_user : caller.login);
    return {.as_root = is_other_user && !caller.is_root,
            .serve = fmt::format("{}{}pdpp serve{}", password, as_user, option),
            .run = fmt::format("{}pdpp run{} -- true", as_user, option),
            .doctor =
                fmt::format("pdpp doctor{}{}", database_option(conninfo), is_own ? "" : " --role " + in_shell(role))};
}

} // namespace pdpp::cli
