// Golden files: tests read every file of a kind that they find, and say how many cases they checked.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace schedbench::golden {

/// $SCHEDBENCH_GOLDEN, or tests/golden of the source tree.
inline std::filesystem::path root() {
    const char* env = std::getenv("SCHEDBENCH_GOLDEN");
    return env && *env ? std::filesystem::path(env)
                       : std::filesystem::path(SCHEDBENCH_SOURCE_DIR) / "tests" / "golden";
}

/// Files below root()/folder whose names end in `suffix`, sorted.
inline std::vector<std::filesystem::path> files(const std::string& folder, const std::string& suffix) {
    std::vector<std::filesystem::path> out;
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(root() / folder, code)) {
        const std::string name = entry.path().filename().string();
        if (name.size() >= suffix.size() &&
            name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0)
            out.push_back(entry.path());
    }
    std::sort(out.begin(), out.end());
    return out;
}

/// Counts cases and keeps the worst difference relative to its tolerance; report() prints the line and fails
/// on none.
class Tally {
  public:
    explicit Tally(std::string kind) : kind_(std::move(kind)) {}
    void add(double difference, double tolerance, const std::string& what) {
        ++cases_;
        if (!(difference <= tolerance))
            ADD_FAILURE() << kind_ << ": " << what << ": difference " << difference << " above tolerance "
                          << tolerance;
        if (cases_ == 1 || !(difference / tolerance <= worst_ / worst_tolerance_))
            worst_ = difference, worst_tolerance_ = tolerance;
    }
    void report() const {
        std::printf("golden: %s: %d cases checked, worst %.3g (tolerance %.3g)\n", kind_.c_str(), cases_,
                    worst_, worst_tolerance_);
        EXPECT_GT(cases_, 0) << "no golden case of kind " << kind_ << " below " << root();
    }

  private:
    std::string kind_;
    int cases_ = 0;
    double worst_ = 0, worst_tolerance_ = 1;
};

}  // namespace schedbench::golden
