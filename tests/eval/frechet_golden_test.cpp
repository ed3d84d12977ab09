// tests/golden/metrics/<set>_features.json with <set>_<name>.npy: values of numpy formulas and of the public
// tools.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "data/npy.h"
#include "eval/comparison.h"
#include "eval/frechet.h"
#include "golden.h"
#include "numbers.h"

namespace schedbench {
namespace {

using nlohmann::json;

class Case {
  public:
    explicit Case(const std::filesystem::path& file) : file_(file), json_(json::parse(std::ifstream(file))) {
        const std::string name = file.filename().string();
        stem_ = name.substr(0, name.size() - std::string("features.json").size());
    }
    const json& values() const { return json_; }
    std::string name(const std::string& key) const { return stem_ + key; }
    at::Tensor array(const std::string& key) const {
        const auto array = read_npy((file_.parent_path() / (stem_ + key + ".npy")).string());
        return at::tensor(array.as<float>()).reshape(array.shape);
    }

  private:
    std::filesystem::path file_;
    json json_;
    std::string stem_;
};

double relative(double value, double expected) {
    return std::abs(value - expected) / std::abs(expected);
}

void check_pair(const Case& c, const std::string& key, const json& expected, golden::Tally& tally) {
    std::smatch names;
    if (!std::regex_match(key, names, std::regex("generated_(\\w+)_reference_(\\w+)"))) return;
    const at::Tensor x = c.array(names[1]);
    const auto reference = FrechetReference::of_features(c.array(names[2]));
    const auto check = [&](double value, const json& want, const std::string& what) {
        tally.add(relative(value, want.get<double>()), 1e-9, c.name(key) + " " + what);
    };
    const auto fourth = frechet(x, reference);
    const auto exact = frechet(x, reference, {"fd", ReferenceRole::exact});
    const auto gaussian = frechet(x, reference, {"fd", ReferenceRole::sampled, DebiasMethod::gaussian});
    const auto gaussian_exact = frechet(x, reference, {"fd", ReferenceRole::exact, DebiasMethod::gaussian});
    check(fourth.at_n.value, expected.at("fid_exact"), "value");
    const json& parts = expected.at("parts");
    check(fourth.parts.mean_term, parts.at("mean_term"), "mean term");
    check(fourth.parts.trace1, parts.at("trace_1"), "trace 1");
    check(fourth.parts.trace2, parts.at("trace_2"), "trace 2");
    check(fourth.parts.root_trace, parts.at("S"), "S");
    check(fourth.parts.harmonic_sum(), parts.at("H"), "H");
    for (size_t i = 0; i < expected.at("phi_first4").size(); ++i) {
        check(fourth.influence[i], expected.at("phi_first4")[i], "phi");
        check(fourth.influence_ref[i], expected.at("psi_first4")[i], "psi");
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
            const auto jackknife = frechet_jackknife(x, reference, count);
            check(jackknife.debiased, values.at("debiased"), name + " debiased");
            check(jackknife.se, values.at("se"), name + " SE");
        }
    }
}

void check_paired(const Case& c, const std::string& key, const json& expected, golden::Tally& tally) {
    std::smatch names;
    if (!std::regex_match(key, names, std::regex("paired_(\\w+)_minus_(\\w+)"))) return;
    for (const auto& [pair_key, ignored] : c.values().items()) {
        std::smatch pair;
        if (!std::regex_match(pair_key, pair, std::regex("generated_(\\w+)_reference_(\\w+)")) ||
            pair[1] != names[1])
            continue;
        const auto reference = FrechetReference::of_features(c.array(pair[2]));
        for (const bool sampled : {false, true}) {
            const FrechetOptions options{"fd", sampled ? ReferenceRole::sampled : ReferenceRole::exact,
                                         DebiasMethod::gaussian};
            const auto a = frechet(c.array(names[1]), reference, options),
                       b = frechet(c.array(names[2]), reference, options);
            const auto pd = paired_difference({a.at_n.value, a.influence, a.influence_ref},
                                              {b.at_n.value, b.influence, b.influence_ref}, "fd");
            const std::string m = sampled ? "m_" + std::to_string(reference.moments.n) : "m_inf";
            tally.add(relative(pd.difference.value, expected.at("raw")), 1e-9, c.name(key) + " raw");
            tally.add(relative(pd.difference.se, expected.at("se_" + m)), 1e-9, c.name(key) + " SE " + m);
            tally.add(relative(a.debiased.value - b.debiased.value, expected.at("debiased_" + m)), 1e-9,
                      c.name(key) + " debiased " + m);
        }
    }
}

void check_edges(const Case& c, const json& edges, golden::Tally& tally) {
    for (const auto& [name, e] : edges.items()) {
        const int64_t n = e.at("n"), m = e.at("m");
        at::Tensor x = c.array("X"), r = c.array(name.rfind("identical", 0) == 0 ? "X" : "R");
        if (name == "duplicated_rows") {
            x = x.narrow(0, 0, n / 3).repeat_interleave(3, 0);
        } else {
            x = x.narrow(0, 0, n);
        }
        r = r.narrow(0, 0, m);
        if (name == "constant_feature") {
            x = at::cat({x, at::ones({n, 1})}, 1);
            r = at::cat({r, at::ones({m, 1})}, 1);
        }
        std::smatch scale;
        if (std::regex_match(name, scale, std::regex("scaled_1e(m?)(\\d+)"))) {
            const float factor =
                static_cast<float>(std::pow(10.0, (scale[1].length() != 0 ? -1 : 1) * std::stoi(scale[2])));
            x = x * factor;
            r = r * factor;
        }
        ASSERT_EQ(x.size(1), e.at("d").get<int64_t>()) << name;
        const double expected = e.at("exact");
        for (const double value :
             {frechet_distance(x, r), frechet(x, FrechetReference::of_features(r)).at_n.value}) {
            if (expected == 0) {
                tally.add(std::abs(value), 1e-10, c.name(name));
            } else {
                tally.add(relative(value, expected), 1e-9, c.name(name));
            }
        }
    }
}

TEST(FrechetGolden, FeatureSets) {
    golden::Tally tally("metrics/features");
    for (const auto& file : golden::files("metrics", "_features.json")) {
        SCOPED_TRACE(file.string());
        const Case c(file);
        for (const auto& [key, value] : c.values().items()) {
            check_pair(c, key, value, tally);
            check_paired(c, key, value, tally);
            if (key == "fid_edge_cases") check_edges(c, value, tally);
        }
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
