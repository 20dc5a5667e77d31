#pragma once
// What pages refer to: the style, the script and the icons, which are in the program.

#include "http/wire/message.hpp"

#include <string_view>

namespace pdpp::http {

/// The path of a file such as `page.css`: it holds a digest of the content, and so never changes what it stands for.
std::string_view path_of_file(std::string_view name);

/// The file at this path, for whoever asks: good for ever, compressed for those who take that. Throws Refusal 404.
Response answer_with_file(const Request& request, std::string_view path);

} // namespace pdpp::http
