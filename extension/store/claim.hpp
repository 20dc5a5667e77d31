#pragma once
// Claims: admitted runs that wait become a boot's own. docs/design/claims.md

#include "store/flight.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace pdpp::store {

/// Up to so many admitted, unclaimed runs of connections that the boot offers, oldest first, now owned by the boot.
std::span<const Flight> claim_offered(const pg_uuid_t& boot_epoch, std::int64_t most);

/// What is offered is another than before: this session looks at the whole again.
void forget_front();

/// That very run, if it is admitted and unclaimed, now owned by the boot.
std::optional<Flight> claim_run(std::string_view run_id, const pg_uuid_t& boot_epoch);

} // namespace pdpp::store
