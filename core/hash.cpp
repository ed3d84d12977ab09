#include "core/hash.h"

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>

#include "core/error.h"

namespace schedbench {

namespace {

class Sha256 {
  public:
    Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
        SCHEDBENCH_ASSERT(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
    }
    void update(const char* data, size_t size) {
        SCHEDBENCH_ASSERT(EVP_DigestUpdate(context_.get(), data, size) == 1);
    }
    std::string hex() {
        std::array<unsigned char, 32> digest{};
        SCHEDBENCH_ASSERT(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
        std::string out;
        for (unsigned char byte : digest) {
            out += "0123456789abcdef"[byte >> 4];
            out += "0123456789abcdef"[byte & 15];
        }
        return out;
    }

  private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes.data(), bytes.size());
    return hash.hex();
}

std::string sha256_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Error("file", "cannot be opened for reading", path);
    Sha256 hash;
    std::string buffer(1 << 20, '\0');
    while (in) {
        in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
        hash.update(buffer.data(), static_cast<size_t>(in.gcount()));
    }
    if (in.bad()) throw Error("file", "reading failed", path);
    return hash.hex();
}

std::string short_hash(std::string_view bytes) {
    return sha256(bytes).substr(0, 16);
}

}  // namespace schedbench
