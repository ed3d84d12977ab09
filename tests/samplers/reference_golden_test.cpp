// EDM's samplers against runs of the reference implementation, on analytic models and on networks, with its
// own noise: states at every step, and what the model was asked.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/edm_denoiser.h"
#include "schedules/vp_time.h"
#include "trace.h"

namespace schedbench {
namespace {

using nlohmann::json;
using trace::number;

/// A model of the metadata: an analytic one, or a network in its wrapper.
struct Model {
    std::shared_ptr<const Denoiser> denoiser;
    at::Tensor labels;
    bool network = false;
};

Model model_of(const json& description, const SafetensorsFile& file, const at::Tensor& latents) {
    Model model;
    if (description.contains("analytic")) {
        std::string process;
        if (description["round_sigma"] != "identity") {
            EXPECT_NE(description["round_sigma"].get<std::string>().find("iDDPMPrecond"), std::string::npos);
            const EdmPrecond table(EdmPrecond::Config::defaults(EdmPrecond::Kind::iddpm), "golden");
            process = ",process={" + table.process().print() + "}";
        }
        model.denoiser = make_exact(Spec::parse("exact:gaussian,c=" + number(description["c"]) + "," +
                                                trace::shape_key(latents) + process));
        return model;
    }
    const std::string weights = description["weights"], name = weights.substr(0, weights.find('.'));
    model.network = true;
    model.denoiser = std::make_shared<const EdmDenoiser>(description["config"],
                                                         read_safetensors(trace::path_of(weights)).tensors,
                                                         std::nullopt, name, "", weights);
    for (const std::string& key : {std::string("class_labels"), name + ".class_labels"})
        if (file.tensors.contains(key)) model.labels = file.at(key).argmax(1);
    return model;
}

/// Of a tensor of the case, or of the one that the cases share.
std::vector<at::Tensor> draws_of(const SafetensorsFile& file, const std::string& name) {
    for (const std::string& key : {name + ".draws", std::string("draws")})
        if (file.tensors.contains(key)) return trace::rows(file.at(key));
    return {};
}

std::string churn_keys(const json& arguments) {
    return "s-churn=" + number(arguments["S_churn"]) + ",s-min=" + number(arguments["S_min"]) +
           ",s-max=" + number(arguments["S_max"]) + ",s-noise=" + number(arguments["S_noise"]);
}

TEST(GoldenReference, EdmSampler) {
    golden::Tally analytic("nets/edm_sampler analytic states"), network("nets/edm_sampler network states"),
        asked("nets/edm_sampler levels of the evaluations");
    for (const SafetensorsFile& file : trace::files_of_kind("edm_sampler")) {
        const json cases = json::parse(file.meta("cases"));
        const at::Tensor latents = file.at("latents").to(at::kDouble);
        const Model model = model_of(json::parse(file.meta("denoiser")), file, latents);
        for (const auto& [name, arguments] : cases.items()) {
            const std::string what = file.path.substr(file.path.rfind('/') + 1) + " " + name;
            const auto run = trace::follow(
                "heun:" + churn_keys(arguments), model.denoiser,
                probe::schedule_of(trace::doubles(file.at(name + ".t_steps")), model.denoiser->process()),
                probe::GivenNoise(latents, draws_of(file, name)), model.labels);
            const at::Tensor states = file.at(name + ".states");
            ASSERT_EQ(static_cast<int64_t>(run.states.size()), states.size(0)) << what;
            for (size_t k = 0; k < run.states.size(); ++k)
                (model.network ? network : analytic)
                    .add(trace::scaled(run.states[k], states[static_cast<int64_t>(k)]),
                         model.network ? 1e-5 : 1e-10, what + " step " + std::to_string(k));
            if (model.network)
                network.add(trace::scaled(run.states.back(), file.at(name + ".final.f64")), 1e-5,
                            what + " in float64");
            asked.add(trace::relative(run.sigma, trace::doubles(file.at(name + ".net_sigma"))), 1e-12, what);
            std::vector<double> hat;  // the first evaluation of each step
            for (size_t i = 0; i < run.sigma.size(); i += 2) hat.push_back(run.sigma[i]);
            asked.add(trace::relative(hat, trace::doubles(file.at(name + ".t_hat"))), 1e-12, what + " t_hat");
        }
    }
    analytic.report();
    network.report();
    asked.report();
}

/// The levels of a discretisation as our schedule of that name makes them.
std::string schedule_for(const std::string& discretisation) {
    static const std::map<std::string, std::string> names{
        {"vp", "vp"}, {"ve", "ve"}, {"edm", "edm"}, {"iddpm", "edm-iddpm:table=float32"}};
    const auto it = names.find(discretisation);
    return it == names.end() ? "" : it->second;
}

TEST(GoldenReference, EdmAblationSampler) {
    golden::Tally analytic("nets/ablation_sampler analytic states"),
        network("nets/ablation_sampler network states"),
        quiet("nets/ablation_sampler analytic states without draws"),
        asked("nets/ablation_sampler levels asked"), times("nets/ablation_sampler times"),
        grids("nets/ablation_sampler schedules");
    for (const SafetensorsFile& file : trace::files_of_kind("ablation_sampler")) {
        const json cases = json::parse(file.meta("cases"));
        const at::Tensor latents = file.at("latents").to(at::kDouble);
        for (const auto& [name, arguments] : cases.items()) {
            const std::string what = file.path.substr(file.path.rfind('/') + 1) + " " + name;
            const Model model = model_of(arguments["denoiser"], file, latents);
            const std::string law = arguments["schedule"], solver = arguments["solver"];
            const std::vector<double> t_steps = trace::doubles(file.at(name + ".t_steps")),
                                      sigma_steps = trace::doubles(file.at(name + ".sigma_steps"));
            const double eps = arguments["epsilon_s"];
            // Times to levels and back; for vp the stored levels are those of the times, and the inverse is
            // tested.
            const VpTime vp =
                law == "vp" ? VpTime::fitted(sigma_steps.back(), sigma_steps.front(), eps, what) : VpTime{};
            const auto time_of = [&](double sigma) {
                return sigma == 0 || law == "linear" ? sigma : law == "ve" ? sigma * sigma : vp.time(sigma);
            };
            std::vector<double> levels, t;
            for (size_t i = 0; i < t_steps.size(); ++i) {
                const bool last = i + 1 == t_steps.size();
                levels.push_back(last              ? 0
                                 : law == "linear" ? t_steps[i]
                                 : law == "ve"     ? std::sqrt(t_steps[i])
                                                   : sigma_steps[i]);
                t.push_back(time_of(levels.back()));
            }
            times.add(trace::relative(t, t_steps), 1e-10, what);
            if (!model.denoiser->process().discrete()) {
                const std::string spec = schedule_for(arguments["discretization"]);
                ASSERT_FALSE(spec.empty()) << "no schedule for " << arguments["discretization"];
                const Schedule made =
                    build_schedule(Spec::parse(spec), NoiseProcess(Spec::parse("continuous")),
                                   {static_cast<int>(sigma_steps.size())});
                const std::vector<double> knots(made.effective.begin(), made.effective.end() - 1);
                grids.add(trace::relative(knots, sigma_steps),
                          arguments["discretization"] == "iddpm" ? 1e-6 : 1e-10, what);
            }
            const std::string sampler = "edm-ablation:solver=" + solver + ",schedule=" + law +
                                        ",scaling=" + arguments["scaling"].get<std::string>() +
                                        ",alpha=" + number(arguments["alpha"]) + ",eps=" + number(eps) + ",";
            const auto follow = [&](const std::string& churn) {
                return trace::follow(sampler + churn, model.denoiser,
                                     probe::schedule_of(levels, model.denoiser->process()),
                                     probe::GivenNoise(latents, draws_of(file, name)), model.labels);
            };
            // The stored variable of scaling vp is x / sqrt(1 + sigma^2).
            const auto check = [&](const trace::Run& run, const at::Tensor& states, golden::Tally& tally,
                                   double tolerance) {
                ASSERT_EQ(static_cast<int64_t>(run.states.size()), states.size(0)) << what;
                for (size_t k = 0; k < run.states.size(); ++k) {
                    const double s =
                        arguments["scaling"] == "vp" ? 1 / std::sqrt(1 + levels[k] * levels[k]) : 1;
                    tally.add(trace::scaled(s * run.states[k], states[static_cast<int64_t>(k)]), tolerance,
                              what + " step " + std::to_string(k));
                }
            };
            const auto run = follow(churn_keys(arguments));
            // Schedule vp lets about 1e-7 of the draws through in the reference, where that is
            // sigma^{-1}(sigma(t)).
            check(run, file.at(name + ".states"), model.network ? network : analytic,
                  model.network ? 1e-4
                  : law == "vp" ? 1e-6
                                : 1e-9);
            if (file.tensors.contains(name + ".states_without_draws"))
                check(follow("s-noise=0"), file.at(name + ".states_without_draws"), quiet, 1e-9);
            if (model.network)
                network.add(trace::scaled(run.states.back(), file.at(name + ".final.f64")), 1e-4,
                            what + " in float64");
            asked.add(trace::relative(run.sigma, trace::doubles(file.at(name + ".net_sigma"))), 1e-9, what);
            std::vector<double> hat;  // of the first evaluation of each step
            for (size_t i = 0; i < run.sigma.size(); i += solver == "heun" ? 2 : 1)
                hat.push_back(time_of(run.sigma[i]));
            times.add(trace::relative(hat, trace::doubles(file.at(name + ".t_hat"))), 1e-9, what + " t_hat");
        }
    }
    analytic.report();
    quiet.report();
    network.report();
    asked.report();
    times.report();
    grids.report();
}

}  // namespace
}  // namespace schedbench
