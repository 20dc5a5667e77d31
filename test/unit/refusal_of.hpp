#pragma once
// For tests of the gateway's stages: the refusal that an expression ends with.

#include "http/wire/message.hpp"

#include <optional>

template <typename Stage>
std::optional<pdpp::http::Refusal> refusal_of(Stage stage) {
    try {
        stage();
    } catch (const pdpp::http::Refusal& refusal) {
        return refusal;
    }
    return std::nullopt;
}
