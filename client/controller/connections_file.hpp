#pragma once
// The connections that a controller can launch, as its operator wrote them down: a JSON array of objects. Whatever is
// wrong with it is told with its place, and nothing is guessed. Pure but for read_connections().

#include "controller/launch.hpp"
#include "controller/process.hpp"

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pdpp::controller {

struct ConnectionSetup {
    std::string connector_id;
    Command command;
    Limits limits;
};

/// By connector_instance_id.
using Connections = std::map<std::string, ConnectionSetup, std::less<>>;

/// What is wrong with a file of connections. what() begins with the place: `line 3, column 7: …` where it is no JSON,
/// `[2].env.LANG: …` where it says something else than it should.
class ConnectionsError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// ```
/// [{"connector_instance_id": "mail-anna", "connector_id": "mail", "command": ["/opt/mail/fetch", "--all"],
///   "env": {"LANG": "C", "DEBUG": null}, "cwd": "/var/lib/mail", "timeout_seconds": 3600, "grace_seconds": 10}]
/// ```
/// The first three are required. A name that `env` gives null to is taken away. Throws ConnectionsError.
Connections parse_connections(std::string_view text);

/// The same, of a file. Throws ConnectionsError, its place beginning with the file's name.
Connections read_connections(const std::string& path);

/// The argument of pdpp_controller_offer, as JSON. A connection with a time limit is offered with the time that its
/// runs may take from their admission on: `to_launch` until they are started, and what the launcher needs then.
std::string offer_of(const Connections& connections, std::chrono::milliseconds to_launch);

} // namespace pdpp::controller
