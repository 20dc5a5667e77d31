#pragma once
// JSON as connectors print it when they are careless: where it is not to be mended (text/mended_json), it is looked
// through for what it says it is.

#include <cstddef>
#include <string>
#include <string_view>

namespace pdpp::controller {

/// What the type at the top of a line says it is.
enum class Claim { none, progress, done };

/// `line` from the object on that it begins with; empty if it does not begin with one. What is not seen in front does
/// not count: blanks, control characters and sequences, byte order marks, and what a carriage return overwrites.
std::string_view object_in(std::string_view line);

/// Reads along in a line of which not everything is kept or which is no JSON, and tells what it claims to be. Escapes
/// are read as what they stand for. Fed with the same bytes in whatever pieces, it says the same.
class ClaimScanner {
  public:
    /// What looks like a type where strings and brackets do not match: `"type":"DONE"` alone, as in other text, or also
    /// `'type': 'DONE'`, `type:DONE` and `\"type\":\"DONE\"`, as in a line that begins with an object.
    enum class Words { quoted, any };

    explicit ClaimScanner(Words words) : words_wanted_(words) {}

    void feed(std::string_view bytes);

    /// What the line says it is, as far as it was fed. The type at the top of an object counts, or beside all objects;
    /// a DONE before all others. Where strings and brackets do not match, whatever looks like a type counts, wherever
    /// it stands; and so it does in a line that begins with an object, has no type there, and of which `is_json` is
    /// false.
    [[nodiscard]] Claim claim(bool is_json) const;

    /// How often the object says its status.
    [[nodiscard]] std::size_t statuses() const noexcept { return statuses_; }
    /// How often it says its type, as a string.
    [[nodiscard]] std::size_t types() const noexcept { return types_; }

  private:
    void decode(char byte);
    void look_at(char character, bool is_escaped);
    void follow_structure(char character, bool is_escaped);
    void string_ended();
    void look_for_words(char character, bool is_escaped);

    bool is_escape_ = false; ///< within one
    std::string escape_;     ///< `u` and its digits

    // strings and brackets, as JSON has them
    bool in_string_ = false;
    bool is_value_ = false; ///< behind a colon
    bool is_torn_ = false;  ///< brackets do not match
    std::size_t braces_ = 0;
    std::size_t brackets_ = 0; ///< within braces
    std::string string_;       ///< as much of the last one as tells it from the few that matter
    std::string key_;
    Claim claim_ = Claim::none;
    std::size_t types_ = 0;
    std::size_t statuses_ = 0;

    Words words_wanted_;
    std::string words_; ///< the last characters, without blanks
    Claim words_claim_ = Claim::none;
};

} // namespace pdpp::controller
