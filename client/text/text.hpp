#pragma once
// Text from outside (command lines, a connector's output, the operating system) made fit for where it goes next: the
// database, which takes valid UTF-8 without U+0000, or a terminal, which must not be given control sequences.

#include <cstddef>
#include <string>
#include <string_view>

namespace pdpp {

/// Whether PostgreSQL can store `text` as it is: valid UTF-8 without U+0000.
bool is_storable(std::string_view text);

/// `text` as PostgreSQL can store it: each malformed sequence of UTF-8 becomes U+FFFD, U+0000 is left out, and what
/// follows the first `limit` characters (code points) is cut off, `…` marking the cut.
std::string storable(std::string_view text, std::size_t limit);

/// `text` on one line and harmless to a terminal: control characters (C0, DEL, C1), line and paragraph separators and
/// the marks that turn the direction of writing become `\n`, `\t`, `\x1b` or `\u202e`; malformed bytes `\xff`.
std::string printable(std::string_view text);

} // namespace pdpp
