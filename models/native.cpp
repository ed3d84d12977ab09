#include "models/native.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/hash.h"
#include "core/profile.h"
#include "models/edm_denoiser.h"
#include "models/safetensors.h"

namespace schedbench {

namespace {

std::string metadata_or(const std::map<std::string, std::string>& metadata, const std::string& key,
                        const std::string& fallback) {
    const auto it = metadata.find(key);
    return it == metadata.end() ? fallback : it->second;
}

}  // namespace

const std::vector<SpecEntry>& native_entries() {
    static const std::vector<SpecEntry> entries = {
        {"native",
         "a network of this program from a safetensors file",
         "Ho et al. 2020, arXiv 2006.11239; Nichol & Dhariwal 2021, arXiv 2102.09672; Dhariwal & Nichol "
         "2021, "
         "arXiv 2105.05233; Karras et al. 2022, arXiv 2206.00364",
         {{"file", SpecParam::Type::text, "", "weight file (safetensors)", {}, true},
          {"process", SpecParam::Type::text, "auto", "noise process spec; auto: the file's own metadata"},
          {"prediction",
           SpecParam::Type::choice,
           "auto",
           "what the network predicts; auto: the file's metadata",
           {"auto", "eps", "edm"}},
          {"rescale",
           SpecParam::Type::choice,
           "auto",
           "feed t*1000/T (eps only); auto: the file's metadata",
           {"auto", "true", "false"}},
          {"precond",
           SpecParam::Type::choice,
           "auto",
           "wrapper of an EDM network (family edm.precond); auto: the file's metadata",
           {"auto", "edm", "vp", "ve", "iddpm"}},
          {"precision",
           SpecParam::Type::choice,
           "auto",
           "bf16: convolutions and attention in bfloat16, which a CPU must have instructions for; another "
           "network to a third digit. auto: bf16 with --profile fast, else float32",
           {"auto", "float32", "bf16"}}}}};
    return entries;
}

Preconditioning Preconditioning::from_metadata(const std::map<std::string, std::string>& metadata,
                                               int64_t image_size, const std::string& where) {
    Preconditioning d;
    const std::string prediction = metadata_or(metadata, "prediction", "eps");
    if (prediction != "eps" && prediction != "edm")
        throw Error("file", "has the unknown prediction \"" + prediction + "\"", where, "known: eps, edm");
    d.prediction = prediction == "edm" ? Prediction::edm : Prediction::eps;
    const std::string process = metadata_or(metadata, "process", "");
    if (process.empty())
        throw Error("file", "does not say its noise process", where,
                    "add process=... to the model's spec, as in process='cosine:T=4000'");
    d.process = NoiseProcess(Spec::parse(process, where), where).spec();
    d.rescale_timesteps = metadata_or(metadata, "rescale_timesteps", "false") == "true";
    d.sigma_data = parse_number(metadata_or(metadata, "sigma_data", "0.5")).value_or(NAN);
    const std::string size = std::to_string(image_size > 0 ? image_size : 32);
    d.image_size = static_cast<int64_t>(parse_number(metadata_or(metadata, "image_size", size)).value_or(0));
    if (!(d.sigma_data > 0) || d.image_size <= 0)
        throw Error("file", "has a bad sigma_data or image_size in its metadata", where);
    return d;
}

void Preconditioning::to_metadata(std::map<std::string, std::string>& metadata) const {
    metadata["prediction"] = prediction == Prediction::edm ? "edm" : "eps";
    metadata["process"] = process.print();
    metadata["rescale_timesteps"] = rescale_timesteps ? "true" : "false";
    metadata["sigma_data"] = format_number(sigma_data);
    metadata["image_size"] = std::to_string(image_size);
}

namespace {

void check_outputs(const Network& net, const std::string& where) {
    if (net.out_channels() != net.in_channels() && !net.learned_variance())
        throw Error("file", "has output channels that are neither the input's nor twice those", where);
}

std::shared_ptr<const Network> network_of(const std::map<std::string, std::string>& metadata,
                                          const std::string& where) {
    auto net =
        make_network(metadata_or(metadata, "family", ""),
                     nlohmann::json::parse(metadata_or(metadata, "config", ""), nullptr, false), where);
    check_outputs(*net, where);
    return net;
}

}  // namespace

NetworkDescription NetworkDescription::from_metadata(const std::map<std::string, std::string>& metadata,
                                                     const std::string& where) {
    NetworkDescription d;
    const auto net = std::dynamic_pointer_cast<const UNet>(network_of(metadata, where));
    if (!net || net->config().family != UNetConfig::Family::improved_diffusion)
        throw Error("file", "is not a network of the family improved_diffusion.UNetModel", where);
    d.config = net->config();
    static_cast<Preconditioning&>(d) = Preconditioning::from_metadata(metadata, 0, where);
    return d;
}

void NetworkDescription::to_metadata(std::map<std::string, std::string>& metadata) const {
    metadata["family"] = UNetConfig::family_name(config.family);
    metadata["config"] = config.to_json().dump();
    Preconditioning::to_metadata(metadata);
}

DenoiserOutput network_denoise(const Preconditioning& d, const Network& net, const Parameters& parameters,
                               const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                               const at::Tensor& labels, double dropout) {
    // Coefficients in float64, one per image; the network sees float32 (or what its weights are).
    std::vector<int64_t> column(static_cast<size_t>(x.dim()), 1);
    column[0] = x.size(0);
    const at::Tensor sigma = levels.to(at::kDouble).reshape(column);
    const bool exact = parameters.begin()->second.scalar_type() == at::kDouble;
    const auto as_input = [&](const at::Tensor& scaled) {
        return scaled.scalar_type() == at::kDouble && !exact ? scaled.to(at::kFloat) : scaled;
    };
    DenoiserOutput out;
    at::Tensor raw, time = model_time;
    if (d.prediction == Preconditioning::Prediction::eps) {
        if (d.rescale_timesteps) time = time * (1000.0 / static_cast<double>(d.process.integer("T")));
        raw = net.forward(parameters, as_input(x * (sigma * sigma + 1).rsqrt().to(x.scalar_type())), time,
                          labels, dropout);
        out.x0 = x - sigma.to(x.scalar_type()) * raw.narrow(1, 0, net.in_channels()).to(x.scalar_type());
    } else {
        const double sd = d.sigma_data;
        const at::Tensor total = sigma * sigma + sd * sd;
        raw = net.forward(parameters, as_input(x * total.rsqrt().to(x.scalar_type())), time, labels, dropout);
        out.x0 = (sd * sd / total).to(x.scalar_type()) * x +
                 (sigma * sd * total.rsqrt()).to(x.scalar_type()) *
                     raw.narrow(1, 0, net.in_channels()).to(x.scalar_type());
    }
    if (net.learned_variance()) out.variance = raw.narrow(1, net.in_channels(), net.in_channels());
    return out;
}

Parameters checked_parameters(const Network& net, const std::map<std::string, at::Tensor>& tensors,
                              const std::string& where) {
    return checked_parameters(net.parameter_shapes(), tensors, where);
}

namespace {

/// Results depend on the weights, not on where they lie. Keys that say nothing about the family are left out,
/// so that one family's new key does not rename the models of another.
std::string identity_of(const Spec& completed, const std::string& hash,
                        std::initializer_list<const char*> without) {
    Spec identity = completed;
    identity.set("file", SpecValue::of_text("sha256-" + hash));
    if (completed.text("precision") == "float32")
        std::erase_if(identity.args, [](const auto& arg) { return arg.first == "precision"; });
    for (const std::string key : without)
        std::erase_if(identity.args, [&](const auto& arg) { return arg.first == key; });
    return identity.print();
}

/// `completed` with the precision that comes into effect in place of auto.
Spec with_precision(Spec completed, const Parameters& parameters, const std::string& where) {
    const bool has_trunk = has_bf16_trunk(parameters);
    const std::string asked = completed.text("precision");
    if (asked == "bf16" && !has_trunk)
        throw Error("spec", "precision=bf16 is for convolutions and attention, and this network has none", where,
                    "leave precision out");
    if (asked == "bf16" && profile_in_force().on_cpu) require_bf16(where + ", key precision");
    if (asked == "auto")
        completed.set("precision",
                      SpecValue::of_text(profile_in_force().fast && has_trunk ? "bf16" : "float32"));
    return completed;
}

std::shared_ptr<const NativeDenoiser> load_network(const Spec& completed, const SafetensorsFile& file,
                                                   const std::string& where) {
    if (!completed.is_auto("precond"))
        throw Error("spec", "precond is for networks of the family edm.precond only", where,
                    "leave precond out");
    std::map<std::string, std::string> metadata = file.metadata;
    if (!completed.is_auto("process")) metadata["process"] = completed.text("process");
    if (!completed.is_auto("prediction")) metadata["prediction"] = completed.text("prediction");
    if (!completed.is_auto("rescale")) metadata["rescale_timesteps"] = completed.text("rescale");
    std::shared_ptr<const Network> net = network_of(metadata, where);
    const Preconditioning preconditioning =
        Preconditioning::from_metadata(metadata, net->image_size(), where);
    Parameters parameters = checked_parameters(*net, file.tensors, file.path);
    const std::string hash = sha256_file(file.path);
    const Spec named = with_precision(completed, parameters, where);
    auto out = std::make_shared<NativeDenoiser>(preconditioning, std::move(net), std::move(parameters),
                                                identity_of(named, hash, {"precond"}), hash, std::move(metadata));
    if (named.text("precision") == "bf16") out->use_bf16();
    return out;
}

std::shared_ptr<const Denoiser> load_edm(const Spec& completed, const SafetensorsFile& file,
                                         const std::string& where) {
    for (const char* key : {"prediction", "rescale"})
        if (!completed.is_auto(key))
            throw Error("spec", std::string(key) + " does not apply to networks of the family edm.precond",
                        where, "precond=edm, vp, ve or iddpm says what they predict");
    auto config = nlohmann::json::parse(file.meta("config"), nullptr, false);
    if (!config.is_object())
        throw Error("file", "has no metadata entry \"config\" with a JSON object", where);
    if (!completed.is_auto("precond"))
        config = with_precond(std::move(config), completed.text("precond"), where);
    std::optional<Spec> process;
    if (!completed.is_auto("process")) process = Spec::parse(completed.text("process"), where);
    // The wrapper that is used is named, whether it was asked for or is the file's own.
    Spec named = completed;
    named.set("precond", SpecValue::of_text(precond_name(precond_of(config, where))));
    const std::string hash = sha256_file(file.path);
    named = with_precision(std::move(named), Parameters(file.tensors), where);
    auto out = std::make_shared<EdmDenoiser>(
        config, file.tensors, process, identity_of(named, hash, {"prediction", "rescale"}), hash, where);
    if (named.text("precision") == "bf16") out->use_bf16();
    return out;
}

}  // namespace

std::shared_ptr<const Denoiser> load_native(const Spec& completed, const std::string& where) {
    const SafetensorsFile file = read_safetensors(completed.text("file"));
    const std::string place = where.empty() ? file.path : where + ", " + file.path;
    if (metadata_or(file.metadata, "family", "") == "edm.precond") return load_edm(completed, file, place);
    return load_network(completed, file, place);
}

NativeDenoiser::NativeDenoiser(Preconditioning preconditioning, std::shared_ptr<const Network> net,
                               Parameters parameters, std::string spec, std::string hash,
                               std::map<std::string, std::string> metadata)
    : description_(std::move(preconditioning)),
      net_(std::move(net)),
      process_(description_.process),
      parameters_(std::move(parameters)),
      spec_(std::move(spec)),
      hash_(std::move(hash)),
      metadata_(std::move(metadata)) {}

NativeDenoiser::NativeDenoiser(const NetworkDescription& description, Parameters parameters, std::string spec,
                               std::string hash, std::map<std::string, std::string> metadata)
    : NativeDenoiser(static_cast<const Preconditioning&>(description),
                     std::make_shared<const UNet>(description.config), std::move(parameters), std::move(spec),
                     std::move(hash), std::move(metadata)) {}

DenoiserOutput NativeDenoiser::operator()(const at::Tensor& x, const at::Tensor& levels,
                                          const at::Tensor& model_time, const at::Tensor& labels) const {
    return network_denoise(description_, *net_, parameters_.for_evaluation(), x, levels, model_time, labels);
}

std::shared_ptr<const Denoiser> NativeDenoiser::moved_to(at::Device device) const {
    auto out = std::make_shared<NativeDenoiser>(*this);
    out->parameters_.move_to(device);
    return out;
}

std::vector<int64_t> NativeDenoiser::shape() const {
    return {net_->in_channels(), description_.image_size, description_.image_size};
}

}  // namespace schedbench
