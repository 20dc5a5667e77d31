#include "store/jsonb.hpp"

#include "boundary.hpp"

#include <algorithm>
#include <span>

namespace pdpp::store {

namespace {

/// The writer and the server's jsonb code only read through these pointers.
char* mutable_bytes(std::string_view text) {
    return const_cast<char*>(text.data());
}

JsonbValue string_value(std::string_view text) {
    JsonbValue value;
    value.type = jbvString;
    value.val.string.val = mutable_bytes(text);
    value.val.string.len = static_cast<int>(text.size());
    return value;
}

std::string_view copied(std::string_view text) {
    auto* bytes = static_cast<char*>(palloc(text.size() + 1));
    memcpy(bytes, text.data(), text.size());
    return {bytes, text.size()};
}

/// Finds the value under a key, without a copy.
bool find(const JsonbContainer* object, std::string_view key, JsonbValue& value) {
    return getKeyJsonValueFromContainer(const_cast<JsonbContainer*>(object), key.data(), static_cast<int>(key.size()),
                                        &value) != nullptr;
}

/// The same. The server's look-up takes whatever it is given for an object.
bool find(const Jsonb* object, std::string_view key, JsonbValue& value) {
    return JB_ROOT_IS_OBJECT(object) && find(&object->root, key, value);
}

} // namespace

Jsonb* empty_object() {
    return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

struct JsonbWriter::Container {
    JsonbValue value; ///< its members lie in an array that has room for `capacity`
    int capacity;
    Container* outer;
};

namespace {

/// The order in which jsonb keeps the members of an object: shorter keys first, then by their bytes.
bool is_before(const JsonbPair& left, const JsonbPair& right) {
    const auto& one = left.key.val.string;
    const auto& other = right.key.val.string;
    return one.len != other.len ? one.len < other.len
                                : memcmp(one.val, other.val, static_cast<std::size_t>(one.len)) < 0;
}

/// Room for one more member, twice as much when it is used up.
template <typename Member>
Member& next(Member*& members, int& count, int& capacity) {
    if (count == capacity) {
        capacity *= 2;
        members = static_cast<Member*>(repalloc(members, sizeof(Member) * static_cast<std::size_t>(capacity)));
    }
    return members[count++];
}

} // namespace

void JsonbWriter::begin(jbvType type) {
    const int at_first =
        innermost_ == nullptr ? 20 : 4; // as many as a status has; what is nested may be many and small
    auto* container = static_cast<Container*>(palloc(sizeof(Container)));
    container->value.type = type;
    container->capacity = at_first;
    container->outer = innermost_;
    if (type == jbvObject) {
        container->value.val.object.nPairs = 0;
        container->value.val.object.pairs =
            static_cast<JsonbPair*>(palloc(sizeof(JsonbPair) * static_cast<std::size_t>(at_first)));
    } else {
        container->value.val.array.nElems = 0;
        container->value.val.array.rawScalar = false;
        container->value.val.array.elems =
            static_cast<JsonbValue*>(palloc(sizeof(JsonbValue) * static_cast<std::size_t>(at_first)));
    }
    innermost_ = container;
}

void JsonbWriter::end_object() {
    const auto& object = innermost_->value.val.object;
    const std::span pairs{object.pairs, static_cast<std::size_t>(object.nPairs)};
    if (!std::ranges::is_sorted(pairs, is_before)) {
        std::ranges::sort(pairs, is_before);
    }
    end();
}

void JsonbWriter::end() {
    const Container& ended = *innermost_;
    innermost_ = ended.outer;
    if (innermost_ == nullptr) {
        result_ = ended.value;
    } else {
        add(ended.value);
    }
}

void JsonbWriter::add(const JsonbValue& value) {
    JsonbValue& container = innermost_->value;
    if (container.type == jbvArray) {
        auto& array = container.val.array;
        next(array.elems, array.nElems, innermost_->capacity) = value;
        return;
    }
    const auto& object = container.val.object;
    object.pairs[object.nPairs - 1].value = value; // its key has come before
}

void JsonbWriter::push(JsonbIteratorToken token, const JsonbValue& scalar) {
    switch (token) {
    case WJB_BEGIN_OBJECT:
        return begin_object();
    case WJB_END_OBJECT:
        return end_object();
    case WJB_BEGIN_ARRAY:
        return begin_array();
    case WJB_END_ARRAY:
        return end_array();
    case WJB_KEY:
        return key({scalar.val.string.val, static_cast<std::size_t>(scalar.val.string.len)});
    default:
        return add(scalar);
    }
}

void JsonbWriter::key(std::string_view name) {
    auto& object = innermost_->value.val.object;
    JsonbPair& pair = next(object.pairs, object.nPairs, innermost_->capacity);
    pair.key = string_value(name);
    pair.order = static_cast<uint32>(object.nPairs);
}

void JsonbWriter::value(std::string_view text) {
    add(string_value(text));
}

void JsonbWriter::value(run::Instant instant) {
    // finish() reads the text, and the formatted one would be gone by then
    value(copied(run::rfc3339(instant).view()));
}

void JsonbWriter::value(const pg_uuid_t& uuid) {
    value(std::string_view{DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&uuid)))});
}

void JsonbWriter::value(const Jsonb* json) {
    if (json == nullptr) {
        null();
        return;
    }
    auto* root = const_cast<JsonbContainer*>(&json->root);
    JsonbValue value;
    if (JB_ROOT_IS_SCALAR(json)) { // kept as an array of it alone
        JsonbExtractScalar(root, &value);
        add(value);
        return;
    }
    JsonbIterator* iterator = JsonbIteratorInit(root);
    for (JsonbIteratorToken token = WJB_DONE; (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE;) {
        push(token, value);
    }
}

void JsonbWriter::null() {
    JsonbValue value;
    value.type = jbvNull;
    add(value);
}

void JsonbWriter::boolean(bool truth) {
    JsonbValue value;
    value.type = jbvBool;
    value.val.boolean = truth;
    add(value);
}

void JsonbWriter::integer(std::int64_t number) {
    JsonbValue value;
    value.type = jbvNumeric;
    value.val.numeric = DatumGetNumeric(DirectFunctionCall1(int8_numeric, Int64GetDatum(number)));
    add(value);
}

std::optional<JsonbValue> member(const JsonbContainer* object, std::string_view key) {
    JsonbValue value;
    return find(object, key, value) && value.type != jbvNull ? std::optional(value) : std::nullopt;
}

std::string_view string_under(const Jsonb* object, std::string_view key) {
    JsonbValue value;
    if (!find(object, key, value) || value.type != jbvString) {
        return {};
    }
    return {value.val.string.val, static_cast<std::size_t>(value.val.string.len)};
}

Jsonb* value_under(const Jsonb* object, std::string_view key) {
    JsonbValue value;
    return find(object, key, value) ? JsonbValueToJsonb(&value) : nullptr;
}

} // namespace pdpp::store
