#include "harness/preset.h"

#include "core/error.h"

namespace schedbench {

const std::vector<Preset>& presets() {
    static const char* const edm = "NVlabs/edm, README; Karras et al. 2022, arXiv 2206.00364";
    static const char* const ablation =
        "NVlabs/edm, README: figure 2a of Karras et al. 2022, arXiv 2206.00364";
    static const char* const improved =
        "openai/improved-diffusion, README; Nichol & Dhariwal 2021, arXiv 2102.09672";
    static const char* const guided =
        "openai/guided-diffusion, README; Dhariwal & Nichol 2021, arXiv 2105.05233";
    static const char* const analytic = "baofff/Analytic-DPM; Bao et al. 2022, arXiv 2201.06503, table 2";
    static const std::vector<Preset> all = {
        {"edm-cifar10", "EDM's networks on CIFAR-10: 35 evaluations", edm, "edm", "heun", 18, "edm"},
        {"edm-ffhq", "EDM's networks on FFHQ 64x64: 79 evaluations", edm, "edm", "heun", 40, "edm"},
        {"edm-afhqv2", "EDM's networks on AFHQv2 64x64: 79 evaluations", edm, "edm", "heun", 40, "edm"},
        {"edm-imagenet64-stochastic", "EDM's network on ImageNet 64x64: 511 evaluations", edm, "edm",
         "heun:s-churn=40,s-min=0.05,s-max=50,s-noise=1.003", 256, "edm"},
        {"edm-vp-original", "\"our reimplementation\" of the VP sampler", ablation, "vp",
         "edm-ablation:solver=euler,schedule=vp,scaling=vp", 512, "edm"},
        {"edm-vp-heun", "\"+ Heun & our {t_i}\"", ablation, "edm",
         "edm-ablation:solver=heun,schedule=vp,scaling=vp", 128, "edm"},
        {"edm-vp-linear", "\"+ our sigma(t) & s(t)\"", ablation, "edm",
         "edm-ablation:solver=heun,schedule=linear,scaling=none", 18, "edm"},
        {"improved-diffusion-250", "250 steps with learned variance", improved, "respacing:sections=250",
         "ddpm:variance=learned", 250, "philox", true},
        {"improved-diffusion-ddim250", "DDIM with a whole stride", improved, "respacing:sections=ddim250",
         "ddim", 250, "philox", true},
        {"guided-diffusion-250", "250 steps with learned variance", guided, "respacing:sections=250",
         "ddpm:variance=learned", 250, "philox", true},
        {"guided-diffusion-ddim25", "DDIM with a whole stride", guided, "respacing:sections=ddim25", "ddim",
         25, "philox", true},
        {"guided-diffusion-lsun", "all 1000 steps with learned variance", guided, "respacing:sections=1000",
         "ddpm:variance=learned", 1000, "philox", true},
        // Table 2 has 10 to 1000 steps (ImageNet: 25 to 4000); all on the even path, mean clipped.
        {"analytic-dpm-cifar10-ls",
         "CIFAR-10, linear schedule; add --sampler ddpm:variance=analytic,clip-last=2,statistics=FILE",
         analytic, "even", "ddpm:variance=analytic,clip-last=2", 50, "philox", true},
        {"analytic-dpm-cifar10-cs",
         "CIFAR-10, cosine schedule; add --sampler ddpm:variance=analytic,clip-last=1,statistics=FILE",
         analytic, "even", "ddpm:variance=analytic,clip-last=1", 50, "philox", true},
        {"analytic-dpm-imagenet64",
         "ImageNet 64x64; add --sampler ddpm:variance=analytic,clip-last=1,statistics=FILE", analytic, "even",
         "ddpm:variance=analytic,clip-last=1", 50, "philox", true},
        {"analytic-dpm-baseline-small", "its baseline with the posterior variance", analytic, "even",
         "ddpm:variance=posterior", 50, "philox", true},
        {"analytic-dpm-baseline-large", "its baseline with the variance beta", analytic, "even",
         "ddpm:variance=beta,clip-last=1", 50, "philox", true},
        {"analytic-dpm-baseline-ddim", "its deterministic baseline", analytic, "even", "ddim", 50, "philox",
         true}};
    return all;
}

std::vector<SpecEntry> preset_entries() {
    std::vector<SpecEntry> out;
    for (const Preset& preset : presets()) out.push_back({preset.name, preset.help, preset.source, {}});
    return out;
}

std::vector<std::pair<std::string, std::string>> preset_facts(const Preset& preset) {
    return {{"schedule", preset.schedule},
            {"sampler", preset.sampler},
            {"steps", std::to_string(preset.steps)},
            {"noise", preset.noise},
            {"clip", preset.clip ? "true" : "false"}};
}

const Preset& find_preset(const std::string& name, const std::string& where) {
    std::vector<std::string> names;
    for (const Preset& preset : presets()) {
        if (preset.name == name) return preset;
        names.push_back(preset.name);
    }
    const std::string match = nearest_match(name, names);
    throw Error("spec", "\"" + name + "\" is no preset", where,
                match.empty() ? "schedbench list presets shows them" : "did you mean \"" + match + "\"?");
}

}  // namespace schedbench
