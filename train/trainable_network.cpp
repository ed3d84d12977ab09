#include "train/trainable_network.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "models/edm_denoiser.h"

namespace schedbench {

namespace {

/// A network of models/network.h between the preconditioning of the weight files: UNet and Mlp.
template <class Net>
class TrainableNative final : public TrainableNetwork {
  public:
    /// `metadata`: what its weight file says beside the preconditioning.
    TrainableNative(Preconditioning preconditioning, Net net, double dropout,
                    std::map<std::string, std::string> metadata)
        : preconditioning_(std::move(preconditioning)),
          net_(std::make_shared<const Net>(std::move(net))),
          dropout_(dropout),
          metadata_(std::move(metadata)) {
        preconditioning_.to_metadata(metadata_);
    }

    const ParameterShapes& parameter_shapes() const override { return net_->parameter_shapes(); }
    Parameters initial_parameters(uint64_t seed) const override { return net_->initial_parameters(seed); }
    std::vector<int64_t> shape() const override {
        return {net_->in_channels(), preconditioning_.image_size, preconditioning_.image_size};
    }
    int64_t classes() const override { return net_->classes(); }
    int64_t macs() const override {
        return net_->macs(preconditioning_.image_size, preconditioning_.image_size);
    }
    const Spec& process() const override { return preconditioning_.process; }
    double sigma_data() const override { return preconditioning_.sigma_data; }
    double dropout() const override { return dropout_; }
    DenoiserOutput denoise(const Parameters& parameters, const at::Tensor& x, const at::Tensor& levels,
                           const at::Tensor& model_time, const at::Tensor& labels,
                           double dropout) const override {
        return network_denoise(preconditioning_, *net_, parameters, x, levels, model_time, labels, dropout);
    }
    std::map<std::string, std::string> metadata() const override { return metadata_; }
    std::shared_ptr<const Denoiser> denoiser(const Parameters& parameters) const override {
        return std::make_shared<const NativeDenoiser>(preconditioning_, net_, parameters, "training", "");
    }

  private:
    Preconditioning preconditioning_;
    std::shared_ptr<const Net> net_;
    double dropout_;
    std::map<std::string, std::string> metadata_;
};

class TrainableEdm final : public TrainableNetwork {
  public:
    TrainableEdm(const nlohmann::json& config, const std::string& where)
        : config_(config),
          model_(EdmModel::from_json(config, where)),
          shapes_(model_.parameter_shapes()),
          process_(NoiseProcess(model_.precond().process(), where).spec()) {
        if (model_.precond().config().kind != EdmPrecond::Kind::edm)
            throw Error("file", "only a network in EDMPrecond can be trained", where,
                        "give class EDMPrecond");
    }

    const ParameterShapes& parameter_shapes() const override { return shapes_; }
    Parameters initial_parameters(uint64_t seed) const override {
        return model_.network().initial_parameters(seed);
    }
    bool is_trained(const std::string& name) const override { return !EdmNetwork::is_buffer(name); }
    std::vector<int64_t> shape() const override {
        const EdmNetworkConfig& c = model_.network().config();
        return {c.in_channels, c.img_resolution, c.img_resolution};
    }
    int64_t classes() const override { return model_.network().config().label_dim; }
    int64_t macs() const override { return model_.network().macs(); }
    const Spec& process() const override { return process_; }
    double sigma_data() const override { return model_.precond().config().sigma_data; }
    double dropout() const override { return model_.network().config().dropout; }
    DenoiserOutput denoise(const Parameters& parameters, const at::Tensor& x, const at::Tensor& levels,
                           const at::Tensor&, const at::Tensor& labels, double dropout) const override {
        at::Tensor rows;
        if (labels.defined()) rows = at::one_hot(labels, classes());
        return {model_(parameters, x, levels, rows, {}, nullptr, {}, dropout).denoised, {}};
    }
    std::map<std::string, std::string> metadata() const override {
        return {{"family", "edm.precond"}, {"config", config_.dump()}};
    }
    std::shared_ptr<const Denoiser> denoiser(const Parameters& parameters) const override {
        return std::make_shared<const EdmDenoiser>(config_, parameters, std::nullopt, "training", "",
                                                   "training");
    }

  private:
    nlohmann::json config_;
    EdmModel model_;
    ParameterShapes shapes_;
    Spec process_;
};

}  // namespace

std::shared_ptr<const TrainableNetwork> trainable_unet(const NetworkDescription& description) {
    std::map<std::string, std::string> metadata;
    description.to_metadata(metadata);
    return std::make_shared<const TrainableNative<UNet>>(description, UNet(description.config),
                                                         description.config.dropout, std::move(metadata));
}

std::shared_ptr<const TrainableNetwork> trainable_mlp(const Preconditioning& preconditioning,
                                                      const MlpConfig& config) {
    std::map<std::string, std::string> metadata{{"family", Mlp::kFamily}, {"config", config.to_json().dump()}};
    return std::make_shared<const TrainableNative<Mlp>>(preconditioning, Mlp(config), 0, std::move(metadata));
}

std::shared_ptr<const TrainableNetwork> trainable_edm(const nlohmann::json& config,
                                                      const std::string& where) {
    return std::make_shared<const TrainableEdm>(config, where);
}

}  // namespace schedbench
