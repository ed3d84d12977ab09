// Any bytes as an NPZ file.
#include "data/npz.h"
#include "fuzz_target.h"

namespace schedbench::fuzz {

namespace {

/// numpy.savez_compressed(f, a=numpy.arange(64, dtype=numpy.uint8) // 8), without its time stamp.
const char kDeflated[] =
    "504b030414000000080000002100de8d642a59000000c000000005000000612e6e70799bec17ea1b10c9c850c650ad9e925a9c5c"
    "a46ea5a05e536aa8aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a66263a9a3a0ab50ae4032e06"
    "2860840226286086021628608502362860870200504b0102140314000000080000002100de8d642a59000000c000000005000000"
    "0000000000000000800100000000612e6e7079504b05060000000001000100330000007c0000000000";

Bytes from_hex(const std::string& text) {
    Bytes out;
    for (size_t i = 0; i < text.size(); i += 2)
        out.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return out;
}

}  // namespace

std::vector<Bytes> seeds(const std::string& folder) {
    const NpyArray numbers{{2, 3}, std::vector<double>(6, 1.5)}, bytes{{4}, std::vector<uint8_t>(4, 7)};
    const std::vector<std::map<std::string, NpyArray>> files = {
        {{"mu", numbers}, {"labels", bytes}}, {{"arr_0", bytes}}, {}};
    std::vector<Bytes> out = written(folder, files, write_npz);
    out.push_back(from_hex(kDeflated));
    return out;
}

}  // namespace schedbench::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const schedbench::fuzz::MemoryFile file(data, size);
    return schedbench::fuzz::expect_value_or_error([&] {
        schedbench::npz_names(file.path());
        for (const auto& [name, array] : schedbench::read_npz(file.path()))
            if (static_cast<int64_t>(array.as_doubles().size()) != array.count()) std::abort();
    });
}
