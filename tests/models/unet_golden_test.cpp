// The improved-diffusion U-Net against every golden network of its family.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "golden.h"
#include "models/native.h"
#include "models/safetensors.h"
#include "models/unet.h"

namespace schedbench {
namespace {

double max_abs(const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

Parameters to_double(Parameters parameters) {
    for (auto& [name, value] : parameters) value = value.to(at::kDouble);
    return parameters;
}

TEST(GoldenUNet, EveryNetworkOfTheFamily) {
    golden::Tally out32("nets/improved_diffusion out float32"), out64("nets/improved_diffusion out float64"),
        acts("nets/improved_diffusion activations");
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile golden_file = read_safetensors(path.string());
        const auto family = golden_file.metadata.find("family");
        if (family == golden_file.metadata.end() || family->second != "improved_diffusion.UNetModel" ||
            !golden_file.tensors.contains("out"))
            continue;
        std::string weights = path.string();
        weights.replace(weights.find(".golden"), 7, "");
        const SafetensorsFile file = read_safetensors(weights);
        const UNet net(UNetConfig::from_json(nlohmann::json::parse(file.meta("config")), weights));
        const Parameters parameters = checked_parameters(net, file.tensors, weights);
        const at::Tensor labels = golden_file.tensors.contains("y") ? golden_file.at("y") : at::Tensor();
        const std::string name = path.filename().string();
        std::map<std::string, at::Tensor> taps;
        const at::Tensor out =
            net.forward(parameters, golden_file.at("x"), golden_file.at("t"), labels, 0,
                        [&](const std::string& tap, const at::Tensor& value) { taps[tap] = value; });
        out32.add(max_abs(out, golden_file.at("out")), 2e-4, name);
        out64.add(max_abs(net.forward(to_double(parameters), golden_file.at("x").to(at::kDouble),
                                      golden_file.at("t").to(at::kDouble), labels),
                          golden_file.at("out.f64")),
                  1e-10, name + " in float64");
        for (const auto& [tensor, value] : golden_file.tensors) {
            if (!tensor.starts_with("act.")) continue;
            ASSERT_TRUE(taps.contains(tensor)) << tensor << " in " << name;
            acts.add(max_abs(taps[tensor].narrow(0, 0, value.size(0)), value),
                     tensor == "act.mid" ? 5e-4 : 1e-4, name + " " + tensor);
        }
    }
    out32.report();
    out64.report();
    acts.report();
}

}  // namespace
}  // namespace schedbench
