// The metrics by name: what they are called, what they need, and that each gives what its own function gives.
#include "eval/metric_set.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/error.h"
#include "numbers.h"

namespace schedbench {
namespace {

Metric metric(const std::string& text) {
    return {Spec::parse(text), "test"};
}

/// Only says what its layers are called.
class Named final : public Extractor {
  public:
    explicit Named(std::vector<FeatureLayer> layers) : layers_(std::move(layers)) {}
    at::Tensor features(const at::Tensor&) const override { return {}; }
    int64_t dim() const override { return 1; }
    std::string id() const override { return layers_[0].id; }
    std::string pipeline() const override { return "tf1"; }
    std::string spec() const override { return ""; }
    std::string frechet_name() const override { return layers_[0].frechet_name; }
    std::vector<FeatureLayer> layers() const override { return layers_; }

  private:
    std::vector<FeatureLayer> layers_;
};

TEST(MetricSet, NamesSayPipelinePrecisionAndArguments) {
    using Names = std::vector<std::string>;
    const MetricNames fid("fid[tf1]"), half("fid-bf16[clean]"), other("fd-fashion32"), spatial("sfid[tf1]");
    EXPECT_EQ(metric("frechet").names(fid), (Names{"fid[tf1]", "fid[tf1]-debiased"}));
    EXPECT_EQ(metric("frechet").names(other), (Names{"fd-fashion32", "fd-fashion32-debiased"}));
    EXPECT_EQ(metric("frechet:debias=gaussian").names(fid),
              (Names{"fid[tf1]:debias=gaussian", "fid[tf1]-debiased:debias=gaussian"}));
    EXPECT_EQ(metric("sfid").names(half), (Names{"sfid-bf16[clean]", "sfid-bf16[clean]-debiased"}));
    EXPECT_EQ(metric("kid").names(fid), (Names{"kid[tf1]"}));
    EXPECT_EQ(metric("kid").names(half), (Names{"kid-bf16[clean]"}));
    EXPECT_EQ(metric("kid").names(other), (Names{"kd-fashion32"}));
    EXPECT_EQ(metric("kid").names(spatial), (Names{"kd-sfid[tf1]"}));
    EXPECT_EQ(metric("kid-torch-fidelity").names(fid), (Names{"kid[tf1]-torch-fidelity"}));
    EXPECT_EQ(metric("kid-blocks:size=500").names(fid), (Names{"kid[tf1]-blocks:size=500"}));
    EXPECT_EQ(metric("is:splits=1").names(fid), (Names{"is[tf1]:splits=1"}));
    EXPECT_EQ(metric("is-torch-fidelity").names(fid), (Names{"is[tf1]-torch-fidelity"}));
    EXPECT_EQ(metric("fid-infinity").names(other), (Names{"fd-fashion32-infinity"}));
    EXPECT_EQ(metric("edm-minimum").names(fid), (Names{"fid[tf1]-edm-minimum"}));
    EXPECT_EQ(metric("prdc:k=5").names(fid),
              (Names{"precision[tf1]:k=5", "recall[tf1]:k=5", "density[tf1]:k=5", "coverage[tf1]:k=5"}));
    // No two metrics share a name.
    std::set<std::string> all;
    size_t count = 0;
    for (const SpecEntry& entry : metric_entries())
        for (const std::string& name : metric(entry.name).names(fid)) all.insert(name), ++count;
    EXPECT_EQ(all.size(), count);

    for (const char* name : {"fid[tf1]", "fid-bf16[tf1]", "fd-fashion32"})
        EXPECT_TRUE(is_plain_frechet(name));
    for (const char* name : {"fid[tf1]-debiased", "fid[tf1]:reference=exact", "fd-x-infinity", "sfid[tf1]",
                             "fid[tf1]-edm-minimum", "kid[tf1]", "bpd"})
        EXPECT_FALSE(is_plain_frechet(name)) << name;
    EXPECT_EQ(influence_metric("fid[tf1]-debiased"), "fid[tf1]");
    EXPECT_EQ(influence_metric("sfid[tf1]-debiased:reference=exact"), "sfid[tf1]:reference=exact");
    EXPECT_EQ(influence_metric("kid[tf1]"), "kid[tf1]");
}

TEST(MetricSet, LayersAreChosenByTheMetrics) {
    const Spec plain = Spec::parse("inception:file=w,pipeline=tf1");
    const auto layer = [&](const std::vector<Metric>& metrics) {
        const Spec spec = extractor_for(plain, metrics);
        return spec.find("layer") == nullptr ? std::string("default") : spec.text("layer");
    };
    EXPECT_EQ(layer({metric("frechet"), metric("kid")}), "default");
    EXPECT_EQ(layer({metric("is")}), "logits");
    EXPECT_EQ(layer({metric("sfid")}), "spatial");
    EXPECT_EQ(layer({metric("frechet"), metric("is")}), "all");
    const Spec own = Spec::parse("inception:file=w,pipeline=tf1,layer=spatial");
    EXPECT_EQ(extractor_for(own, {metric("is")}), own);
    const Spec classifier = Spec::parse("classifier:file=c");
    EXPECT_EQ(extractor_for(classifier, {metric("is")}), classifier);
    // What is chosen here does not change what the distances are called.
    const FeatureLayer pool{"features", "inception", "fid[tf1]", 0, 1},
        logits{"logits", "inception-logits-bf16", "fd-inception-logits-bf16[tf1]", 0, 1},
        spatial{"spatial", "inception-spatial", "sfid[tf1]", 0, 1};
    EXPECT_EQ(names_of(Named({pool, logits, spatial}), plain).frechet(), "fid[tf1]");
    EXPECT_EQ(names_of(Named({logits}), plain).frechet(), "fid-bf16[tf1]");
    EXPECT_EQ(names_of(Named({spatial}), plain).frechet(), "fid[tf1]");
    EXPECT_EQ(names_of(Named({spatial}), own).frechet(), "sfid[tf1]");
    EXPECT_EQ(roles_of({metric("frechet"), metric("is")}, {"features", "logits"}, "x"),
              (std::vector<std::string>{"features", "logits"}));
    EXPECT_EQ(roles_of({metric("kid")}, {"spatial"}, "x"), (std::vector<std::string>{"spatial"}));
    EXPECT_THROW(roles_of({metric("is")}, {"features", "spatial"}, "x"), Error);
}

TEST(MetricSet, StatisticsOnEitherSide) {
    const at::Tensor x = skewed_features(700, 6, 1), y = 0.9 * skewed_features(650, 6, 2) + 0.1;
    MetricSide a{"a", {{"features", x}}, {}}, b{"b", {{"features", y}}, {}};
    MetricSide a_moments{"am", {}, {{"features", feature_sums(x).moments()}}};
    MetricSide b_moments{"bm", {}, {{"features", feature_sums(y).moments()}}};
    const MetricNames names("fd-x");
    const auto of = [&](const MetricSide& side, const MetricSide& reference) {
        const MetricReference r(reference);
        return metric("frechet").compute(side, &r, names);
    };
    const auto full = of(a, b), mirrored = of(a_moments, b), exact = of(a, b_moments),
               bare = of(a_moments, b_moments);
    for (const auto* other : {&mirrored, &exact, &bare}) {
        EXPECT_NEAR((*other)[0].estimate.value, full[0].estimate.value, 1e-9 * full[0].estimate.value);
        EXPECT_EQ((*other)[0].name, "fd-x");
        EXPECT_EQ((*other)[1].name, "fd-x-debiased");
        EXPECT_EQ((*other)[1].estimate.n, 700);
    }
    // The two halves of the error add up.
    EXPECT_NEAR(std::hypot(mirrored[0].estimate.se, exact[0].estimate.se), full[0].estimate.se,
                1e-9 * full[0].estimate.se);
    EXPECT_EQ(mirrored[0].influence_ref.size(), 650u);
    EXPECT_TRUE(mirrored[0].influence.empty());
    EXPECT_TRUE(std::isnan(bare[0].estimate.se));
    EXPECT_THROW(metric("kid").compute(a_moments, nullptr, names), Error);
    const MetricReference reference(b_moments);
    EXPECT_THROW(metric("kid").compute(a, &reference, names), Error);
    EXPECT_THROW(metric("kid").compute(a, nullptr, names), Error);
    EXPECT_THROW(metric("is").compute(a, nullptr, names), Error);
    EXPECT_TRUE(interval_reliable(full[0].estimate));
    EXPECT_TRUE(interval_reliable(full[1].estimate));
    const auto few = of({"few", {{"features", x.narrow(0, 0, 50)}}, {}}, b);
    EXPECT_TRUE(interval_reliable(few[0].estimate));  // 8 a feature: the bias is not safe, the error is
    EXPECT_FALSE(interval_reliable(few[1].estimate));
}

TEST(MetricSet, TheMinimumOfThree) {
    // Its error: the SD of the smallest of three standard normal values.
    RunningMean smallest;
    const at::Tensor z = normals(20000, 3, 77).amin(1);
    for (int64_t i = 0; i < z.size(0); ++i) smallest.add(z[i].item<double>());
    const double pi = 3.14159265358979323846;
    EXPECT_NEAR(std::sqrt(smallest.variance()), std::sqrt((4 * pi - 9 + 2 * std::sqrt(3.0)) / (4 * pi)),
                0.01);
    EXPECT_NEAR(smallest.mean, -0.846, 0.02);
    EXPECT_THROW(metric("edm-minimum").check_count(5, "x"), Error);
    EXPECT_THROW(metric("kid-blocks:size=50").check_count(99, "x"), Error);
    EXPECT_NO_THROW(metric("kid-blocks:size=50").check_count(100, "x"));
    EXPECT_THROW(metric("kid:k=3"), Error);
    EXPECT_THROW(metric("is:splits=-1"), Error);
}

}  // namespace
}  // namespace schedbench
