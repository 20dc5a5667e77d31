#pragma once
// Building and reading jsonb. Values pass through untouched, so numbers keep every digit.

#include "pg.hpp"
#include "run/instant.hpp"

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pdpp::store {

/// `{}`.
Jsonb* empty_object();

/// Writes one jsonb value, depth first: begin_object(), key("a"), value("x"), …, end_object(), finish(). Text is copied
/// by finish(); until then it must stay. The keys of an object are distinct, in any order.
///
/// It puts the server's JsonbValue together itself: with pushJsonbValue() a status takes a twentieth more instructions.
class JsonbWriter {
  public:
    void begin_object() { begin(jbvObject); }
    void end_object();
    void begin_array() { begin(jbvArray); }
    void end_array() { end(); }

    void key(std::string_view name);

    void value(std::string_view text);
    void value(const char* text) { value(std::string_view{text}); }
    void value(run::Instant instant);
    void value(const pg_uuid_t& uuid);
    void value(std::integral auto number) {
        if constexpr (std::same_as<decltype(number), bool>) {
            boolean(number);
        } else {
            integer(number);
        }
    }
    void value(const Jsonb* json); ///< a null pointer is null
    void null();

    template <typename T>
    void value(const std::optional<T>& optional) {
        if (optional) {
            value(*optional);
        } else {
            null();
        }
    }

    /// A key and its value.
    void field(std::string_view name, const auto& content) {
        key(name);
        value(content);
    }

    /// A token, as an iterator over another jsonb yields it.
    void push(JsonbIteratorToken token, const JsonbValue& scalar);

    /// The value, in the current memory context.
    [[nodiscard]] Jsonb* finish() { return JsonbValueToJsonb(&result_); }

  private:
    struct Container; ///< an object or array that has begun and not ended

    void begin(jbvType type);
    void end();
    void add(const JsonbValue& value);
    void boolean(bool truth);
    void integer(std::int64_t number);

    Container* innermost_ = nullptr;
    JsonbValue result_;
};

/// What stands under a key of an object, where it lies; nothing for null, or if there is none.
std::optional<JsonbValue> member(const JsonbContainer* object, std::string_view key);

/// The string under a key of an object; empty if there is none or it is not a string, or it is no object.
std::string_view string_under(const Jsonb* object, std::string_view key);

/// Whatever stands under a key of an object, as a jsonb of its own; null pointer if the key is absent,
/// or it is no object.
Jsonb* value_under(const Jsonb* object, std::string_view key);

} // namespace pdpp::store
