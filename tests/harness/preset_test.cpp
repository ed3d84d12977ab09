// Presets against the numbers of evaluations that were published with them; what a dry run says of a suite.
#include "harness/preset.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/error.h"
#include "harness/plan.h"
#include "harness/preflight.h"
#include "harness/registry.h"

namespace schedbench {
namespace {

class Presets : public testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::temp_directory_path() / ("schedbench-preset-" + std::to_string(::getpid()));
        std::filesystem::create_directory(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    Suite suite(const std::string& text) const {
        const std::string path = (folder_ / "test.suite").string();
        std::ofstream(path) << text;
        return read_suite(path);
    }

    std::filesystem::path folder_;
};

TEST_F(Presets, SchedulesAndEvaluations) {
    const std::map<std::string, int> published = {
        {"edm-cifar10", 35}, {"edm-ffhq", 79}, {"edm-afhqv2", 79}, {"edm-imagenet64-stochastic", 511}};
    size_t seen = 0;
    for (const Preset& preset : presets()) {
        SCOPED_TRACE(preset.name);
        const bool table = preset.schedule.starts_with("respacing") || preset.schedule == "even";
        const NoiseProcess process(
            Spec::parse(table ? "cosine:T=1000" : "continuous:sigma-min=0.002,sigma-max=80"));
        const Schedule schedule = build_schedule(Spec::parse(preset.schedule), process, {preset.steps});
        EXPECT_EQ(schedule.steps(), preset.steps);
        if (preset.sampler.find("variance=analytic") != std::string::npos) {
            EXPECT_THROW(make_sampler(Spec::parse(preset.sampler)),
                         Error);  // it says which statistics it wants
            continue;
        }
        const auto sampler = make_sampler(Spec::parse(preset.sampler));
        if (const auto it = published.find(preset.name); it != published.end()) {
            int nfe = 0;
            EXPECT_EQ(steps_within_budget(*sampler, it->second, &nfe, ""), preset.steps);
            EXPECT_EQ(nfe, it->second);
            ++seen;
        }
        EXPECT_EQ(&find_preset(preset.name, ""), &preset);
    }
    EXPECT_EQ(seen, published.size());
    const auto& kinds = registry();
    EXPECT_TRUE(std::any_of(kinds.begin(), kinds.end(), [](const RegistryKind& kind) {
        return kind.name == "presets" && kind.entries.size() == presets().size();
    }));
}

// baofff/Analytic-DPM, run_cifar10.py and run_imagenet64.py: the bound on the last noise is 2 pixels for the
// linear schedule, 1 for the cosine one, ImageNet and the variance beta, none for the others; the mean is
// clipped.
TEST_F(Presets, OfAnalyticDpm) {
    const std::map<std::string, std::string> published = {
        {"analytic-dpm-cifar10-ls", "ddpm:variance=analytic,clip-last=2"},
        {"analytic-dpm-cifar10-cs", "ddpm:variance=analytic,clip-last=1"},
        {"analytic-dpm-imagenet64", "ddpm:variance=analytic,clip-last=1"},
        {"analytic-dpm-baseline-small", "ddpm:variance=posterior"},
        {"analytic-dpm-baseline-large", "ddpm:variance=beta,clip-last=1"},
        {"analytic-dpm-baseline-ddim", "ddim"}};
    for (const auto& [name, sampler] : published) {
        const Preset& preset = find_preset(name, "");
        EXPECT_EQ(preset.sampler, sampler);
        EXPECT_EQ(preset.schedule, "even");
        EXPECT_TRUE(preset.clip);
        // Its even path begins at index 1 and ends at T.
        const NoiseProcess process(Spec::parse("linear:T=1000"));
        const Schedule schedule = build_schedule(Spec::parse(preset.schedule), process, {preset.steps});
        EXPECT_EQ(schedule.effective.front(), process.sigma(1000));
        EXPECT_EQ(schedule.effective[static_cast<size_t>(preset.steps) - 1], process.sigma(1));
    }
}

TEST_F(Presets, OfASuite) {
    const Suite s = suite("model = exact:gaussian\npreset = edm-imagenet64-stochastic\n");
    EXPECT_EQ(s.schedules[0].print(), "edm");
    EXPECT_EQ(s.samplers[0].print(), "heun:s-churn=40,s-max=50,s-min=0.05,s-noise=1.003");
    EXPECT_EQ(s.steps, std::vector<int>{256});
    EXPECT_EQ(s.noise, "edm");
    EXPECT_EQ(suite("model = exact:gaussian\npreset = edm-ffhq\nnoise = philox\n").noise, "philox");
    EXPECT_TRUE(suite("model = exact:gaussian\npreset = guided-diffusion-250\n").clip);
    const auto message = [&](const std::string& text) {
        try {
            suite(text);
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("no error");
    };
    EXPECT_NE(message("model = exact:gaussian\npreset = edm-fhq\n").find("edm-ffhq"), std::string::npos);
    EXPECT_NE(message("model = exact:gaussian\npreset = edm-ffhq\nsteps = 3\n")
                  .find("leave out either preset or steps"),
              std::string::npos);
}

TEST_F(Presets, DryRunNamesAllThatIsMissing) {
    const RuntimeSettings runtime;
    const std::string output = (folder_ / "deep" / "er" / "run.h5").string();
    const auto items = preflight(suite("model = native:file=weights/absent.safetensors\n"
                                       "model = exact:gaussian\n"
                                       "preset = edm-cifar10\n"
                                       "reference = cifar10:path=absent-folder\n"
                                       "extractor = inception:file=weights/no-inception.safetensors\n"
                                       "statistics = absent.h5\n"),
                                 runtime, output);
    std::map<std::string, const PreflightItem*> missing;
    for (const PreflightItem& item : items)
        if (!item.ok) missing[item.what] = &item;
    ASSERT_EQ(missing.size(), 4u);
    EXPECT_NE(missing.at("model")->hint.find("get_weights.sh absent "), std::string::npos);
    EXPECT_NE(missing.at("extractor")->hint.find("get_weights.sh no-inception "), std::string::npos);
    EXPECT_NE(missing.at("reference")->hint.find("get_data.sh cifar10"), std::string::npos);
    EXPECT_NE(missing.at("statistics")->message.find("absent.h5"), std::string::npos);
    EXPECT_EQ(
        std::count_if(items.begin(), items.end(), [](const PreflightItem& i) { return i.what == "model"; }),
        2);

    const auto whole = preflight(suite("model = exact:gaussian\nschedule = edm\nsampler = heun\nsteps = 4\n"),
                                 runtime, output);
    for (const PreflightItem& item : whole) EXPECT_TRUE(item.ok) << item.what << ": " << item.message;
    EXPECT_EQ(whole.back().what, "disk");
    EXPECT_EQ(whole.back().name, folder_.string());  // the nearest folder that is there
    // A sampler that does not fit its model is said too.
    const auto unfit = preflight(
        suite("model = exact:gaussian\nschedule = edm\nsampler = ddpm:variance=learned\nsteps = 4\n"),
        runtime, output);
    EXPECT_TRUE(std::any_of(unfit.begin(), unfit.end(),
                            [](const PreflightItem& i) { return i.what == "cells" && !i.ok; }));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "deep"));
}

}  // namespace
}  // namespace schedbench
