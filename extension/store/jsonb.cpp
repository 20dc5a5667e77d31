#include "store/jsonb.hpp"

#include "boundary.hpp"

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

/// Finds the value under a key, without a copy. The server's look-up takes whatever it is given for an object.
bool find(const Jsonb* object, std::string_view key, JsonbValue& value) {
    return JB_ROOT_IS_OBJECT(object) &&
           getKeyJsonValueFromContainer(const_cast<JsonbContainer*>(&object->root), key.data(),
                                        static_cast<int>(key.size()), &value) != nullptr;
}

} // namespace

Jsonb* empty_object() {
    return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

void JsonbWriter::push_scalar(JsonbValue& scalar) {
    push(state_.in_array() ? WJB_ELEM : WJB_VALUE, &scalar);
}

void JsonbWriter::key(std::string_view name) {
    JsonbValue value = string_value(name);
    push(WJB_KEY, &value);
}

void JsonbWriter::value(std::string_view text) {
    JsonbValue value = string_value(text);
    push_scalar(value);
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
    if (JB_ROOT_IS_SCALAR(json)) { // which PostgreSQL 13 would take for the array that it is stored as
        JsonbExtractScalar(root, &value);
        push_scalar(value);
        return;
    }
    value.type = jbvBinary;
    value.val.binary.data = root;
    value.val.binary.len = static_cast<int>(VARSIZE(json) - VARHDRSZ);
    push_scalar(value);
}

void JsonbWriter::null() {
    JsonbValue value;
    value.type = jbvNull;
    push_scalar(value);
}

void JsonbWriter::boolean(bool truth) {
    JsonbValue value;
    value.type = jbvBool;
    value.val.boolean = truth;
    push_scalar(value);
}

void JsonbWriter::integer(std::int64_t number) {
    JsonbValue value;
    value.type = jbvNumeric;
    value.val.numeric = DatumGetNumeric(DirectFunctionCall1(int8_numeric, Int64GetDatum(number)));
    push_scalar(value);
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
