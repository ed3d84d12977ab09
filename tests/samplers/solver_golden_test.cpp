// Every sampler against exact final values (deterministic solvers) and exact variance recursions (stochastic
// ones).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "golden.h"
#include "golden_json.h"
#include "models/exact.h"
#include "plain_mixture.h"
#include "sampler_probe.h"

namespace schedbench {
namespace {

using golden::json_files;
using nlohmann::json;

std::vector<double> grid_levels(const std::string& name, int steps, double low, double high, double c = 1) {
    if (name.starts_with("karras_rho")) return probe::karras(std::stod(name.substr(10)), steps, low, high);
    if (name == "log_linear") return probe::log_linear(steps, low, high);
    if (name == "arctan_c") {
        std::vector<double> out;
        const double a = std::atan(high / c), b = std::atan(low / c);
        for (int i = 0; i <= steps; ++i) out.push_back(c * std::tan(a + (b - a) * i / steps));
        return out;
    }
    return {};
}

probe::Mixture target_of(const json& target) {
    if (target.contains("c")) return {{0}, {target["c"].get<double>()}, {1}};
    const std::vector<double> means = target["means"];
    return {means, std::vector<double>(means.size(), target["std"].get<double>()), target["weights"]};
}

/// The spec of our sampler for a name of the golden files; "" where we have none.
std::string sampler_for(const std::string& name, const json& file) {
    static const std::map<std::string, std::string> same{
        {"euler", "euler"},
        {"heun", "heun"},
        {"dpmpp_2m", "dpmpp-2m"},
        {"dpmpp_2m_lower_final", "dpmpp-2m:lower-order-final=true"},
        {"dpm_2", "dpm-2"},
        {"dpmpp_2s", "dpmpp-2s"},
        {"dpmpp_2s_ancestral_eta1", "dpmpp-2s:eta=1"},
        {"dpmpp_3m_published", "dpmpp-3m:variant=published"},
        {"dpmpp_3m_order3", "dpmpp-3m"},
        {"dpmpp_3m_order3_phi2_warmup", "dpmpp-3m:warmup=phi2"},
        {"dpmpp_3m_published_phi2_warmup", "dpmpp-3m:variant=published,warmup=phi2"},
        {"dpmpp_3m_published_lower_final", "dpmpp-3m:variant=published,lower-order-final=true"},
        {"unipc2_bh1", "unipc:order=2,b=bh1,lower-order-final=true"},
        {"unipc2_bh1_full_order_end", "unipc:order=2,b=bh1"},
        {"unipc2_bh2", "unipc:order=2,b=bh2,lower-order-final=true"},
        {"unipc2_bh2_full_order_end", "unipc:order=2,b=bh2"},
        {"unipc3_bh1", "unipc:order=3,b=bh1,lower-order-final=true"},
        {"unipc3_bh1_full_order_end", "unipc:order=3,b=bh1"},
        {"unipc3_bh2", "unipc:order=3,b=bh2,lower-order-final=true"},
        {"unipc3_bh2_full_order_end", "unipc:order=3,b=bh2"},
        {"ipndm4", "ipndm:order=4"},
        {"ab4_variable", "adams-bashforth:order=4"},
        {"ab2_variable", "adams-bashforth:order=2"},
        {"ddpm_small", "ddpm:variance=posterior"},
        {"ddpm_large", "ddpm:variance=beta"}};
    if (const auto it = same.find(name); it != same.end()) return it->second;
    static const std::map<std::string, std::string> prefixes{
        {"ddim_eta", "ddim:eta="},
        {"euler_ancestral_eta", "euler-ancestral:eta="},
        {"sde_dpmpp_1_eta", "sde-dpmpp-1:eta="},
        {"sde_dpmpp_2m_midpoint_eta", "sde-dpmpp-2m:type=midpoint,eta="},
        {"sde_dpmpp_2m_heun_eta", "sde-dpmpp-2m:type=heun,eta="},
        {"euler_plus_langevin_snr", "pc:predictor=euler,corrector=fixed,snr="}};
    for (const auto& [prefix, spec] : prefixes)
        if (name.starts_with(prefix)) return spec + name.substr(prefix.size());
    if (name.starts_with("edm_heun_")) {
        const json& churn = file["churn"];
        const double amount =
            name.find("small_churn") != std::string::npos ? churn["small_S_churn"] : churn["S_churn"];
        return "heun:s-churn=" + format_number(amount) + ",s-min=" + format_number(churn["S_min"]) +
               ",s-max=" + format_number(churn["S_max"]) + ",s-noise=" + format_number(churn["S_noise"]) +
               ",churn-divisor=" + name.substr(name.rfind('_') + 1);
    }
    return "";
}

TEST(GoldenSolvers, FinalValues) {
    golden::Tally values("schedules/solvers_ode final values"), errors("schedules/solvers_ode errors"),
        slopes("schedules/solvers_ode slopes");
    for (const json& file : json_files("solver_notes")) {
        const double low = file["sigma_min"], high = file["sigma_max"];
        for (const json& target : file["targets"]) {
            const probe::MixtureDenoiser denoiser(target_of(target));
            const std::vector<double> start = target["x_start"];
            for (const json& grid : target["grids"]) {
                for (const json& solver : grid["solvers"]) {
                    const std::string spec = sampler_for(solver["solver"], file);
                    ASSERT_FALSE(spec.empty()) << "no sampler for " << solver["solver"];
                    const auto sampler = make_sampler(Spec::parse(spec));
                    const std::string name = target["target"].get<std::string>() + " " +
                                             grid["grid"].get<std::string>() + " " + spec;
                    const auto run = [&](int steps) {
                        const auto levels = grid_levels(grid["grid"], steps, low, high);
                        EXPECT_FALSE(levels.empty()) << "unknown grid " << grid["grid"];
                        const at::Tensor latent =
                            at::tensor(start, at::kDouble).reshape({-1, 1}) / levels.front();
                        return sampler->sample(denoiser, probe::schedule_of(levels, denoiser.process()),
                                               probe::GivenNoise(latent));
                    };
                    for (const auto& [steps, expected] : solver["x_final"].items()) {
                        const at::Tensor out = run(std::stoi(steps));
                        for (size_t i = 0; i < expected.size(); ++i) {
                            const double want = expected[i];
                            values.add(
                                std::abs(out[static_cast<int64_t>(i)].item<double>() - want) / std::abs(want),
                                1e-11, name + " N=" + steps);
                        }
                    }
                    const double exact = target["x_exact"][0];
                    std::map<int, double> error;
                    for (const auto& [steps, expected] : solver["relative_error_first_start"].items()) {
                        const int n = std::stoi(steps);
                        error[n] = std::abs(run(n)[0].item<double>() - exact) / std::abs(exact);
                        errors.add(std::abs(error[n] - std::abs(expected.get<double>())), 1e-11,
                                   name + " N=" + steps);
                    }
                    if (std::abs(solver["slope_160_320"].get<double>() -
                                 solver["slope_320_640"].get<double>()) < 0.2)
                        slopes.add(std::abs(std::log2(error.at(320) / error.at(640)) -
                                            solver["slope_320_640"].get<double>()),
                                   1e-4, name);
                }
            }
        }
    }
    values.report();
    errors.report();
    slopes.report();
}

TEST(GoldenSolvers, VarianceRecursionsOnContinuousLevels) {
    golden::Tally tally("schedules/solvers_sde variance ratios");
    for (const json& file : json_files("gaussian_ve")) {
        const double low = file["sigma_min"], high = file["sigma_max"];
        for (const json& item : file["gaussian_ve"]) {
            const double c = item["c"];
            const auto denoiser = make_exact(Spec::parse("exact:gaussian,c=" + format_number(c)));
            const Schedule schedule =
                probe::schedule_of(grid_levels(item["grid"], item["N"], low, high), denoiser->process());
            for (const auto& [start, ratios] : item["variance_ratio"].items()) {
                const double variance = high * high + (start == "start_exact_marginal" ? c * c : 0);
                for (const auto& [name, expected] : ratios.items()) {
                    const std::string spec = sampler_for(name, file);
                    ASSERT_FALSE(spec.empty()) << "no sampler for " << name;
                    const auto sampler = make_sampler(Spec::parse(spec));
                    const double ratio =
                        probe::output_variance(*sampler, *denoiser, schedule, variance) / (c * c + low * low);
                    tally.add(std::abs(ratio / expected.get<double>() - 1), 1e-11,
                              spec + " " + item["grid"].get<std::string>() + " " + start);
                }
            }
        }
    }
    tally.report();
}

TEST(GoldenSolvers, RespacedChains) {
    golden::Tally tally("schedules/solvers_sde respaced chains");
    for (const json& file : json_files("gaussian_vp")) {
        for (const json& item : file["gaussian_vp"]) {
            const double c = item["c"];
            const std::string name =
                item["schedule"] == "linear_scaled" ? "linear" : item["schedule"].get<std::string>();
            const auto denoiser =
                make_exact(Spec::parse("exact:gaussian,c=" + format_number(c) + ",process={" + name +
                                       ":T=" + std::to_string(item["T"].get<int>()) + "}"));
            std::vector<double> levels{0};
            for (int node : item["nodes"]) levels.insert(levels.begin(), denoiser->process().sigma(node));
            const Schedule schedule = probe::schedule_of(levels, denoiser->process());
            // Variance 1 in the variance-preserving form is 1 / abar = 1 + sigma^2 here.
            const double start = 1 + levels.front() * levels.front();
            for (const auto& [key, expected] : item["variance_ratio_to_c2"].items()) {
                const std::string spec = sampler_for(key, file);
                ASSERT_FALSE(spec.empty()) << key;
                const auto sampler = make_sampler(Spec::parse(spec));
                tally.add(std::abs(probe::output_variance(*sampler, *denoiser, schedule, start) / (c * c) /
                                       expected.get<double>() -
                                   1),
                          1e-11, name + " " + spec);
            }
        }
    }
    tally.report();
}

TEST(GoldenSolvers, KullbackLeiblerOfEuler) {
    golden::Tally tally("schedules/solvers_sde KL of Euler");
    for (const json& file : json_files("euler_kl")) {
        const double low = file["sigma_min"], high = file["sigma_max"];
        for (const json& item : file["euler_kl"]) {
            const double c = item["c"];
            const auto levels = grid_levels(item["grid"], item["N"], low, high, c);
            ASSERT_FALSE(levels.empty()) << item["grid"];
            const auto denoiser = make_exact(Spec::parse("exact:gaussian,c=" + format_number(c)));
            const double out =
                probe::output_variance(*make_sampler(Spec::parse("euler")), *denoiser,
                                       probe::schedule_of(levels, denoiser->process()), c * c + high * high);
            const double r = (c * c + low * low) / out;
            tally.add(std::abs((r - 1 - std::log(r)) / 2 - item["kl_nats"].get<double>()), 1e-11,
                      item["grid"]);
        }
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
