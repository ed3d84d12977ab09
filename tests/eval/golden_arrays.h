// Arrays of types that data/npy.h does not read, hashed words, and the CIFAR-10 image sets of the golden
// metrics.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_file.h"
#include "data/cifar10.h"

namespace schedbench::golden {

/// The elements of a .npy file of version 1.0, whatever its header says of their type.
template <class T>
std::vector<T> raw_npy(const std::filesystem::path& file) {
    const std::vector<uint8_t> bytes = read_bytes(file.string());
    const size_t start = 10 + bytes.at(8) + (size_t{bytes.at(9)} << 8);
    std::vector<T> out((bytes.size() - start) / sizeof(T));
    std::memcpy(out.data(), bytes.data() + start, sizeof(T) * out.size());
    return out;
}

inline at::Tensor row_numbers(const std::filesystem::path& file) {
    const auto rows = raw_npy<int32_t>(file);
    return at::tensor(std::vector<int64_t>(rows.begin(), rows.end()), at::kLong);
}

/// u_i, i = 1, 2, ...: the splitmix64 finaliser of FNV-1a-64(name) + i 0x9E3779B97F4A7C15.
class HashedWords {
  public:
    explicit HashedWords(std::string_view name) {
        for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    }
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

  private:
    uint64_t state_ = 0xcbf29ce484222325;
};

/// Noise added to bytes: the number of thresholds that are <= the top half of word i, less half of them.
inline at::Tensor with_noise(const at::Tensor& pixels, const std::string& name,
                             const std::filesystem::path& thresholds) {
    const auto table = raw_npy<uint32_t>(thresholds);
    const at::Tensor out = pixels.contiguous().clone();
    uint8_t* byte = out.data_ptr<uint8_t>();
    HashedWords words(name);
    const auto half = static_cast<std::ptrdiff_t>(table.size() / 2);
    for (int64_t i = 0; i < out.numel(); ++i) {
        const auto word = static_cast<uint32_t>(words.next() >> 32);
        const auto noise = std::upper_bound(table.begin(), table.end(), word) - table.begin() - half;
        byte[i] = static_cast<uint8_t>(std::clamp<std::ptrdiff_t>(byte[i] + noise, 0, 255));
    }
    return out;
}

/// $SCHEDBENCH_DATA, or the folder beside the source tree; empty where neither holds CIFAR-10.
inline std::string cifar_folder() {
    const char* env = std::getenv("SCHEDBENCH_DATA");
    const std::string data = env && *env ? env : std::string(SCHEDBENCH_SOURCE_DIR) + "/../shared/data";
    return std::filesystem::exists(data + "/cifar-10-batches-bin") ? data : "";
}

/// uint8 [N, 3, 32, 32]: chosen images of a split.
inline at::Tensor cifar_images(const std::string& split, const at::Tensor& rows) {
    const Dataset cifar = read_cifar10(cifar_folder(), split, 0);
    return at::from_blob(const_cast<uint8_t*>(cifar.pixels.data()),
                         {cifar.count, 3, cifar.height, cifar.width}, at::kByte)
        .index_select(0, rows);
}

}  // namespace schedbench::golden
