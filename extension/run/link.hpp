#pragma once
// The links that bodies carry.

#include "run/id.hpp"
#include "run/text.hpp"

#include <string_view>

namespace pdpp::run {

/// Room for the longest id, every byte of it percent-encoded, and the path around it.
using Link = Text<3 * max_id_bytes + 40>;

/// `/_ref/runs/<id>`, the id percent-encoded as one segment: all but RFC 3986's unreserved characters. The id is UTF-8.
[[nodiscard]] Link self_link(std::string_view run_id);

/// `/_ref/runs/<id>/timeline`
[[nodiscard]] Link timeline_link(std::string_view run_id);

/// `/_ref/connections/<id>/run`, which starts a run.
[[nodiscard]] Link start_link(std::string_view connector_instance_id);

/// `/_ref/runs?connector_instance_id=<id>`
[[nodiscard]] Link runs_link(std::string_view connector_instance_id);

} // namespace pdpp::run
