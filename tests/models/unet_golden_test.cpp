// Networks that are told a time step (improved-diffusion, guided-diffusion, Ho et al.) against every golden
// network of their families.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "golden.h"
#include "models/native.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

double max_abs(const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

Parameters to_double(Parameters parameters) {
    for (auto& [name, value] : parameters) value = value.to(at::kDouble);
    return parameters;
}

// README.md of the golden files, section 2.1.
double out_tolerance(const std::string& family) {
    return family == "guided_diffusion.UNetModel" ? 5e-4 : 2e-4;
}
double middle_tolerance(const std::string& family, const nlohmann::json& config) {
    const bool additive = !config.value("use_scale_shift_norm", false);
    return family == "pytorch_diffusion.Model" || additive ? 3e-4 : 5e-4;
}

struct Case {
    std::string name, family, weights;
    nlohmann::json config;
    SafetensorsFile file, golden;

    at::Tensor labels() const { return golden.tensors.contains("y") ? golden.at("y") : at::Tensor(); }
};

/// Every golden file of `family` that holds a network's output.
template <class Check>
void for_each_network(const std::string& family, const Check& check) {
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        SafetensorsFile golden_file = read_safetensors(path.string());
        const auto found = golden_file.metadata.find("family");
        if (found == golden_file.metadata.end() || found->second != family ||
            !golden_file.tensors.contains("out"))
            continue;
        std::string weights = path.string();
        weights.replace(weights.find(".golden"), 7, "");
        SafetensorsFile file = read_safetensors(weights);
        nlohmann::json config = nlohmann::json::parse(file.meta("config"));
        SCOPED_TRACE(weights);
        check(Case{path.filename().string(), family, weights, std::move(config), std::move(file),
                   std::move(golden_file)});
    }
}

class GoldenNetworks : public testing::TestWithParam<std::string> {};

TEST_P(GoldenNetworks, EveryNetworkOfTheFamily) {
    const std::string kind = "nets/" + GetParam().substr(0, GetParam().find('.'));
    golden::Tally out32(kind + " out float32"), out64(kind + " out float64"), acts(kind + " activations");
    for_each_network(GetParam(), [&](const Case& c) {
        size_t seen = 2 + c.golden.tensors.count("y");  // x, t, y
        const auto compare = [&](const std::string& prefix, const nlohmann::json& config) {
            const auto net = make_network(c.family, config, c.weights);
            const Parameters parameters = checked_parameters(*net, c.file.tensors, c.weights);
            std::map<std::string, at::Tensor> taps;
            const at::Tensor out =
                net->forward(parameters, c.golden.at("x"), c.golden.at("t"), c.labels(), 0,
                             [&](const std::string& tap, const at::Tensor& value) { taps[tap] = value; });
            out32.add(max_abs(out, c.golden.at(prefix + "out")), out_tolerance(c.family), c.name + prefix);
            out64.add(max_abs(net->forward(to_double(parameters), c.golden.at("x").to(at::kDouble),
                                           c.golden.at("t").to(at::kDouble), c.labels()),
                              c.golden.at(prefix + "out.f64")),
                      1e-10, c.name + prefix + " in float64");
            seen += 2;
            if (!prefix.empty()) return;
            for (const auto& [tensor, value] : c.golden.tensors) {
                if (!tensor.starts_with("act.")) continue;
                ASSERT_TRUE(taps.contains(tensor)) << tensor << " in " << c.name;
                acts.add(max_abs(taps[tensor].narrow(0, 0, value.size(0)), value),
                         tensor == "act.mid" ? middle_tolerance(c.family, config) : 1e-4,
                         c.name + " " + tensor);
                ++seen;
            }
        };
        compare("", c.config);
        if (c.golden.tensors.contains("flipped_order.out")) {
            nlohmann::json flipped = c.config;
            flipped["use_new_attention_order"] = !c.config.at("use_new_attention_order").get<bool>();
            compare("flipped_order.", flipped);
        }
        EXPECT_EQ(seen, c.golden.tensors.size()) << "a tensor of the file was not compared";
    });
    out32.report();
    out64.report();
    acts.report();
}

TEST_P(GoldenNetworks, DenoiserFromAWeightFile) {
    golden::Tally tally("nets/" + GetParam().substr(0, GetParam().find('.')) + " x0 through native:file");
    for_each_network(GetParam(), [&](const Case& c) {
        const Spec spec =
            Spec::parse("native:file='" + c.weights + "',process='linear:T=1000',rescale=false");
        const auto denoiser =
            load_native(complete(spec, find_entry(native_entries(), spec, "models", ""), ""), "");
        // At any level: x0 = x - sigma eps(x / sqrt(1 + sigma^2), t).
        const at::Tensor y = c.golden.at("x").to(at::kDouble),
                         sigma = at::tensor({0.1, 1.0, 5.0}, at::kDouble).narrow(0, 0, y.size(0)),
                         column = sigma.reshape({-1, 1, 1, 1}), x = y * (1 + column.square()).sqrt();
        const DenoiserOutput out = (*denoiser)(x, sigma, c.golden.at("t").to(at::kDouble), c.labels());
        const int64_t channels = y.size(1);
        const at::Tensor eps = c.golden.at("out").narrow(1, 0, channels).to(at::kDouble);
        tally.add(max_abs((x - out.x0) / column, eps), out_tolerance(c.family), c.name);
        EXPECT_EQ(denoiser->has_variance(), c.golden.at("out").size(1) == 2 * channels);
        if (denoiser->has_variance())
            tally.add(max_abs(out.variance, c.golden.at("out").narrow(1, channels, channels)),
                      out_tolerance(c.family), c.name + " variance");
        EXPECT_EQ(denoiser->classes() > 0, c.labels().defined());
        const int64_t side = c.config.value("image_size", c.config.value("resolution", int64_t{32}));
        EXPECT_EQ(denoiser->shape(), (std::vector<int64_t>{channels, side, side}));
    });
    tally.report();
}

TEST(GoldenWeightFiles, EveryWeightFileBelongsToAFamilyThatIsChecked) {
    int files = 0;
    for (const auto& path : golden::files("nets", ".safetensors")) {
        const SafetensorsFile file = read_safetensors(path.string());
        const auto family = file.metadata.find("family");
        if (family == file.metadata.end() || path.string().ends_with(".golden.safetensors")) continue;
        std::string golden = path.string();
        golden.replace(golden.rfind(".safetensors"), std::string::npos, ".golden.safetensors");
        EXPECT_TRUE(std::filesystem::exists(golden)) << golden;
        const auto& known = network_families();
        EXPECT_TRUE(family->second == "edm.precond" || family->second == "edm.blocks" ||
                    std::find(known.begin(), known.end(), family->second) != known.end())
            << path << " is of the family " << family->second << ", which no test reads";
        ++files;
    }
    EXPECT_GT(files, 0);
}

/// Of other projects: for our own there is nothing to compare with.
std::vector<std::string> published_families() {
    std::vector<std::string> out = network_families();
    std::erase_if(out, [](const std::string& family) { return family.starts_with("schedbench."); });
    return out;
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenNetworks, testing::ValuesIn(published_families()),
                         [](const auto& family) { return family.param.substr(0, family.param.find('.')); });

}  // namespace
}  // namespace schedbench
