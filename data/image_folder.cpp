#include "data/image_folder.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/byte_file.h"
#include "data/image_file.h"

namespace schedbench {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// The digits from `at` on, without leading zeros.
std::string digits_at(const std::string& text, size_t& at) {
    const size_t first = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    const size_t start = std::min(text.find_first_not_of('0', first), at);
    return text.substr(start, at - start);
}

bool is_image_name(const std::filesystem::path& path) {
    std::string extension = path.extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

}  // namespace

bool natural_less(const std::string& a, const std::string& b) {
    size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (is_digit(a[i]) && is_digit(b[j])) {
            const std::string x = digits_at(a, i), y = digits_at(b, j);
            if (x.size() != y.size()) return x.size() < y.size();
            if (x != y) return x < y;
        } else {
            if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
            ++i, ++j;
        }
    }
    if (i < a.size() || j < b.size()) return i == a.size();
    return a < b;  // equal but for leading zeros
}

std::vector<std::string> list_images(const std::string& folder) {
    require_folder(folder);
    std::vector<std::string> names;
    std::error_code fault;
    std::filesystem::directory_iterator it(folder, fault);
    for (; !fault && it != std::filesystem::directory_iterator(); it.increment(fault))
        if (is_image_name(it->path()) && !it->is_directory(fault))
            names.push_back(it->path().filename().string());
    if (fault) throw Error("file", "cannot be listed: " + fault.message(), folder);
    if (names.empty())
        throw Error("file", "holds no .png, .jpg or .jpeg file", folder, "sub-folders are not searched");
    std::sort(names.begin(), names.end(), natural_less);
    return names;
}

Dataset read_image_folder(const std::string& folder, int64_t size, bool gray, int64_t limit) {
    std::vector<std::string> names = list_images(folder);
    if (limit > 0 && limit < static_cast<int64_t>(names.size())) names.resize(static_cast<size_t>(limit));
    Dataset out;
    out.count = static_cast<int64_t>(names.size());
    out.channels = gray ? 1 : 3;
    out.height = out.width = size;
    out.pixels.reserve(static_cast<size_t>(out.count * out.image_size()));
    for (const std::string& name : names) {
        const Image image = crop_and_resize(read_image(folder + "/" + name, gray), size);
        out.pixels.insert(out.pixels.end(), image.pixels.begin(), image.pixels.end());
    }
    return out;
}

}  // namespace schedbench
