#include "data/cifar10.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/error.h"
#include "data/byte_file.h"

namespace schedbench {

namespace {
constexpr int64_t kSide = 32, kChannels = 3, kImage = kChannels * kSide * kSide, kRecord = 1 + kImage;
constexpr const char* kHint =
    "path= is the folder of the CIFAR-10 binary version: data_batch_1.bin to data_batch_5.bin, "
    "test_batch.bin";
}  // namespace

Dataset read_cifar10(const std::string& folder, const std::string& split, int64_t limit) {
    require_folder(folder, kHint);
    std::error_code fault;
    const std::string inner = folder + "/cifar-10-batches-bin";
    const std::string base = std::filesystem::is_directory(inner, fault) ? inner : folder;
    std::vector<std::string> paths;
    if (split == "test")
        paths = {base + "/test_batch.bin"};
    else
        for (int batch = 1; batch <= 5; ++batch)
            paths.push_back(base + "/data_batch_" + std::to_string(batch) + ".bin");

    std::vector<int64_t> records;
    for (const std::string& path : paths) {
        const int64_t size = static_cast<int64_t>(regular_file_size(path, kHint));
        if (size == 0)
            throw Error("file", "is empty, expected records of 3073 bytes", at_byte(path, 0), kHint);
        if (size % kRecord != 0)
            throw Error("file",
                        "record " + std::to_string(size / kRecord) + " has only " +
                            std::to_string(size % kRecord) + " of its 3073 bytes",
                        at_byte(path, static_cast<uint64_t>(size - size % kRecord)),
                        "the file is cut short, or not the binary version of CIFAR-10");
        records.push_back(size / kRecord);
        if (records.back() != records.front())
            throw Error("file",
                        "holds " + std::to_string(records.back()) + " records, but " + paths.front() +
                            " holds " + std::to_string(records.front()),
                        at_byte(path, static_cast<uint64_t>(size)),
                        "the batches of CIFAR-10 are equally long: fetch the shorter again");
    }

    Dataset out;
    out.channels = kChannels;
    out.height = out.width = kSide;
    out.classes = 10;
    out.count = records.front() * static_cast<int64_t>(records.size());
    if (limit > 0) out.count = std::min(limit, out.count);
    out.pixels.resize(static_cast<size_t>(out.count * kImage));
    out.labels.reserve(static_cast<size_t>(out.count));
    for (const std::string& path : paths) {
        const int64_t first = static_cast<int64_t>(out.labels.size());
        const int64_t wanted = std::min(records.front(), out.count - first);
        if (wanted == 0) break;
        std::vector<uint8_t> bytes(static_cast<size_t>(wanted * kRecord));
        read_bytes(path, 0, bytes);
        for (int64_t i = 0; i < wanted; ++i) {
            const uint8_t* record = bytes.data() + i * kRecord;
            if (record[0] >= out.classes)
                throw Error("file",
                            "the label of record " + std::to_string(i) + " is " + std::to_string(record[0]) +
                                ", expected 0 to 9",
                            at_byte(path, static_cast<uint64_t>(i * kRecord)),
                            "this is not the binary version of CIFAR-10");
            out.labels.push_back(record[0]);
            std::copy_n(record + 1, kImage, out.pixels.data() + (first + i) * kImage);
        }
    }
    return out;
}

}  // namespace schedbench
