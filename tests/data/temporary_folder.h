// A folder for damaged files, removed at the end of the test; and the text of the error that reading one
// gives.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"

namespace schedbench {

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "schedbench-test-XXXXXX").string();
        EXPECT_NE(mkdtemp(name.data()), nullptr);
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    std::string write(const std::string& name, const std::vector<uint8_t>& bytes) const {
        std::ofstream out(file(name), std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return file(name);
    }

  private:
    std::string path_;
};

inline std::vector<uint8_t> bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Runs `work`, which must throw Error(kind), and checks that its one line holds each of `parts`.
template <class Work>
void expect_error(const std::string& kind, const std::vector<std::string>& parts, Work&& work) {
    try {
        work();
    } catch (const Error& e) {
        const std::string line = e.what();
        EXPECT_EQ(e.kind(), kind) << line;
        EXPECT_EQ(line.find('\n'), std::string::npos) << line;
        for (const std::string& part : parts)
            EXPECT_NE(line.find(part), std::string::npos) << "no \"" << part << "\" in: " << line;
        return;
    }
    ADD_FAILURE() << "no error, expected one with \"" << (parts.empty() ? kind : parts.front()) << "\"";
}

}  // namespace schedbench
