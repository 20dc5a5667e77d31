#pragma once
// What passes through the gateway: whole requests and whole responses, and the refusal that any stage may throw to end
// a request early.

#include <cstdint> // which field.hpp of Boost 1.83 needs, and gcc 14 no longer brings along

#include <boost/beast/http/field.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/verb.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <utility>
#include <vector>

namespace pdpp::http {

namespace beast = boost::beast;
using beast::http::field;
using beast::http::status;
using beast::http::verb;

using Request = beast::http::request<beast::http::string_body>;
using RequestHead = beast::http::request_header<>;
using Response = beast::http::response<beast::http::string_body>;

/// Why a request is not answered with what it asked for. Thrown by the stages of the pipeline, caught once at its end,
/// sent as the error envelope.
struct Refusal {
    status code;
    std::string error_code;                                  ///< what clients key on, such as `not_found`
    std::string message;                                     ///< for people
    std::string param = {};                                  ///< the parameter it is about; empty if none
    boost::json::object extra = {};                          ///< further members of the error object
    std::vector<std::pair<field, std::string>> headers = {}; ///< such as Allow or Retry-After
    std::string target = {}; ///< of a request that could not be read whole; empty if it did not come so far
};

} // namespace pdpp::http
