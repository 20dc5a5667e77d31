// The check for text, by Boost's UTF-8 decoder.

#include "http/syntax/utf8.hpp"

#include <boost/locale/utf.hpp>

namespace pdpp::http {

bool is_text(std::string_view bytes) {
    namespace utf = boost::locale::utf;
    for (auto position = bytes.begin(); position != bytes.end();) {
        const auto point = utf::utf_traits<char>::decode(position, bytes.end());
        if (point == 0 || point == utf::illegal || point == utf::incomplete) {
            return false;
        }
    }
    return true;
}

} // namespace pdpp::http
