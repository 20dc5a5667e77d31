#include "controller/message_reader.hpp"

#include "text/mended_json.hpp"

#include <boost/system/error_code.hpp>

#include <algorithm>
#include <utility>

namespace pdpp::controller {

namespace json = boost::json;

namespace {

void pass_on(ConnectorMessage message, const MessageReader::Use& use) {
    if (!std::holds_alternative<std::monostate>(message)) {
        use(std::move(message));
    }
}

} // namespace

OpenText::OpenText(std::string_view first_line)
    : text_(first_line), ends_{first_line.size()}, parser_({}, parse_options()) {
    const auto object = object_in(first_line);
    std::string_view rest = object.empty() ? first_line : object;
    rest.remove_prefix(std::min(rest.find('{'), rest.size()));
    // in a line of other text there may be whole objects before the one that is open
    const auto mended = mended_json(rest, in_string_);
    for (rest = mended; !rest.empty(); rest.remove_prefix(std::min(rest.find('{'), rest.size()))) {
        boost::system::error_code error;
        parser_.reset();
        rest.remove_prefix(parser_.write_some(rest, error));
        if (error) {
            break;
        }
    }
    parse("\n");
}

bool OpenText::parse(std::string_view piece) {
    const auto mended = mended_json(piece, in_string_);
    boost::system::error_code error;
    parser_.write_some(mended, error);
    return !error;
}

bool OpenText::add(std::string_view line) {
    if (text_.size() + line.size() >= line_limit || !parse(line) || (!is_complete() && !parse("\n"))) {
        return false;
    }
    text_ += '\n';
    text_ += line;
    ends_.push_back(text_.size());
    return true;
}

void OpenText::each_line(const std::function<void(std::string_view)>& use) const {
    std::size_t start = 0;
    for (const auto end : ends_) {
        use(std::string_view(text_).substr(start, end - start));
        start = end + 1;
    }
}

void MessageReader::feed(std::string_view bytes, const Use& use) {
    lines_.feed(bytes, [&](const Line& line) { read(line, use); });
}

void MessageReader::finish(const Use& use) {
    lines_.finish([&](const Line& line) { read(line, use); });
    close(use);
}

void MessageReader::read(const Line& line, const Use& use) {
    if (open_ && !line.is_too_long && open_->add(line.text)) {
        if (open_->is_complete()) {
            pass_on(read_line({.text = open_->text()}).message, use);
            open_.reset();
        }
        return;
    }
    close(use);
    auto reading = read_line(line);
    if (reading.is_open) {
        open_.emplace(line.text);
    } else {
        pass_on(std::move(reading.message), use);
    }
}

/// What was open is no JSON, or never ended: each of its lines counts for itself.
void MessageReader::close(const Use& use) {
    if (open_) {
        open_->each_line([&](std::string_view line) { pass_on(read_line({.text = line}).message, use); });
        open_.reset();
    }
}

} // namespace pdpp::controller
