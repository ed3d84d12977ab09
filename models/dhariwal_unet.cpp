#include "models/dhariwal_unet.h"

#include <ATen/ATen.h>

#include <cmath>

namespace schedbench {

namespace {

constexpr double kEpsilon = 1e-5;

EdmLayout dhariwal_layout(const EdmNetworkConfig& c) {
    EdmLayout layout;
    layout.block.embedding = c.model_channels * c.channel_mult_emb;
    layout.block.epsilon = kEpsilon;
    layout.first_channels = c.channel_mult.empty() ? 0 : c.model_channels * c.channel_mult[0];
    layout.channels_per_head = 64;
    layout.decoder_attends_in_every_block = true;
    return layout;
}

}  // namespace

EdmNetworkConfig DhariwalUNet::defaults() {
    EdmNetworkConfig c;
    c.model_channels = 192;
    c.channel_mult = {1, 2, 3, 4};
    c.num_blocks = 3;
    c.attn_resolutions = {32, 16, 8};
    return c;
}

DhariwalUNet::DhariwalUNet(EdmNetworkConfig config, const std::string& where)
    : EdmNetwork(config, dhariwal_layout(config), where) {
    const EdmNetworkConfig& c = config_;
    const int64_t noise = c.model_channels, embedding = c.model_channels * c.channel_mult_emb;
    if (c.augment_dim > 0) add_linear_shapes(shapes_, "model.map_augment", c.augment_dim, noise, false);
    add_linear_shapes(shapes_, "model.map_layer0", noise, embedding);
    add_linear_shapes(shapes_, "model.map_layer1", embedding, embedding);
    if (c.label_dim > 0) add_linear_shapes(shapes_, "model.map_label", c.label_dim, embedding, false);
    const int64_t last = c.model_channels * c.channel_mult[0];
    add_norm_shapes(shapes_, "model.out_norm", last);
    EdmConv{"model.out_conv", last, c.out_channels * c.patch * c.patch}.add_shapes(shapes_);
}

at::Tensor DhariwalUNet::embed_noise(const Parameters&, const at::Tensor& noise_labels) const {
    return positional_embedding(noise_labels, config_.model_channels, false);
}

at::Tensor DhariwalUNet::embed(const Parameters& p, const at::Tensor& noise, const at::Tensor& classes,
                               const at::Tensor& augment) const {
    at::Tensor emb = noise;
    if (config_.augment_dim > 0 && augment.defined())
        emb = emb + at::linear(augment, parameter(p, "model.map_augment.weight"));
    emb = linear(p, "model.map_layer1", at::silu(linear(p, "model.map_layer0", emb)));
    // Unlike SongUNet: after the second layer, without a factor and without a bias.
    if (config_.label_dim > 0) emb = emb + at::linear(classes, parameter(p, "model.map_label.weight"));
    return at::silu(emb);
}

at::Tensor DhariwalUNet::finish(const Parameters& p, const at::Tensor& h) const {
    return conv(p, "model.out_conv", edm_norm_silu(p, "model.out_norm", h, kEpsilon));
}

EdmNetwork::InitialLaw DhariwalUNet::initial_law(const std::string& layer) const {
    using Kind = InitialLaw::Kind;
    if (layer.ends_with(".conv1") || layer.ends_with(".proj") || layer == "model.out_conv" ||
        layer == "model.map_augment")
        return {Kind::kaiming_uniform, 0, 0};
    if (layer == "model.map_label")
        return {Kind::kaiming_normal, std::sqrt(static_cast<double>(config_.label_dim)), 0};
    return {Kind::kaiming_uniform, std::sqrt(1.0 / 3), std::sqrt(1.0 / 3)};
}

int64_t DhariwalUNet::outer_macs() const {
    const EdmNetworkConfig& c = config_;
    const int64_t noise = c.model_channels, embedding = c.model_channels * c.channel_mult_emb;
    const int64_t pixels = c.resolution(0) * c.resolution(0), image = c.out_channels * c.patch * c.patch;
    return c.augment_dim * noise + noise * embedding + embedding * embedding + c.label_dim * embedding +
           9 * c.model_channels * c.channel_mult[0] * image * pixels;
}

}  // namespace schedbench
