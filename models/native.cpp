#include "models/native.h"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
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
         "Nichol & Dhariwal 2021, arXiv 2102.09672; Karras et al. 2022, arXiv 2206.00364",
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
           {"auto", "true", "false"}}}}};
    return entries;
}

NetworkDescription NetworkDescription::from_metadata(const std::map<std::string, std::string>& metadata,
                                                     const std::string& where) {
    NetworkDescription d;
    const std::string family = metadata_or(metadata, "family", "");
    if (family != "improved_diffusion.UNetModel")
        throw Error("file", "is a network of the family \"" + family + "\", which is not known here", where,
                    "known: improved_diffusion.UNetModel");
    const auto json = nlohmann::json::parse(metadata_or(metadata, "config", ""), nullptr, false);
    if (!json.is_object()) throw Error("file", "has no metadata entry \"config\" with a JSON object", where);
    d.config = UNetConfig::from_json(json, where);
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
    d.image_size = static_cast<int64_t>(parse_number(metadata_or(metadata, "image_size", "32")).value_or(0));
    if (!(d.sigma_data > 0) || d.image_size <= 0)
        throw Error("file", "has a bad sigma_data or image_size in its metadata", where);
    if (d.config.out_channels != d.config.in_channels && !d.learned_variance())
        throw Error("file", "has out_channels that is neither in_channels nor twice that", where);
    return d;
}

void NetworkDescription::to_metadata(std::map<std::string, std::string>& metadata) const {
    metadata["family"] = "improved_diffusion.UNetModel";
    metadata["config"] = config.to_json().dump();
    metadata["prediction"] = prediction == Prediction::edm ? "edm" : "eps";
    metadata["process"] = process.print();
    metadata["rescale_timesteps"] = rescale_timesteps ? "true" : "false";
    metadata["sigma_data"] = format_number(sigma_data);
    metadata["image_size"] = std::to_string(image_size);
}

DenoiserOutput network_denoise(const NetworkDescription& d, const UNet& net, const Parameters& parameters,
                               const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                               const at::Tensor& labels, double dropout) {
    // Coefficients in float64, one per image; the network sees float32 (or what its weights are).
    std::vector<int64_t> column(static_cast<size_t>(x.dim()), 1);
    column[0] = x.size(0);
    const at::Tensor sigma = levels.to(at::kDouble).reshape(column);
    const auto as_input = [&](const at::Tensor& scaled) {
        return scaled.scalar_type() == at::kDouble ? scaled.to(at::kFloat) : scaled;
    };
    DenoiserOutput out;
    at::Tensor raw, time = model_time;
    if (d.prediction == NetworkDescription::Prediction::eps) {
        if (d.rescale_timesteps) time = time * (1000.0 / static_cast<double>(d.process.integer("T")));
        raw = net.forward(parameters, as_input(x * (sigma * sigma + 1).rsqrt().to(x.scalar_type())), time,
                          labels, dropout);
        out.x0 = x - sigma.to(x.scalar_type()) * raw.narrow(1, 0, d.image_channels()).to(x.scalar_type());
    } else {
        const double sd = d.sigma_data;
        const at::Tensor total = sigma * sigma + sd * sd;
        raw = net.forward(parameters, as_input(x * total.rsqrt().to(x.scalar_type())), time, labels, dropout);
        out.x0 = (sd * sd / total).to(x.scalar_type()) * x +
                 (sigma * sd * total.rsqrt()).to(x.scalar_type()) *
                     raw.narrow(1, 0, d.image_channels()).to(x.scalar_type());
    }
    if (d.learned_variance()) out.variance = raw.narrow(1, d.image_channels(), d.image_channels());
    return out;
}

Parameters checked_parameters(const UNet& net, const std::map<std::string, at::Tensor>& tensors,
                              const std::string& where) {
    std::string missing, extra, misshapen;
    const auto append = [](std::string& list, const std::string& item) {
        list += (list.empty() ? "" : ", ") + item;
    };
    const auto shape_text = [](at::IntArrayRef shape) {
        std::string text = "[";
        for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
        return text + "]";
    };
    for (const auto& [name, shape] : net.parameter_shapes()) {
        const auto it = tensors.find(name);
        if (it == tensors.end())
            append(missing, name);
        else if (it->second.sizes() != at::IntArrayRef(shape) || !it->second.is_floating_point())
            append(misshapen,
                   name + " " + shape_text(it->second.sizes()) + " instead of " + shape_text(shape));
    }
    for (const auto& [name, tensor] : tensors)
        if (!net.parameter_shapes().contains(name)) append(extra, name);
    std::string message;
    if (!missing.empty()) message += "missing tensors: " + missing + "; ";
    if (!extra.empty()) message += "tensors that do not belong: " + extra + "; ";
    if (!misshapen.empty()) message += "wrong shapes: " + misshapen + "; ";
    if (!message.empty())
        throw Error("file", message.substr(0, message.size() - 2), where,
                    "the weights and the config in the metadata disagree");
    Parameters out;
    for (const auto& [name, tensor] : tensors) {
        at::Tensor value = tensor.to(tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
        if (!at::isfinite(value).all().item<bool>())
            throw Error("number", "tensor \"" + name + "\" holds a value that is not finite", where);
        out[name] = value.dim() == 4 ? value.contiguous(at::MemoryFormat::ChannelsLast) : value.contiguous();
    }
    return out;
}

std::shared_ptr<const NativeDenoiser> NativeDenoiser::load(const Spec& completed, const std::string& where) {
    const std::string& path = completed.text("file");
    SafetensorsFile file = read_safetensors(path);
    std::map<std::string, std::string> metadata = file.metadata;
    if (!completed.is_auto("process")) metadata["process"] = completed.text("process");
    if (!completed.is_auto("prediction")) metadata["prediction"] = completed.text("prediction");
    if (!completed.is_auto("rescale")) metadata["rescale_timesteps"] = completed.text("rescale");
    NetworkDescription description =
        NetworkDescription::from_metadata(metadata, where.empty() ? path : where + ", " + path);
    const UNet net(description.config);
    Parameters parameters = checked_parameters(net, file.tensors, path);
    // Results depend on the weights, not on where they lie.
    const std::string hash = sha256_file(path);
    Spec identity = completed;
    identity.set("file", SpecValue::of_text("sha256-" + hash));
    return std::make_shared<const NativeDenoiser>(std::move(description), std::move(parameters),
                                                  identity.print(), hash, std::move(metadata));
}

NativeDenoiser::NativeDenoiser(NetworkDescription description, Parameters parameters, std::string spec,
                               std::string hash, std::map<std::string, std::string> metadata)
    : description_(std::move(description)),
      net_(description_.config),
      process_(description_.process),
      parameters_(std::move(parameters)),
      spec_(std::move(spec)),
      hash_(std::move(hash)),
      metadata_(std::move(metadata)) {}

DenoiserOutput NativeDenoiser::operator()(const at::Tensor& x, const at::Tensor& levels,
                                          const at::Tensor& model_time, const at::Tensor& labels) const {
    return network_denoise(description_, net_, parameters_, x, levels, model_time, labels);
}

std::vector<int64_t> NativeDenoiser::shape() const {
    return {description_.image_channels(), description_.image_size, description_.image_size};
}

}  // namespace schedbench
