#include "apps/train_architecture.h"

#include <c10/util/accumulate.h>

#include <nlohmann/json.hpp>

#include "apps/comma_list.h"
#include "core/error.h"

namespace schedbench {
namespace {

std::vector<int64_t> integers(const std::string& text, const std::string& where) {
    const std::vector<int> values = comma_integers(text, where);
    return {values.begin(), values.end()};
}

int64_t integer_or(const Options& options, const std::string& name, int64_t fallback) {
    return options.has(name) ? options.integer(name) : fallback;
}

std::vector<int64_t> channel_mult(const Options& options) {
    return integers(options.text("channel-mult"), "--channel-mult");
}

/// What the network predicts, and the levels it is trained for.
void set_levels(Preconditioning& d, const Options& options, Objective objective) {
    d.sigma_data = options.number("sigma-data");
    d.prediction =
        objective == Objective::edm ? Preconditioning::Prediction::edm : Preconditioning::Prediction::eps;
    const std::string process = options.text_or(
        "process", objective == Objective::edm ? "continuous:sigma-min=0.002,sigma-max=80" : "linear:T=1000");
    d.process = NoiseProcess(Spec::parse(process, "--process"), "--process").spec();
    const bool discrete = NoiseProcess(d.process).discrete();
    if (discrete == (objective == Objective::edm))
        throw Error("option",
                    std::string("is ") +
                        (discrete ? "a table, but the objective edm wants continuous:..."
                                  : "continuous, but this objective wants a table, as linear:T=1000"),
                    "--process");
    d.rescale_timesteps = d.prediction == Preconditioning::Prediction::eps;
}

NetworkDescription unet(const Options& options, const TrainingData& data, Objective objective) {
    NetworkDescription d;
    d.config.in_channels = data.channels;
    d.config.model_channels = options.integer("channels");
    const std::vector<int64_t> mults = channel_mult(options);
    d.config.channel_mult.assign(mults.begin(), mults.end());
    d.config.num_res_blocks = options.integer("res-blocks");
    d.config.attention_resolutions = integers(options.text_or("attention", ""), "--attention");
    d.config.num_heads = integer_or(options, "heads", 4);
    d.config.num_groups = integer_or(options, "groups", 8);
    d.config.patch = options.integer("patch");
    d.config.dropout = options.number("dropout");
    d.config.num_classes = options.on("class-conditional") ? data.classes : 0;
    const bool learned = objective == Objective::hybrid || objective == Objective::vlb;
    d.config.out_channels = data.channels * (learned ? 2 : 1);
    d.config = UNetConfig::from_json(d.config.to_json(), "network options");  // the same checks as for a file
    set_levels(d, options, objective);
    d.image_size = data.height;
    return d;
}

/// Constructor arguments of EDMPrecond around SongUNet or DhariwalUNet.
nlohmann::json edm_config(const Options& options, const TrainingData& data, Objective objective) {
    const std::string architecture = options.text("architecture");
    if (objective != Objective::edm)
        throw Error("option", "the architecture " + architecture + " is trained in EDM's wrapper",
                    "--objective", "use --objective edm, or --architecture unet");
    for (const char* name : {"heads", "groups", "process"})
        if (options.has(name))
            throw Error("option", "the architecture " + architecture + " has no choice of this",
                        "--" + std::string(name),
                        "its groups and heads follow from the channels, its levels are EDM's; leave it out");
    const int64_t patch = options.integer("patch");
    nlohmann::json sides = nlohmann::json::array();
    for (int64_t factor : integers(options.text_or("attention", ""), "--attention"))
        if (factor > 0) sides.push_back(data.height / patch / factor);
    nlohmann::json config = {{"class", "EDMPrecond"},
                             {"model_type", architecture == "song-unet" ? "SongUNet" : "DhariwalUNet"},
                             {"img_resolution", data.height},
                             {"img_channels", data.channels},
                             {"label_dim", options.on("class-conditional") ? data.classes : 0},
                             {"sigma_data", options.number("sigma-data")},
                             {"model_channels", options.integer("channels")},
                             {"channel_mult", channel_mult(options)},
                             {"num_blocks", options.integer("res-blocks")},
                             {"attn_resolutions", sides},
                             {"dropout", options.number("dropout")}};
    if (patch > 1) config["patch"] = patch;
    return config;
}

std::shared_ptr<const TrainableNetwork> mlp(const Options& options, const TrainingData& data,
                                            Objective objective) {
    if (objective != Objective::edm && objective != Objective::simple)
        throw Error("option", "the architecture mlp has no variance to learn", "--objective",
                    "use --objective edm or simple");
    for (const char* name : {"heads", "groups", "attention", "samples"})
        if (options.has(name))
            throw Error("option", "is not for the architecture mlp, whose data are vectors",
                        "--" + std::string(name), "leave it out");
    if (options.number("dropout") != 0 || options.on("class-conditional") || options.on("bf16"))
        throw Error("option", "the architecture mlp has neither dropout nor classes nor convolutions in bfloat16",
                    "--architecture", "leave --dropout, --class-conditional and --bf16 out");
    Preconditioning d;
    set_levels(d, options, objective);
    d.image_size = 1;
    MlpConfig config;
    config.dims = data.channels;
    config.width = options.integer("channels");
    config.blocks = options.integer("res-blocks");
    return trainable_mlp(d, MlpConfig::from_json(config.to_json(), "network options"));
}

}  // namespace

TrainingData load_training_data(const Spec& spec, const std::string& where) {
    constexpr int64_t kDraws = 1'000'000;
    TrainingData out;
    if (spec.name == "exact") {
        auto target = make_exact(spec, where);
        out.channels = c10::multiply_integers(target->shape()), out.height = out.width = 1;
        out.source = exact_source(std::move(target), kDraws, 0, {out.channels, 1, 1});
        return out;
    }
    out.images = std::make_unique<Dataset>(load_dataset(spec, where));
    out.source = dataset_source(*out.images);
    out.channels = out.images->channels, out.height = out.images->height, out.width = out.images->width;
    out.classes = out.images->classes;
    return out;
}

void add_architecture_options(Options& options) {
    options
        .value("architecture", "unet",
               "unet (improved-diffusion), song-unet (DDPM++) or dhariwal-unet (ADM), the latter two as in "
               "EDM, or mlp "
               "(for vectors, as draws of exact:...)")
        .value("channels", "32", "channels of the first level (mlp: of every layer)")
        .value("channel-mult", "1,2,2", "multiplier of each level")
        .value("res-blocks", "1", "residual blocks a level (mlp: in all)")
        .value("attention", "", "down-sampling factors with attention, as 2,4")
        .value("heads", "", "attention heads (unet; default 4)")
        .value("groups", "", "groups of the group norm (unet; default 8)")
        .value("patch", "2", "space-to-depth before the first convolution")
        .value("dropout", "0", "dropout rate");
}

std::shared_ptr<const TrainableNetwork> described_network(const Options& options, const TrainingData& data,
                                                          Objective objective) {
    const std::string architecture = options.text("architecture");
    if ((architecture == "mlp") != !data.images)
        throw Error("option",
                    data.images
                        ? "the architecture mlp is for vectors, but the data are images"
                        : "draws of an exact target are vectors, which only the architecture mlp takes",
                    "--architecture", data.images ? "use unet" : "use --architecture mlp");
    if (architecture == "mlp") return mlp(options, data, objective);
    const int64_t divisor = options.integer("patch") << (channel_mult(options).size() - 1);
    if (data.height != data.width || data.height % divisor != 0)
        throw Error("shape",
                    "images of " + std::to_string(data.height) + "x" + std::to_string(data.width) +
                        " cannot be halved as often as --channel-mult asks",
                    "--data");
    if (architecture == "unet") return trainable_unet(unet(options, data, objective));
    if (architecture == "song-unet" || architecture == "dhariwal-unet")
        return trainable_edm(edm_config(options, data, objective), "network options");
    throw Error("option", "\"" + architecture + "\" is not an architecture", "--architecture",
                "known: unet, song-unet, dhariwal-unet, mlp");
}

}  // namespace schedbench
