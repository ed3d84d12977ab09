// Drives a fuzz target without libFuzzer: every seed as it is, then random mutations of them.
//     fuzz_NAME [RUNS [SEED]] [FILE...]     with files: these alone, as they are (to repeat a finding)
// The bytes of each run are first written into the file `last` of a temporary folder (NAME-PROCESS), which a
// run that ends the program leaves behind.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include "fuzz_target.h"

namespace {

using schedbench::fuzz::Bytes;

class Mutator {
  public:
    Mutator(const std::vector<Bytes>& seeds, uint64_t seed) : seeds_(seeds), random_(seed) {}

    Bytes next() {
        Bytes bytes = seeds_[below(seeds_.size())];
        for (size_t n = 1 + below(4); n > 0; --n) change(bytes);
        return bytes;
    }

  private:
    size_t below(size_t n) { return static_cast<size_t>(random_() % n); }

    void change(Bytes& bytes) {
        static const char* const kWords[] = {"-1",
                                             "0",
                                             "18446744073709551615",
                                             "9223372036854775807",
                                             "1e400",
                                             "null",
                                             "[]",
                                             "{}",
                                             "F64",
                                             "BOOL",
                                             "\"\"",
                                             "\\u0000",
                                             ",",
                                             "<f8",
                                             "|O",
                                             "(1,)",
                                             "True",
                                             "4294967296",
                                             "\n",
                                             "\xff",
                                             "__metadata__"};
        if (bytes.empty()) bytes.push_back(0);
        const size_t at = below(bytes.size());
        const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        switch (below(8)) {
            case 0:
                *place ^= static_cast<uint8_t>(1u << below(8));
                break;
            case 1:
                *place = static_cast<uint8_t>(below(256));
                break;
            case 2:
                bytes.resize(at);
                break;
            case 3: {  // a block again, elsewhere
                const Bytes block(place, place + static_cast<std::ptrdiff_t>(
                                                     std::min<size_t>(1 + below(64), bytes.size() - at)));
                bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())), block.begin(),
                             block.end());
                break;
            }
            case 4:
                bytes.erase(place, place + static_cast<std::ptrdiff_t>(
                                               std::min<size_t>(1 + below(32), bytes.size() - at)));
                break;
            case 5: {  // a word of the formats, over what stands there
                const std::string word = kWords[below(std::size(kWords))];
                for (size_t i = 0; i < word.size() && at + i < bytes.size(); ++i)
                    bytes[at + i] = static_cast<uint8_t>(word[i]);
                break;
            }
            case 6: {  // a length
                const uint64_t value = below(2) ? random_() >> below(64) : bytes.size() + below(9) - 4;
                for (size_t i = 0; i < 8 && at + i < bytes.size(); ++i)
                    bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
                break;
            }
            default: {  // a digit
                size_t i = at;
                while (i < bytes.size() && (bytes[i] < '0' || bytes[i] > '9')) ++i;
                if (i < bytes.size()) bytes[i] = static_cast<uint8_t>('0' + below(10));
            }
        }
    }

    const std::vector<Bytes>& seeds_;
    std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
    uint64_t numbers[2] = {10000, 1};
    int numbers_given = 0;
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (numbers_given < 2 && files.empty() && word.find_first_not_of("0123456789") == std::string::npos)
            numbers[numbers_given++] = std::stoull(word);
        else
            files.push_back(word);
    }
    const std::string name = std::filesystem::path(argv[0]).filename().string();
    for (const std::string& file : files) {
        std::ifstream in(file, std::ios::binary);
        const Bytes bytes{std::istreambuf_iterator<char>(in), {}};
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    if (!files.empty()) return 0;

    const auto folder = std::filesystem::temp_directory_path() / (name + "-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const std::vector<Bytes> seeds = schedbench::fuzz::seeds(folder.string());
    Mutator mutator(seeds, numbers[1]);
    for (uint64_t run = 0; run < seeds.size() + numbers[0]; ++run) {
        const Bytes bytes = run < seeds.size() ? seeds[run] : mutator.next();
        std::ofstream(folder / "last", std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::filesystem::remove_all(folder);
    std::cout << name << ": " << seeds.size() << " files and " << numbers[0] << " mutations of them, seed "
              << numbers[1] << "\n";
    return 0;
}
