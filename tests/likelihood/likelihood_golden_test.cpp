// The decoder, the terms of the bound, and bits/dim of paths against reference values.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "gaussian_statistics.h"
#include "golden.h"
#include "golden_json.h"
#include "likelihood/path_bound.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

using golden::json_files;
using nlohmann::json;

TEST(GoldenLikelihood, DiscreteDecoder) {
    golden::Tally tally("schedules/discrete_decoder");
    for (const json& file : json_files("units")) {
        if (!file["units"].is_array()) continue;  // elsewhere the word names a unit of measure
        for (const json& unit : file["units"]) {
            const int byte = unit["byte"];
            const double mean = unit["mean"], ln_sd = unit["ln_sd"];
            for (DecoderKind kind : {DecoderKind::tanh, DecoderKind::erf}) {
                const double expected = unit["logp_" + decoder_name(kind)];
                const double tolerance =
                    1e-10 + 4e-16 / std::max(unit["p_" + decoder_name(kind)].get<double>(), 1e-12);
                const std::string what = "byte " + std::to_string(byte) + " mean " + format_number(mean) +
                                         " " + decoder_name(kind);
                tally.add(std::abs(discrete_log_likelihood(byte, mean, ln_sd, kind) - expected), tolerance,
                          what);
                const at::Tensor cost =
                    decoder_cost(at::full({1, 1}, byte / 127.5 - 1, at::kDouble),
                                 at::full({1, 1}, mean, at::kDouble), std::exp(2 * ln_sd), kind);
                tally.add(std::abs(cost.item<double>() + expected), tolerance, what + " (tensor)");
            }
        }
    }
    tally.report();
}

/// Golden optimal paths of Gaussian data, through statistics that hold the closed forms.
TEST(GoldenLikelihood, PathsOfGaussianData) {
    golden::Tally tally("schedules/dp_elbo_tables bits/dim of paths");
    for (const json& file : json_files("chains")) {
        for (const json& item : file["chains"]) {
            if (item["T"] > 100) continue;  // the larger chains are for the dynamic programme
            const int levels = item["T"];
            std::string process = item["schedule"] == "cosine" ? "cosine:T=" + std::to_string(levels)
                                                               : "linear:T=" + std::to_string(levels);
            if (item["beta"].size() == static_cast<size_t>(levels))
                process = "betas:values=" + item["beta"].dump();
            const NoiseProcess chain(Spec::parse(process));
            for (const json& target : item["targets"]) {
                if (!target.contains("variance")) continue;
                const DenoisingStatistics statistics =
                    closed_form::gaussian_statistics(chain, target["variance"]);
                for (const auto& [name, results] : target["variances"].items()) {
                    // The files call the best variance for this denoiser `analytic`.
                    const std::string variance = name == "analytic" ? "corrected-analytic" : name;
                    for (const json& optimal : results["optimal"]) {
                        if (optimal["path"].is_null()) continue;
                        const PathBound bound = path_bound(statistics, parse_variance(variance, "golden"),
                                                           optimal["path"].get<std::vector<int>>());
                        const double expected =
                            nats_to_bits(optimal["cost"].get<double>() + target["prior"].get<double>()) +
                            std::log2(127.5);
                        tally.add(std::abs(bound.bits_per_dim.value - expected), 1e-10,
                                  process.substr(0, 20) + " " + variance);
                    }
                }
            }
        }
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
