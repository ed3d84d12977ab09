// EDM's building blocks and the coefficients of its wrappers against every golden file of their kinds.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "golden.h"
#include "models/edm_blocks.h"
#include "models/edm_precond.h"
#include "models/safetensors.h"
#include "schedules/noise_process.h"

namespace schedbench {
namespace {

double max_abs(const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// Largest |a - b| / |b|; where b is 0, a must be 0.
double max_relative(const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor want = b.to(at::kDouble);
    return ((a.to(at::kDouble) - want) / want.abs().clamp_min(1e-300)).abs().max().item<double>();
}

Resample resample_of(const nlohmann::json& c) {
    return c.value("up", false) ? Resample::up : c.value("down", false) ? Resample::down : Resample::none;
}

EdmConv conv_of(const std::string& name, const nlohmann::json& c) {
    return {name,
            c.at("in_channels"),
            c.at("out_channels"),
            c.at("kernel"),
            resample_of(c),
            c.value("resample_filter", std::vector<double>{1, 1}),
            c.value("fused_resample", false)};
}

EdmBlock block_of(const std::string& name, const nlohmann::json& c) {
    EdmBlock block;
    block.prefix = name;
    block.in = c.at("in_channels");
    block.out = c.at("out_channels");
    block.embedding = c.at("emb_channels");
    block.resample = resample_of(c);
    if (c.value("attention", false))
        block.heads = c.contains("num_heads") ? c.at("num_heads").get<int64_t>()
                                              : block.out / c.value("channels_per_head", int64_t{64});
    block.skip_scale = c.value("skip_scale", 1.0);
    block.epsilon = c.value("eps", 1e-5);
    block.taps = c.value("resample_filter", std::vector<double>{1, 1});
    block.resample_proj = c.value("resample_proj", false);
    block.adaptive_scale = c.value("adaptive_scale", true);
    return block;
}

TEST(GoldenEdmBlocks, EveryBlock) {
    golden::Tally out32("nets/edm.blocks float32"), out64("nets/edm.blocks float64");
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile golden = read_safetensors(path.string());
        const auto family = golden.metadata.find("family");
        if (family == golden.metadata.end() || family->second != "edm.blocks") continue;
        std::string weights = path.string();
        weights.replace(weights.find(".golden"), 7, "");
        const SafetensorsFile file = read_safetensors(weights);
        const auto blocks = nlohmann::json::parse(golden.meta("config"));
        for (const auto& [name, c] : blocks.items()) {
            SCOPED_TRACE(name);
            std::map<std::string, at::Tensor> own;
            for (const auto& [key, value] : file.tensors)
                if (key.starts_with(name + ".")) own[key] = value;
            ParameterShapes shapes;
            const bool is_block = c.at("class") == "UNetBlock";
            if (is_block)
                block_of(name, c).add_shapes(shapes);
            else
                conv_of(name, c).add_shapes(shapes);
            const Parameters parameters = checked_parameters(shapes, own, weights);
            const auto run = [&](at::ScalarType dtype) {
                Parameters p;
                for (const auto& [key, value] : parameters) p[key] = value.to(dtype);
                const at::Tensor x = golden.at(name + ".x").to(dtype);
                return is_block ? block_of(name, c)(p, x, golden.at(name + ".emb").to(dtype))
                                : conv_of(name, c)(p, x);
            };
            out32.add(max_abs(run(at::kFloat), golden.at(name + ".out")), 2e-5, name);
            out64.add(max_abs(run(at::kDouble), golden.at(name + ".out.f64")), 1e-12, name + " in float64");
        }
    }
    out32.report();
    out64.report();
}

TEST(GoldenEdmPrecond, CoefficientsTableAndRounding) {
    golden::Tally c32("nets/edm_precond coefficients float32, relative"),
        c64("nets/edm_precond float64, relative"), noise("nets/edm_precond c_noise of VPPrecond, absolute"),
        ranges("nets/edm_precond ranges and table, relative"), rounding("nets/edm_precond round_sigma");
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile golden = read_safetensors(path.string());
        const auto kind = golden.metadata.find("kind");
        if (kind == golden.metadata.end() || kind->second != "edm_precond_coefficients") continue;
        const auto defaults = nlohmann::json::parse(golden.meta("defaults"));
        for (const auto& [cls, arguments] : defaults.items()) {
            SCOPED_TRACE(cls);
            EdmPrecond::Config config = EdmPrecond::Config::defaults(precond_of_class(cls, path.string()));
            for (const auto& [key, value] : arguments.items())
                EXPECT_TRUE(key == "use_fp16" || config.set(key, value, path.string())) << key;
            const EdmPrecond precond(config, path.string());
            const at::Tensor sigma = golden.at(cls + ".sigma");
            const EdmCoefficients f32 = precond.coefficients(sigma),
                                  f64 = precond.coefficients(sigma.to(at::kDouble));
            const bool vp = config.kind == EdmPrecond::Kind::vp;
            for (const auto& [name, a, b] :
                 {std::tuple{".c_skip", f32.skip, f64.skip}, std::tuple{".c_out", f32.out, f64.out},
                  std::tuple{".c_in", f32.in, f64.in}, std::tuple{".c_noise", f32.noise, f64.noise}}) {
                const std::string key = cls + name;
                if (vp && key.ends_with("c_noise"))
                    noise.add(max_abs(a, golden.at(key)), 1e-4, key);
                else
                    c32.add(max_relative(a, golden.at(key)), 1e-6, key);
                c64.add(max_relative(b, golden.at(key + ".f64")), 1e-11, key + ".f64");
            }
            if (golden.tensors.contains(cls + ".sigma_min_max"))
                ranges.add(max_relative(at::tensor({precond.sigma_min(), precond.sigma_max()}, at::kDouble),
                                        golden.at(cls + ".sigma_min_max")),
                           1e-6, cls + " range");
            if (!golden.tensors.contains(cls + ".u")) {
                EXPECT_FALSE(precond.table().defined());
                continue;
            }
            const at::Tensor u = golden.at(cls + ".u");
            ranges.add(max_relative(precond.table(), u), 1e-6, cls + ".u");
            const at::Tensor levels = golden.at(cls + ".round.sigma");
            rounding.add(max_abs(precond.round_index(levels), golden.at(cls + ".round.index")), 0.5,
                         "indices");
            rounding.add(max_relative(precond.round_sigma(levels), golden.at(cls + ".round.value")), 1e-6,
                         "values");
            // The noise process knows the same levels, and tells the same numbers to the network.
            const NoiseProcess process(precond.process());
            ASSERT_EQ(process.table_size(), u.size(0) - 1);
            for (int64_t i = 0; i < levels.size(0); ++i) {
                const LocatedLevel at = process.locate(levels[i].item<double>());
                const int64_t j = golden.at(cls + ".round.index")[i].item<int64_t>();
                EXPECT_EQ(at.model_time, static_cast<double>(u.size(0) - 2 - j));
                rounding.add(std::abs(at.level / golden.at(cls + ".round.value")[i].item<double>() - 1), 1e-6,
                             "noise process");
            }
        }
    }
    for (const auto* tally : {&c32, &c64, &noise, &ranges, &rounding}) tally->report();
}

}  // namespace
}  // namespace schedbench
