#include "models/edm_denoiser.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"

namespace schedbench {

namespace {

std::string text_of(const nlohmann::json& config, const char* key, const std::string& where) {
    const auto it = config.find(key);
    if (it == config.end() || !it->is_string())
        throw Error("file", std::string("network config does not name its ") + key, where,
                    "it is the constructor arguments of EDM's wrapper, with class and model_type");
    return it->get<std::string>();
}

/// Arguments that say nothing about the values computed here.
bool is_neutral(const std::string& key) {
    return key == "class" || key == "model_type" || key == "use_fp16" || key == "img_channels";
}

void check_filters(const EdmNetworkConfig& config, const Parameters& parameters, const std::string& where) {
    const at::Tensor taps = at::tensor(config.resample_filter, at::kDouble);
    const at::Tensor filter = at::outer(taps, taps) / taps.sum().square();
    for (const auto& [name, value] : parameters)
        if (name.ends_with(".resample_filter") &&
            !at::allclose(value.to(at::kDouble).squeeze(0).squeeze(0), filter, 1e-3, 1e-6))
            throw Error("file", "tensor \"" + name + "\" is not the resample_filter of the config", where,
                        "the weights and the config in the metadata disagree");
}

}  // namespace

EdmModel EdmModel::from_json(const nlohmann::json& config, const std::string& where) {
    if (!config.is_object()) throw Error("file", "network config is not a JSON object", where);
    const std::string model_type = text_of(config, "model_type", where);
    const EdmPrecond::Kind kind = precond_of(config, where);
    EdmPrecond::Config wrapper = EdmPrecond::Config::defaults(kind);
    EdmNetworkConfig network = default_edm_config(model_type, where);
    for (const auto& [key, value] : config.items())
        if (!is_neutral(key) && !wrapper.set(key, value, where) &&
            !network.set(model_type, key, value, where))
            throw Error("file", "network config has the unknown key \"" + key + "\"", where,
                        "the constructor arguments of " + text_of(config, "class", where) + " and " +
                            model_type + " are known");
    if (const auto it = config.find("img_channels"); it != config.end()) {
        if (!it->is_number_integer())
            throw Error("file", "network config has img_channels of the wrong type", where);
        network.in_channels = it->get<int64_t>();
    }
    network.out_channels = kind == EdmPrecond::Kind::iddpm ? 2 * network.in_channels : network.in_channels;
    return {EdmPrecond(wrapper, where), make_edm_network(model_type, std::move(network), where)};
}

ParameterShapes EdmModel::parameter_shapes() const {
    ParameterShapes shapes = network_->parameter_shapes();
    if (precond_.table().defined()) shapes["u"] = {precond_.table().size(0)};
    return shapes;
}

Parameters EdmModel::load(const std::map<std::string, at::Tensor>& tensors, const std::string& where) {
    Parameters parameters = checked_parameters(parameter_shapes(), tensors, where);
    check_filters(network_->config(), parameters, where);
    if (precond_.table().defined()) precond_.set_table(parameters.at("u"), where);
    return parameters;
}

EdmModel::Output EdmModel::operator()(const Parameters& parameters, const at::Tensor& x,
                                      const at::Tensor& sigma, const at::Tensor& classes,
                                      const at::Tensor& augment, const ActivationTap& tap,
                                      const at::Tensor& c_noise, double dropout) const {
    const EdmNetworkConfig& config = network_->config();
    const auto dtype = parameter(parameters, "model.map_layer0.weight").scalar_type();
    const at::Tensor image = x.to(dtype);
    const EdmCoefficients c = precond_.coefficients(sigma.to(dtype));
    const auto column = [](const at::Tensor& values) { return values.reshape({-1, 1, 1, 1}); };

    Output out;
    out.c_noise = c_noise.defined() ? c_noise.to(dtype) : c.noise;
    at::Tensor rows = classes;
    if (config.label_dim > 0)
        rows = classes.defined() ? classes.to(dtype) : at::zeros({1, config.label_dim}, image.options());
    out.raw = network_->forward(parameters, column(c.in) * image, out.c_noise, rows,
                                augment.defined() ? augment.to(dtype) : augment, tap, dropout);
    out.denoised = column(c.skip) * image + column(c.out) * out.raw.narrow(1, 0, config.in_channels);
    return out;
}

EdmDenoiser::EdmDenoiser(const nlohmann::json& config, const std::map<std::string, at::Tensor>& tensors,
                         const std::optional<Spec>& process, std::string spec, std::string hash,
                         const std::string& where)
    : model_(EdmModel::from_json(config, where)),
      parameters_(model_.load(tensors, where)),
      process_(process ? *process : model_.precond().process(), where),
      spec_(std::move(spec)),
      hash_(std::move(hash)) {
    if (!process) return;
    if (model_.precond().table().defined())
        throw Error("spec", "a network in iDDPMPrecond has the noise process of its own table", where,
                    "leave process out");
    if (process_.discrete())
        throw Error("spec",
                    "process=" + process->name + " is a table, but the network knows a range of levels",
                    where, "give process='continuous:sigma-min=...,sigma-max=...'");
}

DenoiserOutput EdmDenoiser::operator()(const at::Tensor& x, const at::Tensor& levels,
                                       const at::Tensor& model_time, const at::Tensor& labels) const {
    const EdmNetworkConfig& config = model_.network().config();
    at::Tensor rows;
    if (config.label_dim > 0 && labels.defined()) rows = at::one_hot(labels, config.label_dim);
    const EdmModel::Output result = model_(parameters_.for_evaluation(), x, levels, rows, {}, nullptr,
                                           process_.discrete() ? model_time : at::Tensor());
    DenoiserOutput out;
    out.x0 = result.denoised.to(x.scalar_type());
    if (has_variance()) out.variance = result.raw.narrow(1, config.in_channels, config.in_channels);
    return out;
}

std::shared_ptr<const Denoiser> EdmDenoiser::moved_to(at::Device device) const {
    auto out = std::make_shared<EdmDenoiser>(*this);
    out->model_.move_to(device);
    out->parameters_.move_to(device);
    return out;
}

std::vector<int64_t> EdmDenoiser::shape() const {
    const EdmNetworkConfig& config = model_.network().config();
    return {config.in_channels, config.img_resolution, config.img_resolution};
}

bool EdmDenoiser::has_variance() const {
    return model_.precond().config().kind == EdmPrecond::Kind::iddpm;
}

EdmPrecond::Kind precond_of(const nlohmann::json& config, const std::string& where) {
    return precond_of_class(text_of(config, "class", where), where);
}

nlohmann::json with_precond(nlohmann::json config, const std::string& name, const std::string& where) {
    const EdmPrecond::Kind old = precond_of(config, where);
    if (precond_name(old) == name) return config;
    EdmPrecond::Config arguments = EdmPrecond::Config::defaults(old);
    std::vector<std::string> belong;
    for (const auto& [key, value] : config.items())
        if (!is_neutral(key) && arguments.set(key, value, where)) belong.push_back(key);
    for (const std::string& key : belong) config.erase(key);
    for (const char* cls : {"EDMPrecond", "VPPrecond", "VEPrecond", "iDDPMPrecond"})
        if (precond_name(precond_of_class(cls, where)) == name) config["class"] = cls;
    if ((name == "iddpm") != (old == EdmPrecond::Kind::iddpm))
        throw Error("spec",
                    "precond=" + name + " does not suit a network that was made for " + precond_name(old) +
                        ": iddpm's networks have twice the output channels",
                    where);
    return config;
}

}  // namespace schedbench
