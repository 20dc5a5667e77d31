#pragma once
// Content negotiation (RFC 9110 §12.5.1): which of the media types on offer a client would like best.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pdpp::http {

/// Of types that are liked as much: the one offered first, whether it is named or `*` stands for it; or the first of
/// those that are named.
enum class Ties { go_to_first, go_to_named };

/// The type of `offered` that `accept`, the value of an Accept header, gives the highest quality; of equals as `ties`
/// says. A client without Accept, or with an empty one, gets the first. Nothing if none is acceptable.
///
/// Each offered type has the quality of the most specific range that matches it: `type/subtype`, then `type/*`, then
/// `*/*`. A range with parameters matches a type that is offered with the same ones; `charset=utf-8` says nothing new
/// and is passed over. Ranges that cannot be read are passed over too.
std::optional<std::string_view> negotiate(const std::optional<std::string>& accept,
                                          std::span<const std::string_view> offered, Ties ties = Ties::go_to_first);

} // namespace pdpp::http
