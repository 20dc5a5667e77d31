#include "pq/sha256.hpp"

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

namespace pdpp::pq {

namespace {

struct FreeDigest {
    void operator()(EVP_MD* algorithm) const noexcept { EVP_MD_free(algorithm); }
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

} // namespace

std::array<unsigned char, 32> sha256(std::string_view text) {
    thread_local const std::unique_ptr<EVP_MD, FreeDigest> algorithm{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    thread_local const std::unique_ptr<EVP_MD_CTX, FreeDigest> context{EVP_MD_CTX_new()};
    std::array<unsigned char, 32> digest{};
    if (!algorithm || !context || EVP_DigestInit_ex2(context.get(), algorithm.get(), nullptr) != 1 ||
        EVP_DigestUpdate(context.get(), text.data(), text.size()) != 1 ||
        EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
        throw std::runtime_error("SHA-256 cannot be computed");
    }
    return digest;
}

} // namespace pdpp::pq
