// Counts against bench/baseline.json:
//
//     "exact"   must be equal
//     "at_most" must not be exceeded (they may differ with the version of a library)
//
// SCHEDBENCH_WRITE_BASELINE=1 writes the exact counts of now into the file, and the difference shows in the commit;
// the others are set by hand.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace schedbench::baseline {

using nlohmann::json;

inline const std::string kBaseline = std::string(SCHEDBENCH_SOURCE_DIR) + "/bench/baseline.json";

inline json read_baseline() {
    std::ifstream in(kBaseline);
    return json::parse(in);
}

/// Compares a section leaf by leaf, so that the message names what moved.
inline void compare(const std::string& kind, const std::string& section, const json& counted) {
    if (kind == "exact" && std::getenv("SCHEDBENCH_WRITE_BASELINE")) {
        json baseline = read_baseline();
        baseline[kind][section] = counted;
        std::ofstream(kBaseline) << baseline.dump(2) << "\n";
        return;
    }
    const json baseline = read_baseline();
    ASSERT_TRUE(baseline.contains(kind) && baseline[kind].contains(section)) << kBaseline << " has no " << kind << "." << section;
    const json expected = baseline[kind][section].flatten(), found = counted.flatten();
    for (const auto& [key, value] : expected.items()) {
        ASSERT_TRUE(found.contains(key)) << section << key << " is no longer counted";
        if (kind == "exact")
            EXPECT_EQ(found[key], value) << section << key;
        else
            EXPECT_LE(found[key].get<double>(), value.get<double>()) << section << key;
    }
    for (const auto& [key, value] : found.items())
        if (!expected.contains(key)) std::printf("counts: %s%s = %s is not in the baseline\n", section.c_str(), key.c_str(), value.dump().c_str());
}

}  // namespace schedbench::baseline
