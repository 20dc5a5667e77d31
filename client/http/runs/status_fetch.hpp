#pragma once
// What gathered status reads ask the database.

#include "http/runs/status_reads.hpp"
#include "pq/pool.hpp"

#include <chrono>

namespace pdpp::http {

/// Calls of pdpp_run_statuses, each with a connection of the pool. `pool` must outlive the reads.
StatusReads::Fetch statuses_over(pq::Pool& pool, std::chrono::milliseconds timeout);

} // namespace pdpp::http
