#pragma once
// JSON as connectors print it when they are careless: where it is not to be mended (text/mended_json), it is looked
// through for what it says it is.

#include <cstddef>
#include <string>
#include <string_view>

namespace pdpp::controller {

/// What the type at the top of a line says it is.
enum class Claim { none, progress, done };

/// `line` from the object on that it begins with; empty if it does not begin with one. Blanks, control characters and
/// byte order marks in front do not count.
std::string_view object_in(std::string_view line);

/// Reads along in a line that begins with an object, of which not everything is kept or which is no JSON, and tells
/// what it claims to be. Fed with the same bytes in whatever pieces, it says the same.
class ClaimScanner {
  public:
    void feed(std::string_view bytes);

    /// What the line says it is, as far as it was fed. The type at the top of
    /// it counts, a DONE before all others. Where strings and brackets do not match, or the line has no type there and
    /// `is_json` is false, whatever looks like `"type": "DONE"` counts, wherever it stands.
    [[nodiscard]] Claim claim(bool is_json) const;

    /// How often the object says its status.
    [[nodiscard]] std::size_t statuses() const noexcept { return statuses_; }

  private:
    void follow_structure(char byte);
    void string_ended();
    void look_for_words(char byte);

    // strings and brackets, as JSON has them
    bool in_string_ = false;
    bool escaped_ = false;
    bool is_value_ = false; ///< behind a colon
    bool is_torn_ = false;  ///< more brackets were closed than opened
    std::size_t depth_ = 0;
    std::string string_; ///< as much of the last one as tells it from the few that matter
    std::string key_;
    bool has_type_ = false;
    Claim claim_ = Claim::none;
    std::size_t statuses_ = 0;

    std::string words_; ///< the last bytes, without blanks and quotes
    Claim words_claim_ = Claim::none;
};

} // namespace pdpp::controller
