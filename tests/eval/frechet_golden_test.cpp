// tests/golden/metrics/<set>_features.json with <set>_<name>.npy: values of numpy formulas and of the public
// tools.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "data/npy.h"
#include "eval/frechet.h"
#include "feature_pairs.h"
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
                tally.add(golden::relative(value, expected), 1e-9, c.name(name));
            }
        }
    }
}

TEST(FrechetGolden, FeatureSets) {
    golden::Tally tally("metrics/features");
    for (const auto& file : golden::files("metrics", "_features.json")) {
        SCOPED_TRACE(file.string());
        const Case c(file);
        const golden::FeatureSets sets{c.values(), [&](const std::string& name) { return c.array(name); },
                                       c.name("")};
        for (const auto& [key, value] : c.values().items()) {
            golden::check_pair(sets, key, value, tally);
            golden::check_paired(sets, key, value, tally);
            if (key == "fid_edge_cases") check_edges(c, value, tally);
        }
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
