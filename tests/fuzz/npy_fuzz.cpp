// Any bytes as an NPY file.
#include "data/npy.h"
#include "fuzz_target.h"

namespace schedbench::fuzz {

std::vector<Bytes> seeds(const std::string& folder) {
    const std::vector<NpyArray> arrays = {{{2, 3}, std::vector<float>(6, 1.5f)},
                                          {{}, std::vector<double>{3}},
                                          {{4}, std::vector<int64_t>{1, -2, 3, 4}},
                                          {{2, 2, 2, 1}, std::vector<uint8_t>(8, 7)},
                                          {{0, 5}, std::vector<float>{}}};
    return written(folder, arrays, write_npy);
}

}  // namespace schedbench::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const schedbench::fuzz::MemoryFile file(data, size);
    return schedbench::fuzz::expect_value_or_error([&] {
        const schedbench::NpyArray array = schedbench::read_npy(file.path());
        if (static_cast<int64_t>(array.as_doubles().size()) != array.count()) std::abort();
    });
}
