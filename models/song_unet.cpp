#include "models/song_unet.h"

#include <ATen/ATen.h>

#include <cmath>

namespace schedbench {

namespace {

constexpr double kEpsilon = 1e-6;

EdmLayout song_layout(const EdmNetworkConfig& c) {
    EdmLayout layout;
    layout.block.embedding = c.model_channels * c.channel_mult_emb;
    layout.block.skip_scale = std::sqrt(0.5);
    layout.block.epsilon = kEpsilon;
    layout.block.taps = c.resample_filter;
    layout.block.resample_proj = true;
    layout.block.adaptive_scale = false;
    layout.first_channels = c.model_channels;
    return layout;
}

}  // namespace

SongUNet::SongUNet(EdmNetworkConfig config, const std::string& where)
    : EdmNetwork(config, song_layout(config), where) {
    const EdmNetworkConfig& c = config_;
    const int64_t noise = noise_channels(), embedding = c.model_channels * c.channel_mult_emb;
    if (c.fourier) shapes_["model.map_noise.freqs"] = {noise / 2};
    if (c.label_dim > 0) add_linear_shapes(shapes_, "model.map_label", c.label_dim, noise);
    if (c.augment_dim > 0) add_linear_shapes(shapes_, "model.map_augment", c.augment_dim, noise, false);
    add_linear_shapes(shapes_, "model.map_layer0", noise, embedding);
    add_linear_shapes(shapes_, "model.map_layer1", embedding, embedding);
    const int64_t last = c.model_channels * c.channel_mult[0];
    add_norm_shapes(shapes_, c.level_name("dec", 0, "aux_norm"), last);
    EdmConv{c.level_name("dec", 0, "aux_conv"), last, c.out_channels * c.patch * c.patch}.add_shapes(shapes_);
}

at::Tensor SongUNet::embed_noise(const Parameters& p, const at::Tensor& noise_labels) const {
    return config_.fourier ? fourier_embedding(noise_labels, parameter(p, "model.map_noise.freqs"))
                           : positional_embedding(noise_labels, noise_channels(), true);
}

at::Tensor SongUNet::embed(const Parameters& p, const at::Tensor& noise, const at::Tensor& classes,
                           const at::Tensor& augment) const {
    const auto halves = noise.chunk(2, 1);
    at::Tensor emb = at::cat({halves[1], halves[0]}, 1);  // sines first
    // A zero row still adds the bias. The factor gives one-hot rows unit variance.
    if (config_.label_dim > 0)
        emb = emb + linear(p, "model.map_label", classes * std::sqrt(static_cast<double>(config_.label_dim)));
    if (config_.augment_dim > 0 && augment.defined())
        emb = emb + at::linear(augment, parameter(p, "model.map_augment.weight"));
    emb = at::silu(linear(p, "model.map_layer0", emb));
    return at::silu(linear(p, "model.map_layer1", emb));
}

at::Tensor SongUNet::finish(const Parameters& p, const at::Tensor& h) const {
    const at::Tensor normed = edm_norm_silu(p, config_.level_name("dec", 0, "aux_norm"), h, kEpsilon);
    return conv(p, config_.level_name("dec", 0, "aux_conv"), normed);
}

EdmNetwork::InitialLaw SongUNet::initial_law(const std::string& layer) const {
    // What ends a residual branch or the network starts near zero, the attention's projections small.
    double weight = 1;
    if (layer.ends_with(".conv1") || layer.ends_with(".proj") || layer.ends_with("_aux_conv")) weight = 1e-5;
    if (layer.ends_with(".qkv")) weight = std::sqrt(0.2);
    return {InitialLaw::Kind::xavier_uniform, weight, 0};
}

int64_t SongUNet::outer_macs() const {
    const EdmNetworkConfig& c = config_;
    const int64_t noise = noise_channels(), embedding = c.model_channels * c.channel_mult_emb;
    const int64_t pixels = c.resolution(0) * c.resolution(0), image = c.out_channels * c.patch * c.patch;
    return (c.label_dim + c.augment_dim) * noise + noise * embedding + embedding * embedding +
           9 * c.model_channels * c.channel_mult[0] * image * pixels;
}

}  // namespace schedbench
