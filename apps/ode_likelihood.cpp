// schedbench likelihood: bits/dim of images by the probability-flow ODE.
#include <ATen/ATen.h>

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/probe_data.h"
#include "apps/text_table.h"
#include "core/error.h"
#include "core/progress.h"
#include "harness/json_number.h"
#include "harness/registry.h"
#include "likelihood/ode_likelihood.h"

namespace schedbench {
namespace {

LatentPrior parse_prior(const std::string& text) {
    if (text == "auto") return {};
    if (text == "exact") return {.exact = true};
    const auto moment = parse_number(text);
    if (!moment || !(*moment >= 0) || !std::isfinite(*moment))
        throw Error("option", "\"" + text + "\" should be auto, exact, or a second moment >= 0", "--prior");
    return {.second_moment = *moment};
}

OdeLikelihoodOptions settings_of(const Options& options, bool bytes) {
    OdeLikelihoodOptions out;
    out.control.rtol = options.number("rtol");
    out.control.atol = options.number("atol");
    out.sigma_min = options.has("sigma-min") ? options.number("sigma-min") : 0;
    out.sigma_max = options.has("sigma-max") ? options.number("sigma-max") : 0;
    out.prior = parse_prior(options.text("prior"));
    out.divergence = parse_divergence(options.text("divergence"), "--divergence");
    out.probes = static_cast<int>(options.integer("probes"));
    out.dequantisations = static_cast<int>(options.integer("dequantisations"));
    const std::string rule = options.text("dequantise");
    out.rule = rule == "auto" ? (bytes ? Dequantisation::of256 : Dequantisation::none)
                              : parse_dequantisation(rule, "--dequantise");
    out.batch = options.integer("batch");
    out.seed = static_cast<uint64_t>(options.integer("seed", 0));
    return out;
}

void print_json(const OdeLikelihood& result, const OdeLikelihoodOptions& settings, const Denoiser& model,
                const ProbeSource& source, const RuntimeSettings& runtime) {
    nlohmann::json images = nlohmann::json::array();
    for (const OdeImage& image : result.images)
        images.push_back({{"id", image.id},
                          {"bits_per_dim", image.bits_per_dim},
                          {"log_density", image.log_density},
                          {"probe_se", image.probe_se},
                          {"evaluations", image.evaluations}});
    const Estimate& e = result.bits_per_dim;
    std::cout << nlohmann::json{{"bits_per_dim", e.value},
                                {"se", json_number(e.se)},
                                {"probe_se", result.probe_se},
                                {"n", e.n},
                                {"estimand", e.estimand},
                                {"method", e.method},
                                {"warning", e.warning},
                                {"offset", result.offset},
                                {"dequantise", dequantisation_name(settings.rule)},
                                {"dequantisations", settings.dequantisations},
                                {"divergence", result.exact_divergence ? "exact" : "hutchinson"},
                                {"probes", result.probes},
                                {"prior", result.prior},
                                {"sigma_min", result.sigma_min},
                                {"sigma_max", result.sigma_max},
                                {"rtol", settings.control.rtol},
                                {"atol", settings.control.atol},
                                {"seed", settings.seed},
                                {"batch", settings.batch},
                                {"calls", result.calls},
                                {"products", result.products},
                                {"model", model.spec()},
                                {"data", source.spec()},
                                {"data_hash", source.hash()},
                                {"stack", stack_identity(runtime)},
                                {"images", images}}
                     .dump()
              << "\n";
}

void print_text(const OdeLikelihood& result, const OdeLikelihoodOptions& settings) {
    TextTable table({"image", "bits/dim", "by probes", "ln p", "evaluations"});
    for (const OdeImage& image : result.images)
        table.add({std::to_string(image.id), fixed_number(image.bits_per_dim, 4),
                   result.exact_divergence ? "-" : short_number(image.probe_se, 2),
                   fixed_number(image.log_density, 2), std::to_string(image.evaluations)});
    table.print(std::cout);
    const Estimate& e = result.bits_per_dim;
    std::cout << "mean of " << e.n << ": " << fixed_number(e.value, 4) << " bits/dim, se "
              << (std::isfinite(e.se) ? short_number(e.se, 2) : "-");
    if (!result.exact_divergence)
        std::cout << " (of it by " << result.probes << " probes " << short_number(result.probe_se, 2) << ")";
    std::cout << "\n"
              << e.estimand << "; offset " << fixed_number(result.offset, 5) << " (dequantise "
              << dequantisation_name(settings.rule) << "); prior " << result.prior << "; levels "
              << short_number(result.sigma_min, 4) << " to " << short_number(result.sigma_max, 4) << "\n";
}

int run(const std::vector<std::string>& arguments) {
    Options options(kLikelihoodCommand);
    options.value("model", "", "the model (schedbench list models); it must have derivatives");
    add_probe_options(options);
    options.value("images", "16", "number of images")
        .value("first", "0", "id of the first of them")
        .value("probes", "5", "Rademacher probes of the divergence (Hutchinson), at least 5")
        .value("divergence", "auto",
               "auto (exact up to 16 dimensions), exact (one product a dimension) or hutchinson")
        .value("dequantisations", "1", "draws of the uniform noise within a byte, an image")
        .value("dequantise", "auto",
               "x of a byte: 256 ((byte+u)/128-1, offset 7), centred ((byte+u-1/2)/127.5-1, offset "
               "log2(127.5)), "
               "none; auto: 256 for images, none for draws of an exact model")
        .value("prior", "auto",
               "density at sigma_max: N(0, (sigma_max^2 + X) I) with a number X; exact (of an exact model); "
               "auto: X = 1 "
               "for a noise table, 0 for a continuous process")
        .value("rtol", "1e-5", "relative tolerance of a step")
        .value("atol", "1e-5", "absolute tolerance of a step")
        .value("sigma-min", "", "lowest level; default: the model's")
        .value("sigma-max", "", "highest level; default: the model's")
        .value("batch", "16", "trajectories in one call of the model")
        .value("seed", "0", "seed of probes and dequantisation")
        .runtime()
        .json();
    if (!options.parse(arguments)) return 0;
    const RuntimeSettings runtime = options.runtime_settings();
    const auto model = placed_for_host(make_model(Spec::parse(options.text("model"), "--model")), runtime);
    const ProbeData data = load_probes(options, model);
    const OdeLikelihoodOptions settings = settings_of(options, data.source->eight_bit());
    const int64_t images = options.integer("images");
    Progress progress("likelihood", images, "images");
    const OdeLikelihood result =
        measure_ode_likelihood(model, *data.source, options.integer("first", 0), images, settings,
                               [&](int64_t done) { progress.update(done); });
    progress.finish();
    if (options.on("json"))
        print_json(result, settings, *model, *data.source, runtime);
    else
        print_text(result, settings);
    return 0;
}

}  // namespace

const Command kLikelihoodCommand = {
    "likelihood", "bits/dim of images by the probability-flow ODE",
    "schedbench likelihood --model MODEL --data DATA [options]",
    "  schedbench likelihood --model exact:gaussian,c=0.5,dim=6 --images 4 --prior exact\n"
    "  schedbench likelihood --model exact:mixture,means=[-1,1],widths=[0.25] --images 4 --rtol 1e-8 --atol "
    "1e-8 "
    "--json\n"
    "  schedbench likelihood --model native:file=weights/fashion-edm.safetensors --data "
    "fashion-mnist:split=test \\\n"
    "      --images 16 --probes 5\n"
    "It is the density at the lowest level, by dequantised bytes a bound on bits/dim; it is not the bound of "
    "a path of\n"
    "steps, which schedbench bpd gives.\n",
    run};

}  // namespace schedbench
