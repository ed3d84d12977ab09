// Ancestral and DDIM sampling against runs of improved-diffusion, on the analytic model and on networks, with
// its own noise: states at every step, predicted x0, times told to the network, respacing.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/native.h"
#include "tanh_variance.h"
#include "trace.h"

namespace schedbench {
namespace {

using nlohmann::json;
using trace::number;

struct Case {
    std::string name, sampler, process;
    json arguments;
    std::shared_ptr<const Denoiser> model;
    at::Tensor labels;
    bool network = false;

    double tolerance() const {  // the README's, of state / scale
        if (!network) return 5e-4;
        // The cosine table without variance: the first step divides by sqrt(abar), and nothing damps it.
        return arguments["noise_schedule"] == "cosine" && sampler.starts_with("ddim") ? 1e-2 : 1e-3;
    }
};

Case case_of(const SafetensorsFile& file, const std::string& name, const json& arguments) {
    Case c;
    c.name = file.path.substr(file.path.rfind('/') + 1) + " " + name;
    c.arguments = arguments;
    c.process = arguments["noise_schedule"].get<std::string>() +
                ":T=" + std::to_string(arguments["diffusion_steps"].get<int>());
    const json& model = arguments["model"];
    c.network = model.is_string();
    if (c.network) {
        SafetensorsFile weights = read_safetensors(trace::path_of(model));
        weights.metadata["process"] = c.process;
        weights.metadata["rescale_timesteps"] = arguments["rescale_timesteps"] ? "true" : "false";
        weights.metadata["image_size"] = std::to_string(file.at("init_noise").size(2));
        NetworkDescription description = NetworkDescription::from_metadata(weights.metadata, weights.path);
        Parameters parameters = checked_parameters(UNet(description.config), weights.tensors, weights.path);
        c.model =
            std::make_shared<NativeDenoiser>(std::move(description), std::move(parameters), "network", "");
        if (c.model->classes() > 0) c.labels = file.at("y");
    } else {
        c.model =
            make_exact(Spec::parse("exact:gaussian,c=" + number(model["c"]) + "," +
                                   trace::shape_key(file.at("init_noise")) + ",process={" + c.process + "}"));
    }
    if (arguments["clip_denoised"]) c.model = clip_denoiser(c.model);
    if (!c.network && model["variance_channels"].is_string())
        c.model = std::make_shared<TanhVariance>(c.model);
    if (arguments["function"] == "p_sample_loop") {
        static const std::map<std::string, std::string> variances{
            {"FIXED_SMALL", "posterior"}, {"FIXED_LARGE", "beta"}, {"LEARNED_RANGE", "learned"}};
        c.sampler = "ddpm:variance=" + variances.at(arguments["model_var_type"]);
    } else {
        c.sampler = "ddim:eta=" + number(arguments["eta"]);
    }
    return c;
}

TEST(GoldenReference, AncestralSamplers) {
    golden::Tally analytic("nets/improved_diffusion_samplers analytic states"),
        network("nets/improved_diffusion_samplers network states"),
        predicted("nets/improved_diffusion_samplers x0hat"),
        finals("nets/improved_diffusion_samplers analytic final state in float64"),
        network_finals("nets/improved_diffusion_samplers network final state in float64"),
        times("nets/improved_diffusion_samplers times and respacing");
    for (const SafetensorsFile& file : trace::files_of_kind("improved_diffusion_samplers")) {
        const at::Tensor start = file.at("init_noise").to(at::kDouble);
        const json cases = json::parse(file.meta("cases"));
        for (const auto& [name, arguments] : cases.items()) {
            const Case c = case_of(file, name, arguments);
            const Schedule schedule =
                build_schedule(Spec::parse("respacing:sections='" +
                                           arguments["timestep_respacing"].get<std::string>() + "'"),
                               NoiseProcess(Spec::parse(c.process)), {});
            std::vector<double> map;
            for (int64_t index : schedule.index)
                if (index > 0) map.push_back(static_cast<double>(index - 1));
            times.add(trace::relative(map, trace::doubles(file.at(name + ".timestep_map"))), 1e-15,
                      c.name + " respacing");
            // The reference starts from x = z in the variance-preserving form: sqrt(1 + sigma^2) z here.
            const double first = schedule.effective.front();
            const probe::GivenNoise noise(start * (std::sqrt(1 + first * first) / first),
                                          trace::rows(file.at("noise")));
            const trace::Run run = trace::follow(c.sampler, c.model, schedule, noise, c.labels);

            const double factor =
                arguments["rescale_timesteps"] ? 1000.0 / arguments["diffusion_steps"].get<int>() : 1;
            std::vector<double> told;
            for (double time : run.time) told.push_back(time * factor);
            times.add(trace::relative(told, trace::doubles(file.at(name + ".net_t"))), 1e-6,
                      c.name + " net_t");
            const at::Tensor states = file.at(name + ".states");
            ASSERT_EQ(static_cast<int64_t>(run.states.size()), states.size(0)) << c.name;
            for (size_t k = 0; k < run.states.size(); ++k) {
                const double level = schedule.effective[k];
                const at::Tensor x = run.states[k] / std::sqrt(1 + level * level);
                (c.network ? network : analytic)
                    .add(trace::scaled(x, states[static_cast<int64_t>(k)]), c.tolerance(),
                         c.name + " step " + std::to_string(k));
            }
            if (file.tensors.contains(name + ".pred_xstart")) {
                const at::Tensor x0 = file.at(name + ".pred_xstart");
                for (size_t k = 0; k < run.x0.size(); ++k)
                    predicted.add(trace::scaled(run.x0[k], x0[static_cast<int64_t>(k)]), 1e-2,
                                  c.name + " step " + std::to_string(k));
            }
            const at::Tensor final_state = file.at(name + ".final.f64");
            if (c.network)
                network_finals.add(trace::scaled(run.states.back(), final_state), c.tolerance(), c.name);
            else
                finals.add(trace::scaled(run.states.back(), final_state), 1e-8, c.name);
        }
    }
    analytic.report();
    network.report();
    predicted.report();
    finals.report();
    network_finals.report();
    times.report();
}

}  // namespace
}  // namespace schedbench
