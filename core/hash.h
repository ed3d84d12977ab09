// SHA-256 of texts and files, as lower-case hexadecimal.
#pragma once

#include <string>
#include <string_view>

namespace schedbench {

std::string sha256(std::string_view bytes);
std::string sha256_file(const std::string& path);  ///< Error("file") if it cannot be read
/// The first 16 hex digits: the form in which identities name groups in the store.
std::string short_hash(std::string_view bytes);

}  // namespace schedbench
