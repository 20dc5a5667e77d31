#include "http/pages/words.hpp"

#include <algorithm>
#include <array>

namespace pdpp::http {

namespace {

struct Look {
    std::string_view status;
    std::string_view sign;
    std::string_view mark; ///< as in files/icon-STATUS.svg
};

constexpr std::array looks{
    Look{"active", "●",
         "M8 1a7 7 0 1 1 0 14A7 7 0 1 1 8 1zm0 2a5 5 0 1 0 0 10A5 5 0 1 0 8 3zm0 2.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 1 1 "
         "0-5z"},
    Look{"completed", "✓", "M8 1a7 7 0 1 1 0 14A7 7 0 1 1 8 1zM6.9 11.5l5.1-5.1-1.3-1.3-3.8 3.8-1.6-1.6L4 8.6z"},
    Look{"failed", "✕",
         "M5 1h6l4 4v6l-4 4H5l-4-4V5zM8 6.7 5.9 4.6 4.6 5.9 6.7 8l-2.1 2.1 1.3 1.3L8 9.3l2.1 2.1 1.3-1.3L9.3 8l2.1-2.1"
         "-1.3-1.3z"},
    Look{"cancelled", "■", "M2 2h12v12H2zM4.5 7v2h7V7z"},
    Look{"abandoned", "▲", "M8 1l7.5 13.5H.5zM7.2 6v4.4h1.6V6zM7.2 11.6v1.6h1.6v-1.6z"},
};

const Look* look_of(std::string_view status) {
    const auto* const found = std::ranges::find(looks, status, &Look::status);
    return found == looks.end() ? nullptr : found;
}

} // namespace

std::string_view mark_of(std::string_view status) {
    const auto* const look = look_of(status);
    return look != nullptr ? look->mark : "M2 3h12v2H2zM2 7h9v2H2zM2 11h6v2H2z";
}

std::string_view sign_of(std::string_view status) {
    const auto* const look = look_of(status);
    return look != nullptr ? look->sign : "·";
}

std::string_view icon_of(std::string_view status) {
    return look_of(status) != nullptr ? status : "pdpp";
}

} // namespace pdpp::http
