// What carries a session: none of it lets anybody in, since nobody knows the password.

#include "http/owner/access.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

using namespace pdpp::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const OwnerAccess owner(std::make_shared<Owner>("a password that nobody knows"), false);
    const std::string text(reinterpret_cast<const char*>(data), size);
    // as the whole value of a header, and as the token in one
    for (const auto& [name, value] : {std::pair{field::cookie, text},
                                      {field::authorization, text},
                                      {field::cookie, "pdpp_owner_session=" + text},
                                      {field::authorization, "Bearer " + text}}) {
        Request request;
        request.set(name, value);
        try {
            owner.check_session(request);
        } catch (const Refusal&) {
            continue;
        }
        __builtin_trap();
    }
    return 0;
}
