// Checks of the Frechet distance, its parts, its bias, its error and paired differences against a golden
// file, for sets of features from anywhere.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "eval/comparison.h"
#include "eval/frechet.h"
#include "golden.h"

namespace schedbench::golden {

struct FeatureSets {
    nlohmann::json values;                                ///< of the file
    std::function<at::Tensor(const std::string&)> array;  ///< a set by its name
    std::string prefix;                                   ///< for messages
    double tolerance = 1e-9;                              ///< relative
    int64_t largest_jackknife = std::numeric_limits<int64_t>::max();
};

inline double relative(double value, double expected) {
    return std::abs(value - expected) / std::abs(expected);
}

/// "generated_<set>_reference_<set>"
inline void check_pair(const FeatureSets& c, const std::string& key, const nlohmann::json& expected,
                       golden::Tally& tally) {
    std::smatch names;
    if (!std::regex_match(key, names, std::regex("generated_(\\w+)_reference_(\\w+)"))) return;
    const at::Tensor x = c.array(names[1]);
    const auto reference = FrechetReference::of_features(c.array(names[2]));
    const auto check = [&](double value, const nlohmann::json& want, const std::string& what) {
        tally.add(relative(value, want.get<double>()), c.tolerance, c.prefix + key + " " + what);
    };
    // Sums of terms of the order of 1 that may cancel.
    const auto check_influence = [&](double value, double want, const std::string& what) {
        tally.add(std::abs(value - want) / std::max(std::abs(want), 0.1), c.tolerance,
                  c.prefix + key + " " + what);
    };
    const auto fourth = frechet(x, reference);
    const auto exact = frechet(x, reference, {"fd", ReferenceRole::exact});
    const auto gaussian = frechet(x, reference, {"fd", ReferenceRole::sampled, DebiasMethod::gaussian});
    const auto gaussian_exact = frechet(x, reference, {"fd", ReferenceRole::exact, DebiasMethod::gaussian});
    check(fourth.at_n.value, expected.at("fid_exact"), "value");
    const nlohmann::json& parts = expected.at("parts");
    check(fourth.parts.mean_term, parts.at("mean_term"), "mean term");
    check(fourth.parts.trace1, parts.at("trace_1"), "trace 1");
    check(fourth.parts.trace2, parts.at("trace_2"), "trace 2");
    check(fourth.parts.root_trace, parts.at("S"), "S");
    check(fourth.parts.harmonic_sum(), parts.at("H"), "H");
    for (size_t i = 0; i < expected.at("phi_first4").size(); ++i) {
        check_influence(fourth.influence[i], expected.at("phi_first4")[i], "phi");
        check_influence(fourth.influence_ref[i], expected.at("psi_first4")[i], "psi");
    }
    for (const auto& [name, values] : expected.items()) {
        if (name.rfind("m_", 0) == 0) {
            const bool inf = name == "m_inf";
            if (!inf) {
                ASSERT_EQ(std::stoll(name.substr(2)), reference.moments.n);
            }
            const auto& f = inf ? exact : fourth;
            const auto& g = inf ? gaussian_exact : gaussian;
            check(g.bias.total(), values.at("bias"), name + " Gaussian bias");
            check(g.debiased.value, values.at("debiased"), name + " Gaussian debiased");
            check(f.bias.total(), values.at("bias_fourth_moment"), name + " fourth-moment bias");
            check(f.debiased.value, values.at("debiased_fourth_moment"), name + " fourth-moment debiased");
            check(f.at_n.se, values.at("influence_se"), name + " influence SE");
        }
        std::smatch blocks;
        if (std::regex_match(name, blocks, std::regex("jackknife_(delete_1|(\\d+)_blocks)_generated_only"))) {
            const int64_t count = blocks[2].matched ? std::stoll(blocks[2]) : x.size(0);
            if (count > c.largest_jackknife) {
                std::printf("%s: not checked, takes long (SCHEDBENCH_GOLDEN_ALL)\n", name.c_str());
                continue;
            }
            const auto jackknife = frechet_jackknife(x, reference, count);
            check(jackknife.debiased, values.at("debiased"), name + " debiased");
            check(jackknife.se, values.at("se"), name + " SE");
            if (values.contains("leave_one_block_out")) {
                for (size_t g = 0; g < jackknife.left_out.size(); ++g)
                    check(jackknife.left_out[g], values.at("leave_one_block_out")[g], name + " one left out");
            }
        }
    }
}

/// "paired_<set>_minus_<set>"
inline void check_paired(const FeatureSets& c, const std::string& key, const nlohmann::json& expected,
                         golden::Tally& tally) {
    std::smatch names;
    if (!std::regex_match(key, names, std::regex("paired_(\\w+)_minus_(\\w+)"))) return;
    for (const auto& [pair_key, ignored] : c.values.items()) {
        std::smatch pair;
        if (!std::regex_match(pair_key, pair, std::regex("generated_(\\w+)_reference_(\\w+)")) ||
            pair[1] != names[1])
            continue;
        const auto reference = FrechetReference::of_features(c.array(pair[2]));
        for (const auto& [name, values] : expected.items()) {
            std::smatch count;
            if (!std::regex_match(name, count, std::regex("jackknife_(\\d+)"))) continue;
            const auto a = frechet_jackknife(c.array(names[1]), reference, std::stoll(count[1]));
            const auto b = frechet_jackknife(c.array(names[2]), reference, std::stoll(count[1]));
            RunningMean differences;
            for (size_t g = 0; g < a.left_out.size(); ++g) differences.add(a.left_out[g] - b.left_out[g]);
            const double groups = static_cast<double>(differences.n);
            tally.add(relative(a.debiased - b.debiased, values.at("debiased")), c.tolerance,
                      key + " " + name);
            tally.add(relative(std::sqrt((groups - 1) / groups * differences.m2), values.at("se")),
                      c.tolerance, key + " " + name + " SE");
        }
        for (const bool sampled : {false, true}) {
            const FrechetOptions options{"fd", sampled ? ReferenceRole::sampled : ReferenceRole::exact,
                                         DebiasMethod::gaussian};
            const auto a = frechet(c.array(names[1]), reference, options),
                       b = frechet(c.array(names[2]), reference, options);
            const auto pd = paired_difference({a.at_n.value, a.influence, a.influence_ref},
                                              {b.at_n.value, b.influence, b.influence_ref}, "fd");
            const std::string m = sampled ? "m_" + std::to_string(reference.moments.n) : "m_inf";
            tally.add(relative(pd.difference.value, expected.at("raw")), c.tolerance,
                      c.prefix + key + " raw");
            tally.add(relative(pd.difference.se, expected.at("se_" + m)), c.tolerance,
                      c.prefix + key + " SE " + m);
            tally.add(relative(a.debiased.value - b.debiased.value, expected.at("debiased_" + m)),
                      c.tolerance, c.prefix + key + " debiased " + m);
            if (expected.contains("unpaired_se_" + m)) {
                tally.add(relative(pd.unpaired_se, expected.at("unpaired_se_" + m)), c.tolerance,
                          c.prefix + key + " unpaired SE " + m);
            }
        }
    }
}

}  // namespace schedbench::golden
