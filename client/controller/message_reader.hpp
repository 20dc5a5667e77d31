#pragma once
// A connector's standard output, from bytes to messages. A message is a line, or several that are one JSON text.

#include "controller/connector_output.hpp"

#include <boost/json/stream_parser.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pdpp::controller {

/// Lines that may be one JSON text, the first of which ends within an object.
class OpenText {
  public:
    explicit OpenText(std::string_view first_line);

    /// False if the text with this line is no JSON, or too long: then it was not added.
    bool add(std::string_view line);

    [[nodiscard]] bool is_complete() const { return parser_.done(); }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// What was added, line by line.
    void each_line(const std::function<void(std::string_view)>& use) const;

  private:
    bool parse(std::string_view piece);

    std::string text_;
    std::vector<std::size_t> ends_; ///< of its lines
    bool in_string_ = false;
    boost::json::stream_parser parser_;
};

class MessageReader {
  public:
    using Use = std::function<void(ConnectorMessage)>;

    explicit MessageReader(std::size_t limit = line_limit) : lines_(limit) {}

    /// Calls `use` for each message that `bytes` completes. Pieces of whatever size give the same messages.
    void feed(std::string_view bytes, const Use& use);

    /// The stream has ended.
    void finish(const Use& use);

  private:
    void read(const Line& line, const Use& use);
    void close(const Use& use);

    LineSplitter lines_;
    std::optional<OpenText> open_;
};

} // namespace pdpp::controller
