#pragma once
// What is so on a server and in a database, as far as a session may see it: what `pdpp init` goes by and `pdpp doctor`
// judges.

#include "pq/connection.hpp"
#include "pq/grants.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pdpp::cli {

/// A setting that takes effect at a restart or a reload.
struct Setting {
    std::optional<std::string> running;  ///< as the server has it now; nothing if that may not be seen
    std::optional<std::string> in_files; ///< as it is after the next restart; nothing if that may not be seen
    bool is_on_command_line = false;     ///< which goes before the files
};

/// What keeps the server from starting again: a line of its configuration files, or of pg_hba.conf.
struct ConfigurationError {
    std::string file;
    std::string line; ///< its number
    std::string name; ///< of the setting; empty where the line could not be read
    std::string message;
};

/// `/etc/postgresql/15/main/postgresql.conf, line 3: syntax error`
std::string text_of(const ConfigurationError& error);

struct ServerFacts {
    std::string place;    ///< `server on socket "…"`
    std::string database; ///< empty if it is not there yet
    std::string role;     ///< whose the session is
    bool is_superuser = false;
    bool is_local = false; ///< reached over its socket
    bool is_standby = false;
    bool is_read_only = false; ///< default_transaction_read_only
    int version_number = 0;    ///< 150014
    std::string version;       ///< `15.14`
    std::string encoding;
    std::string foreign_locale;                   ///< of new databases, if UTF8 does not go with it; else empty
    std::string schema;                           ///< of the extension, as an identifier; empty if it is not installed
    std::optional<std::string> extension_version; ///< installed in the database
    std::optional<std::string> available_version; ///< on the server's disk
    std::optional<std::string> library_version;   ///< that the server has loaded; nothing if that may not be asked
    Setting preload;                              ///< shared_preload_libraries
    Setting databases;                            ///< pdpp.databases
    std::vector<ConfigurationError> configuration_errors; ///< none where the files may not be seen
    bool may_alter_system = true;                         ///< allow_alter_system
    bool has_launcher = false;
    bool has_worker = false;    ///< of this database
    bool has_guard = false;     ///< another program calls the launch guard
    std::string cluster;        ///< cluster_name
    std::string data_directory; ///< empty if that may not be seen
};

struct RoleFacts {
    std::string name;
    std::string identifier = {}; ///< the name as SQL takes it
    bool exists = false;
    bool is_superuser = false;
    bool may_log_in = false;
    pq::Grants grants; ///< once the extension is there
};

/// Throws pq::Error.
boost::asio::awaitable<ServerFacts> look_at_server(pq::Connection& connection);
boost::asio::awaitable<RoleFacts> look_at_role(pq::Connection& connection, std::string role);

/// The command that restarts the server, by what Debian calls its clusters, or by its data directory.
std::string restart_command(const ServerFacts& facts, bool has_systemd);

/// Whether systemd runs this machine.
bool has_systemd();

} // namespace pdpp::cli
