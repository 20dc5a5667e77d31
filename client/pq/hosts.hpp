#pragma once
// Connection strings that name several hosts: a primary and its standbys. libpq goes through the hosts by itself, but
// without a deadline for each while it must not block: one host that has gone without a word would keep it for minutes.
// So a connection is tried host by host.

#include <map>
#include <string>
#include <vector>

namespace pdpp::pq {

/// The connection strings to try one after the other: one for each host that `conninfo`, the service file and the
/// environment name, in their order, or in any with load_balance_hosts=random (libpq 16). With
/// target_session_attrs=prefer-standby each host is tried as a standby first. `conninfo` itself where there is one
/// host, or it cannot be read.
std::vector<std::string> attempts_for(const std::string& conninfo);

/// The connection strings that lead to each of the hosts, whatever server is wanted.
std::vector<std::string> each_host(const std::string& conninfo);

/// Whether there is another server to go to when one is a primary no longer.
bool names_several_hosts(const std::string& conninfo);

/// What libpq makes of `conninfo`, its service file and the environment, by keyword; what nobody has said and libpq has
/// no default for is not there.
std::map<std::string, std::string> resolved(const std::string& conninfo);

/// `conninfo` for whoever must reach the primary, whatever server it wants itself (target_session_attrs). The same as
/// given where that is the primary, and where one host is named and none is wanted.
std::string to_primary(const std::string& conninfo);

/// `conninfo` for another database of the same server.
std::string to_database(const std::string& conninfo, const std::string& database);

/// The path of the socket that `conninfo` leads to; empty if it leads over the network, or to several hosts.
std::string socket_of(const std::string& conninfo);

/// `conninfo` for whoever is served by a standby too, the primary where there is none; but the same as given where it
/// says itself what server it wants, or names one host.
std::string to_standby(const std::string& conninfo);

} // namespace pdpp::pq
