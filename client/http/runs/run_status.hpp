#pragma once
// The status of a run, as answers need it: read off its body once, whether that has just come or was kept in memory.

#include <memory>
#include <string>
#include <string_view>

namespace pdpp::http {

/// Views of a body and of its entity tag, which somebody else keeps.
struct RunStatus {
    std::string_view body;
    std::string_view etag;
    std::string_view status; ///< as in the body, such as `active`
    std::string_view trace_id;
    std::string_view timeline_link;

    /// Whether it is the last that the run will ever have.
    [[nodiscard]] bool is_last() const;
};

/// `body`, as PostgreSQL prints it, with its tag.
RunStatus read_status(std::string_view body, std::string_view etag);

/// A status with its text.
class StatusText {
  public:
    explicit StatusText(std::string body);

    [[nodiscard]] const RunStatus& status() const noexcept { return status_; }

    /// The body itself; of status() nothing may be used afterwards.
    std::string take_body() && { return std::move(text_->body); }

  private:
    struct Text {
        std::string body;
        std::string etag;
    };

    std::unique_ptr<Text> text_; ///< where it stays when this is moved
    RunStatus status_;
};

} // namespace pdpp::http
