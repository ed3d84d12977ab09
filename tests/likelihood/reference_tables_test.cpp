// Noise tables, respacings, posterior tables, decoder and EDM's iDDPM levels against those of the reference
// code.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "golden.h"
#include "likelihood/decoder.h"
#include "models/safetensors.h"
#include "schedules/iddpm_table.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

using nlohmann::json;
using Tensors = std::map<std::string, at::Tensor>;

std::vector<double> doubles(const at::Tensor& x) {
    const at::Tensor flat = x.to(at::kDouble).contiguous().view({-1});
    return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// Largest difference relative to the expected value; infinite if the sizes differ.
double worst(const std::vector<double>& values, const std::vector<double>& expected) {
    if (values.size() != expected.size()) return INFINITY;
    double largest = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] == expected[i]) continue;
        largest =
            std::max(largest, std::abs(values[i] - expected[i]) / std::max(std::abs(expected[i]), 1e-300));
    }
    return largest;
}

std::vector<SafetensorsFile> files_of(const std::string& kind) {
    std::vector<SafetensorsFile> out;
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        SafetensorsFile file = read_safetensors(path.string());
        const auto found = file.metadata.find("kind");
        if (found != file.metadata.end() && found->second == kind) out.push_back(std::move(file));
    }
    return out;
}

/// Entries counted from 0, rising, of a respacing string, through the schedule.
std::vector<double> respaced(const std::string& sections, const NoiseProcess& process) {
    const Schedule s = build_schedule(Spec::parse("respacing:sections='" + sections + "'"), process, {});
    std::vector<double> out;
    for (size_t i = s.index.size() - 1; i-- > 0;) out.push_back(static_cast<double>(s.index[i] - 1));
    return out;
}

TEST(GoldenTables, SpacesOfTimesteps) {
    golden::Tally tally("nets/diffusion_tables space_timesteps");
    const std::string prefix = "space_timesteps.";
    for (const SafetensorsFile& file : files_of("diffusion_tables"))
        for (const auto& [name, value] : file.tensors) {
            if (!name.starts_with(prefix)) continue;
            const size_t dot = name.find('.', prefix.size());
            const NoiseProcess process(
                Spec::parse("cosine:T=" + name.substr(prefix.size(), dot - prefix.size())));
            tally.add(worst(respaced(name.substr(dot + 1), process), doubles(value)), 1e-300, name);
        }
    tally.report();
}

TEST(GoldenTables, BetasAtIndices) {
    golden::Tally tally("nets/diffusion_tables betas at index");
    for (const SafetensorsFile& file : files_of("diffusion_tables"))
        for (const auto& [name, value] : file.tensors) {
            if (!name.ends_with(".index")) continue;
            const std::string table = name.substr(0, name.size() - 6);
            const size_t digits = table.find_first_of("0123456789");
            const NoiseProcess process(Spec::parse(table.substr(0, digits) + ":T=" + table.substr(digits)));
            std::vector<double> betas, abars;
            for (double index : doubles(value)) {
                const int t = static_cast<int>(index) + 1;
                betas.push_back(process.beta(t - 1, t));
                abars.push_back(process.abar(t));
            }
            tally.add(worst(betas, doubles(file.at(table + ".betas"))), 1e-9, table + " betas");
            tally.add(worst(abars, doubles(file.at(table + ".alphas_cumprod"))), 1e-9, table + " abar");
        }
    tally.report();
}

/// Everything that the reference tabulates for a chain through these nodes (from 1, rising), by its names.
std::map<std::string, std::vector<double>> chain_tables(const NoiseProcess& p,
                                                        const std::vector<int>& nodes) {
    std::map<std::string, std::vector<double>> out;
    for (size_t k = 0; k < nodes.size(); ++k) {
        const int s = k == 0 ? 0 : nodes[k - 1], t = nodes[k];
        const double beta = p.beta(s, t), noise = p.one_minus_abar(t);
        // The variance of the last step is 0: where a logarithm is needed, that of the step before stands in.
        const double second = p.posterior_variance(nodes[0], nodes[1]);
        out["betas"].push_back(beta);
        out["alphas_cumprod"].push_back(p.abar(t));
        out["posterior_variance"].push_back(p.posterior_variance(s, t));
        out["posterior_log_variance_clipped"].push_back(
            std::log(k == 0 ? second : p.posterior_variance(s, t)));
        out["fixed_large_log_variance"].push_back(std::log(k == 0 ? second : beta));
        out["posterior_mean_coef1"].push_back(beta * std::sqrt(p.abar(s)) / noise);
        out["posterior_mean_coef2"].push_back(p.one_minus_abar(s) * std::sqrt(1 - beta) / noise);
        out["sqrt_recip_alphas_cumprod"].push_back(1 / std::sqrt(p.abar(t)));
        out["sqrt_recipm1_alphas_cumprod"].push_back(p.sigma(t));
    }
    return out;
}

TEST(GoldenTables, ChainsAndTheirPosteriors) {
    golden::Tally tally("nets/diffusion_tables chains");
    const std::string suffix = ".timestep_map";
    for (const SafetensorsFile& file : files_of("diffusion_tables"))
        for (const auto& [name, value] : file.tensors) {
            if (!name.ends_with(suffix)) continue;
            const std::string chain = name.substr(0, name.size() - suffix.size());
            const std::string law = chain.substr(0, chain.find('.')),
                              spacing = chain.substr(chain.find('.') + 1);
            const NoiseProcess process(Spec::parse(law + ":T=50"));  // all of the file's chains
            const std::vector<double> entries = respaced(spacing == "full" ? "50" : spacing, process);
            tally.add(worst(entries, doubles(value)), 1e-300, name);
            std::vector<int> nodes;
            for (double entry : entries) nodes.push_back(static_cast<int>(entry) + 1);
            const auto tables = chain_tables(process, nodes);
            for (const auto& [other, expected] : file.tensors) {
                if (!other.starts_with(chain + ".") || other == name) continue;
                const auto found = tables.find(other.substr(chain.size() + 1));
                ASSERT_NE(found, tables.end()) << other << " is not checked";
                tally.add(worst(found->second, doubles(expected)), 1e-10, other);
            }
        }
    tally.report();
}

TEST(GoldenTables, DecoderInTheReferencesForm) {
    golden::Tally tally("nets/diffusion_tables decoder");
    for (const SafetensorsFile& file : files_of("diffusion_tables")) {
        const auto bytes = doubles(file.at("decoder.byte")), means = doubles(file.at("decoder.mean")),
                   scales = doubles(file.at("decoder.log_scale")), images = doubles(file.at("decoder.x")),
                   expected = doubles(file.at("decoder.log_prob.f64"));
        for (size_t i = 0; i < bytes.size(); ++i) {
            const double rounding =
                images[i] - (bytes[i] / 127.5 - 1);  // the reference's x is single precision
            const double value = discrete_log_likelihood(static_cast<int>(bytes[i]), means[i] - rounding,
                                                         scales[i], DecoderKind::tanh);
            // Upper tails are a difference of numbers near 1 there, taken by symmetry here.
            const double cancelled = 2.3e-16 / std::exp(expected[i]);
            tally.add(std::abs(value - expected[i]), 1e-9 + cancelled, std::to_string(i));
        }
    }
    tally.report();
}

TEST(GoldenTables, IddpmLevelsOfTheAblationSampler) {
    golden::Tally tally("nets/ablation_sampler iddpm levels");
    for (const SafetensorsFile& file : files_of("ablation_sampler")) {
        const json cases = json::parse(file.meta("cases"));
        for (const auto& [name, arguments] : cases.items()) {
            if (arguments["discretization"] != "iddpm") continue;
            const auto number = [&](const char* key) { return format_number(arguments[key].get<double>()); };
            const std::vector<double> expected = doubles(file.at(name + ".sigma_steps"));
            Schedule s =
                build_schedule(Spec::parse("edm-iddpm:table=float32,sigma-max=81,M=" + number("M") +
                                           ",C1=" + number("C_1") + ",C2=" + number("C_2")),
                               NoiseProcess(Spec::parse("continuous")), {static_cast<int>(expected.size())});
            s.effective.pop_back();
            tally.add(worst(s.effective, expected), 1e-6, name);
        }
    }
    tally.report();
}

TEST(GoldenTables, IddpmLevelsOfThePreconditioner) {
    // The wrapper's table has its recursion in single precision too, which adds up to 1e-4; its sine is that
    // of a vendor's library (iddpm_table.cpp).
    golden::Tally tally("nets/edm_precond iddpm table");
    for (const SafetensorsFile& file : files_of("edm_precond_coefficients")) {
        const json defaults = json::parse(file.meta("defaults"))["iDDPMPrecond"];
        const std::vector<double> expected = doubles(file.at("iDDPMPrecond.u"));
        for (const auto& [kind, tolerance] :
             {std::pair(IddpmTable::float32, 1e-4), std::pair(IddpmTable::exact, 6e-4)})
            tally.add(
                worst(iddpm_levels(defaults["M"], defaults["C_1"], defaults["C_2"], kind, "test"), expected),
                tolerance, kind == IddpmTable::exact ? "exact" : "float32");
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
