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

TEST(GoldenLikelihood, TermsOfTheReferenceImplementation) {
    golden::Tally terms("nets/improved_diffusion_bpd terms"), totals("nets/improved_diffusion_bpd totals"),
        mse("nets/improved_diffusion_bpd x0 errors");
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile file = read_safetensors(path.string());
        const auto kind = file.metadata.find("kind");
        if (kind == file.metadata.end() || kind->second != "improved_diffusion_bpd") continue;
        const SafetensorsFile inputs = read_safetensors((path.parent_path() / file.meta("inputs")).string());
        const at::Tensor x0 = inputs.at("x_start").to(at::kDouble);  // rounded to float32 there
        const at::Tensor noise = inputs.at("noise").to(at::kDouble);
        const json cases = json::parse(file.meta("cases"));
        for (const auto& [name, arguments] : cases.items()) {
            const std::string variance = arguments["model_var_type"];
            if (!arguments["model"].is_object() || (variance != "FIXED_SMALL" && variance != "FIXED_LARGE"))
                continue;
            const auto sizes = x0.sizes();
            const auto model = make_exact(Spec::parse(
                "exact:gaussian,c=" + format_number(arguments["model"]["c"]) + ",shape=[" +
                std::to_string(sizes[1]) + "," + std::to_string(sizes[2]) + "," + std::to_string(sizes[3]) +
                "],process={" + arguments["noise_schedule"].get<std::string>() +
                ":T=" + std::to_string(arguments["diffusion_steps"].get<int>()) + "}"));
            const NoiseProcess& chain = model->process();
            const StatisticsOptions options{.clip = arguments["clip_denoised"], .decoder = DecoderKind::tanh};
            const at::Tensor steps = file.at(name + ".timesteps"), vb = file.at(name + ".vb.f64"),
                             total = file.at(name + ".total_bpd.f64");
            const int64_t columns = steps.size(0), images = x0.size(0);
            std::vector<int> nodes;  // rising
            for (int64_t k = columns; k-- > 0;)
                nodes.push_back(static_cast<int>(steps[k].item<int64_t>()) + 1);
            // Every column of the reference is one entry of the chain, noisiest first, with its own noise
            // tensor.
            std::vector<at::Tensor> error(nodes.size());
            at::Tensor decoder;
            for (int64_t k = 0; k < columns; ++k) {
                const auto node = static_cast<size_t>(columns - 1 - k);
                const int t = nodes[node];
                const DenoisingTerms term =
                    denoising_terms(*model, chain, t, x0, x0 + chain.sigma(t) * noise[k], {}, options);
                error[node] = term.error;
                if (node == 0)
                    decoder = decoder_cost(x0, term.x0hat, chain.posterior_variance(nodes[0], nodes[1]),
                                           DecoderKind::tanh);
            }
            const ElboVariance rule =
                variance == "FIXED_SMALL" ? ElboVariance::posterior : ElboVariance::beta;
            for (int64_t i = 0; i < images; ++i) {
                std::vector<double> m(static_cast<size_t>(chain.table_size()) + 1, 0.0), n(m);
                for (size_t k = 0; k < nodes.size(); ++k)
                    m[static_cast<size_t>(nodes[k])] = error[k][i].item<double>();
                n[static_cast<size_t>(nodes[0])] = decoder[i].item<double>();
                const ElboChain elbo(chain, m, n, x0[i].square().mean().item<double>());
                for (size_t k = 0; k < nodes.size(); ++k) {
                    const double expected = vb[i][columns - 1 - static_cast<int64_t>(k)].item<double>();
                    const double ours = nats_to_bits(k == 0 ? n[static_cast<size_t>(nodes[0])]
                                                            : elbo.edge(rule, nodes[k - 1], nodes[k]));
                    terms.add(std::abs(ours - expected), 1e-8 * (1 + std::abs(expected)), name);
                    const double squared =
                        file.at(name + ".xstart_mse")[i][columns - 1 - static_cast<int64_t>(k)]
                            .item<double>();
                    mse.add(std::abs(error[k][i].item<double>() - squared), 2e-4 * squared + 1e-6, name);
                }
                const double expected = total[i].item<double>();
                totals.add(std::abs(nats_to_bits(elbo.path_cost(rule, nodes)) - expected),
                           1e-8 * (1 + std::abs(expected)), name);
            }
        }
    }
    terms.report();
    totals.report();
    mse.report();
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
