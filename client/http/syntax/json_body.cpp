// Checking JSON with Boost's parser, as it passes by.

#include "http/syntax/json_body.hpp"

#include "http/syntax/header_list.hpp"
#include "http/wire/errors.hpp"
#include "text/json_handler.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include <set>
#include <vector>

namespace pdpp::http {

namespace json = boost::json;
using boost::system::error_code;

namespace {

/// The members of the body, as the parser comes across them.
class Reader : public JsonHandler {
  public:
    explicit Reader(JsonBody& body) : body_(body) {}

    [[nodiscard]] const std::string& fault() const { return fault_; }

    bool on_object_begin(error_code&) {
        names_.emplace_back();
        is_object_ = is_object_ || depth_ == 0;
        ++depth_;
        return true;
    }
    bool on_object_end(std::size_t, error_code&) {
        names_.pop_back();
        return left();
    }
    bool on_array_begin(error_code&) {
        ++depth_;
        return true;
    }
    bool on_array_end(std::size_t, error_code&) { return left(); }

    bool on_key_part(json::string_view part, std::size_t, error_code&) { return add(part); }
    bool on_key(json::string_view part, std::size_t, error_code& stop) {
        add(part);
        auto name = take_text();
        if (!is_storable(name, stop)) {
            return false;
        }
        if (!names_.back().insert(name).second) {
            return refuse("The body names " + name + " twice in one object.", stop);
        }
        if (depth_ == 1) {
            body_.members.emplace(name, std::nullopt);
            member_ = std::move(name);
        }
        return true;
    }

    bool on_string_part(json::string_view part, std::size_t, error_code&) { return add(part); }
    bool on_string(json::string_view part, std::size_t, error_code& stop) {
        add(part);
        auto text = take_text();
        if (!is_storable(text, stop)) {
            return false;
        }
        if (depth_ == 1) {
            body_.members[member_] = std::move(text);
        }
        return true;
    }

    [[nodiscard]] bool is_object() const { return is_object_; }

  private:
    bool left() {
        --depth_;
        return true;
    }
    bool add(json::string_view part) {
        text_.append(part.data(), part.size());
        return true;
    }
    std::string take_text() { return std::exchange(text_, {}); }

    bool is_storable(const std::string& text, error_code& stop) {
        if (text.find('\0') == std::string::npos) {
            return true;
        }
        return refuse("The body holds U+0000, which PostgreSQL cannot store.", stop);
    }
    bool refuse(std::string fault, error_code& stop) {
        fault_ = std::move(fault);
        stop = json::error::syntax;
        return false;
    }

    JsonBody& body_;
    std::string fault_;
    std::string text_;                         ///< of the string that is being read
    std::string member_;                       ///< of the top level, whose value is being read
    std::vector<std::set<std::string>> names_; ///< of each open object
    std::size_t depth_ = 0;
    bool is_object_ = false;
};

} // namespace

std::string_view media_type(const Request& request) {
    const std::string_view content_type = request[field::content_type];
    return trimmed(content_type.substr(0, content_type.find(';')));
}

JsonBody read_json_body(const Request& request) {
    if (!request.body().empty() && !beast::iequals(media_type(request), "application/json")) {
        throw refusal(ErrorKind::unsupported_media_type);
    }
    return read_untyped_json_body(request);
}

JsonBody read_untyped_json_body(const Request& request) {
    JsonBody body;
    if (request.body().empty()) {
        return body;
    }
    if (const auto coding = request.find(field::content_encoding);
        coding != request.end() && !beast::iequals(trimmed(coding->value()), "identity")) {
        throw refusal(ErrorKind::unsupported_media_type, "The body must not be compressed.");
    }
    body.text = request.body();
    json::parse_options options;
    options.max_depth = body_depth;
    json::basic_parser<Reader> parser(options, body);
    error_code failure;
    const auto read = parser.write_some(false, body.text.data(), body.text.size(), failure);
    if (failure == json::error::too_deep) {
        throw invalid_request("The body is nested deeper than " + std::to_string(body_depth) + " levels.");
    }
    if (failure && !parser.handler().fault().empty()) {
        throw invalid_request(parser.handler().fault());
    }
    if (failure || read != body.text.size() || !parser.handler().is_object()) {
        throw invalid_request("The body is not a JSON object.");
    }
    return body;
}

} // namespace pdpp::http
