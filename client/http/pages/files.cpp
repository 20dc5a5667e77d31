// Serving the files that the build has put into the program.

#include "http/pages/files.hpp"

#include "http/syntax/header_list.hpp"
#include "http/wire/errors.hpp"

#include <page_files.hpp>

#include <boost/beast/core/string.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace pdpp::http {

namespace {

/// Whether gzip is named, and not with a quality of nothing. Whoever says `*` gets the file as it is.
bool takes_gzip(const Request& request) {
    const auto accepted = header_list(request, field::accept_encoding);
    if (!accepted) {
        return false;
    }
    return std::ranges::any_of(elements_of(*accepted), [](std::string_view coding) {
        const auto parts = elements_of(coding, ';');
        return !parts.empty() && beast::iequals(parts[0], "gzip") &&
               std::none_of(parts.begin() + 1, parts.end(), [](std::string_view weight) {
                   return weight.size() > 2 && beast::iequals(weight.substr(0, 2), "q=") &&
                          weight.find_first_not_of("0.", 2) == std::string_view::npos;
               });
    });
}

} // namespace

std::string_view path_of_file(std::string_view name) {
    const auto* const found = std::ranges::find(embedded_files, name, &EmbeddedFile::name);
    if (found == std::end(embedded_files)) {
        throw std::logic_error("there is no file " + std::string{name});
    }
    return found->path;
}

Response answer_with_file(const Request& request, std::string_view path) {
    const auto* const file = std::ranges::find(embedded_files, path, &EmbeddedFile::path);
    if (file == std::end(embedded_files)) {
        throw refusal(ErrorKind::no_such_path);
    }
    Response response{status::ok, 11};
    response.set(field::content_type, file->type);
    response.set(field::cache_control, "public, max-age=31536000, immutable");
    response.set(field::vary, "Accept-Encoding");
    response.set("X-Content-Type-Options", "nosniff");
    const bool compressed = takes_gzip(request) && file->compressed.size() < file->content.size();
    if (compressed) {
        response.set(field::content_encoding, "gzip");
    }
    response.body() = compressed ? file->compressed : file->content;
    response.content_length(response.body().size());
    return response;
}

} // namespace pdpp::http
