#pragma once
// What is made of what was seen: pure, a function for each thing that can be wrong in the field.

#include "cli/doctor/condition.hpp"
#include "cli/doctor/finding.hpp"
#include "cli/setup/server_facts.hpp"
#include "pq/pooler.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace pdpp::cli {

Findings judge_server(const ServerFacts& facts);

/// What would keep the server from starting again; none where its files may not be seen.
Findings judge_configuration(const ServerFacts& facts);

Findings judge_extension(const ServerFacts& facts);
Findings judge_schema(const Condition& condition);
Findings judge_worker(const ServerFacts& facts, const Condition& condition);
Findings judge_role(const ServerFacts& facts, const RoleFacts& role);
Findings judge_durability(const Condition& condition);
Findings judge_replication(const ServerFacts& facts, const Condition& condition);
Findings judge_notifications(const Condition& condition);
Findings judge_transactions(const Condition& condition);
Findings judge_clock(const Condition& condition);

/// What may not be seen from here, or by the session's role, and so was not looked at; none if all is seen.
Findings judge_sight(const ServerFacts& facts, const Condition& condition, bool sees_room);

Finding judge_pooling(pq::Pooling pooling);

/// `said` is what libpq makes of the connection string (pq::resolved).
Finding judge_keepalives(const std::map<std::string, std::string>& said, bool is_local);

/// Of the file system of pg_wal, in bytes.
Finding judge_room(std::uint64_t free, std::uint64_t all);

/// Another of several hosts, which may be the primary some day.
Finding judge_other_host(const ServerFacts& facts);

} // namespace pdpp::cli
