// Requests that come in any pieces: Beast's parser, compiled as the gateway's is, under small limits. The first byte
// says how large the pieces are.

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace asio = boost::asio;
namespace beast = boost::beast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t piece = data[0] % 16 + 1;
    std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
    beast::http::request_parser<beast::http::string_body> parser;
    parser.header_limit(1024);
    parser.body_limit(1024);
    beast::flat_buffer buffer(8192);
    while (!rest.empty() && buffer.size() + piece <= buffer.max_size() && !parser.is_done()) {
        const auto sent = rest.substr(0, piece);
        buffer.commit(asio::buffer_copy(buffer.prepare(sent.size()), asio::buffer(sent.data(), sent.size())));
        rest.remove_prefix(sent.size());
        boost::system::error_code failure;
        parser.eager(parser.is_header_done());
        buffer.consume(parser.put(buffer.data(), failure));
        if (failure && failure != beast::http::error::need_more) {
            break;
        }
    }
    return 0;
}
