// Runs the built program as a user does: through a shell, in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace schedbench::cli {

struct Result {
    int code = -1;
    std::string out, err;
    nlohmann::json json() const { return nlohmann::json::parse(out); }
    std::vector<std::string> error_lines() const {
        std::vector<std::string> lines;
        std::istringstream in(err);
        for (std::string line; std::getline(in, line);) lines.push_back(line);
        return lines;
    }
};

inline std::string read_text(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// A folder that goes when the test ends; commands run in it.
class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "schedbench-cli-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string path(const std::string& name) const { return (path_ / name).string(); }
    const std::filesystem::path& root() const { return path_; }

    /// `line` is the command line after the program's name, in shell syntax.
    Result run(const std::string& line, const std::string& in = "") const {
        const std::string folder = in.empty() ? path_.string() : in;
        const std::string command =
            "cd '" + folder + "' && SCHEDBENCH_THREADS=1 SCHEDBENCH_CACHE=none '" SCHEDBENCH_PROGRAM "' " +
            line + " >'" + path("stdout") + "' 2>'" + path("stderr") + "'";
        const int status = std::system(command.c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(path("stdout")),
                read_text(path("stderr"))};
    }
    /// run() that must succeed.
    Result ok(const std::string& line, const std::string& in = "") const {
        const Result result = run(line, in);
        EXPECT_EQ(result.code, 0) << line << "\n" << result.err;
        return result;
    }

    /// run() that must fail, with one line that says why.
    Result fails(const std::string& line) const {
        const Result result = run(line);
        EXPECT_GT(result.code, 0) << line;
        return result;
    }

  private:
    std::filesystem::path path_;
};

inline std::vector<std::string> keys(const nlohmann::json& object) {
    std::vector<std::string> out;
    for (const auto& [key, value] : object.items()) out.push_back(key);
    return out;  // nlohmann's objects are sorted
}

/// All numbers of an array, NaN for null.
inline std::vector<double> numbers(const nlohmann::json& array) {
    std::vector<double> out;
    for (const auto& value : array) out.push_back(value.is_null() ? std::nan("") : value.get<double>());
    return out;
}

}  // namespace schedbench::cli
