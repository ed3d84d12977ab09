#include "models/unet.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "core/noise.h"
#include "models/evaluation.h"

namespace schedbench {

namespace {

constexpr double kEpsilon = 1e-5;
constexpr ResidualBlock::Names kNames = {"in_layers.0",  "in_layers.2",  "emb_layers.1",
                                         "out_layers.0", "out_layers.3", "skip_connection"};

std::string child(const char* group, size_t block, size_t index) {
    return std::string(group) + "." + std::to_string(block) + "." + std::to_string(index);
}

}  // namespace

UNet::Layer UNet::residual(std::string prefix, int64_t in, int64_t out, int64_t factor,
                           Resample resample) const {
    Layer layer{Layer::Kind::residual, factor, std::move(prefix), in, out, {}, {}};
    layer.residual = {&kNames,
                      layer.prefix,
                      in,
                      out,
                      4 * config_.model_channels,
                      config_.num_groups,
                      kEpsilon,
                      config_.use_scale_shift_norm,
                      resample};
    return layer;
}

UNet::Layer UNet::attention(const std::string& prefix, int64_t channels, int64_t factor,
                            bool upsampling) const {
    Layer layer{Layer::Kind::attention, factor, prefix, channels, channels, {}, {}};
    SelfAttention& a = layer.attention;
    a.norm = prefix + ".norm", a.qkv = prefix + ".qkv", a.projection = prefix + ".proj_out";
    a.channels = channels;
    a.heads = config_.heads(channels, upsampling);
    a.groups = config_.num_groups;
    a.epsilon = kEpsilon;
    a.order = config_.use_new_attention_order ? SelfAttention::Order::qkv_head_channel
                                              : SelfAttention::Order::head_qkv_channel;
    return layer;
}

UNet::Layer UNet::change(Layer::Kind kind, std::string prefix, int64_t channels, int64_t factor) const {
    if (config_.resblock_updown)
        return residual(std::move(prefix), channels, channels, factor,
                        kind == Layer::Kind::down ? Resample::down : Resample::up);
    return {kind, factor, std::move(prefix), channels, channels, {}, {}};
}

UNet::UNet(UNetConfig config) : config_(std::move(config)) {
    const int64_t mc = config_.model_channels, emb = 4 * mc, first = config_.channels(0);
    std::vector<int64_t> skips;
    build_encoder(skips);
    const int64_t lowest = skips.back(), factor = int64_t{1} << (config_.channel_mult.size() - 1);
    middle_ = {residual("middle_block.0", lowest, lowest, factor),
               attention("middle_block.1", lowest, factor, false),
               residual("middle_block.2", lowest, lowest, factor)};
    build_decoder(skips);

    add_linear_shapes(shapes_, "time_embed.0", mc, emb);
    add_linear_shapes(shapes_, "time_embed.2", emb, emb);
    if (config_.num_classes > 0) shapes_["label_emb.weight"] = {config_.num_classes, emb};
    for (const auto* blocks : {&input_, &output_})
        for (const Block& block : *blocks)
            for (const Layer& layer : block) add_shapes(layer);
    for (const Layer& layer : middle_) add_shapes(layer);
    add_norm_shapes(shapes_, "out.0", first);
    add_conv_shapes(shapes_, "out.2", first, config_.out_channels * config_.patch * config_.patch);
}

void UNet::build_encoder(std::vector<int64_t>& skips) {
    const UNetConfig& c = config_;
    int64_t channels = c.channels(0), factor = 1;
    input_.push_back(
        {{Layer::Kind::conv, 1, "input_blocks.0.0", c.in_channels * c.patch * c.patch, channels, {}, {}}});
    skips.push_back(channels);
    for (size_t level = 0; level < c.channel_mult.size(); ++level) {
        for (int64_t i = 0; i < c.num_res_blocks; ++i) {
            const size_t index = input_.size();
            Block block = {residual(child("input_blocks", index, 0), channels, c.channels(level), factor)};
            channels = c.channels(level);
            if (c.attends_at(factor))
                block.push_back(attention(child("input_blocks", index, 1), channels, factor, false));
            input_.push_back(block);
            skips.push_back(channels);
        }
        if (level + 1 < c.channel_mult.size()) {
            input_.push_back(
                {change(Layer::Kind::down, child("input_blocks", input_.size(), 0), channels, factor)});
            skips.push_back(channels);
            factor *= 2;
        }
    }
}

void UNet::build_decoder(std::vector<int64_t>& skips) {
    const UNetConfig& c = config_;
    int64_t channels = skips.back(), factor = int64_t{1} << (c.channel_mult.size() - 1);
    for (size_t level = c.channel_mult.size(); level-- > 0;) {
        for (int64_t i = 0; i <= c.num_res_blocks; ++i) {
            const size_t index = output_.size();
            Block block = {residual(child("output_blocks", index, 0), channels + skips.back(),
                                    c.channels(level), factor)};
            skips.pop_back();
            channels = c.channels(level);
            if (c.attends_at(factor))
                block.push_back(attention(child("output_blocks", index, 1), channels, factor, true));
            if (level > 0 && i == c.num_res_blocks) {
                block.push_back(
                    change(Layer::Kind::up, child("output_blocks", index, block.size()), channels, factor));
                factor /= 2;
            }
            output_.push_back(block);
        }
    }
}

void UNet::add_shapes(const Layer& layer) {
    switch (layer.kind) {
        case Layer::Kind::conv:
            add_conv_shapes(shapes_, layer.prefix, layer.in, layer.out);
            break;
        case Layer::Kind::residual:
            layer.residual.add_shapes(shapes_);
            break;
        case Layer::Kind::attention:
            layer.attention.add_shapes(shapes_);
            break;
        case Layer::Kind::down:
            if (config_.conv_resample) add_conv_shapes(shapes_, layer.prefix + ".op", layer.in, layer.out);
            break;
        case Layer::Kind::up:
            if (config_.conv_resample) add_conv_shapes(shapes_, layer.prefix + ".conv", layer.in, layer.out);
            break;
    }
}

int64_t UNet::macs_of(const Layer& layer, int64_t area) const {
    const int64_t pixels = area / (layer.factor * layer.factor), kernel = 9 * layer.in * layer.out;
    switch (layer.kind) {
        case Layer::Kind::conv:
            return kernel * pixels;
        case Layer::Kind::residual:
            return layer.residual.macs(pixels);
        case Layer::Kind::attention:
            return layer.attention.macs(pixels);
        case Layer::Kind::down:
            return config_.conv_resample ? kernel * pixels / 4 : 0;
        case Layer::Kind::up:
            return config_.conv_resample ? kernel * pixels * 4 : 0;
    }
    return 0;
}

int64_t UNet::macs(int64_t height, int64_t width) const {
    const int64_t area = height * width / (config_.patch * config_.patch), mc = config_.model_channels;
    int64_t total = 4 * mc * mc + 16 * mc * mc;
    for (const auto* blocks : {&input_, &output_})
        for (const Block& block : *blocks)
            for (const Layer& layer : block) total += macs_of(layer, area);
    for (const Layer& layer : middle_) total += macs_of(layer, area);
    return total + 9 * config_.channels(0) * config_.out_channels * config_.patch * config_.patch * area;
}

at::Tensor UNet::run(const Layer& layer, const Parameters& p, const at::Tensor& h, const at::Tensor& emb,
                     double dropout) const {
    switch (layer.kind) {
        case Layer::Kind::conv:
            return conv(p, layer.prefix, h);
        case Layer::Kind::residual:
            return layer.residual(p, h, emb, dropout);
        case Layer::Kind::attention:
            return h + layer.attention(p, h);
        case Layer::Kind::down:
            return config_.conv_resample ? downsampling_conv(p, layer.prefix + ".op", h, false)
                                         : resample_plainly(h, Resample::down);
        case Layer::Kind::up:
            return config_.conv_resample ? upsampling_conv(p, layer.prefix + ".conv", h)
                                         : resample_plainly(h, Resample::up);
    }
    SCHEDBENCH_ASSERT(false);
    return {};
}

bool UNet::goes_down(const Block& block) const {
    return block[0].kind == Layer::Kind::down || block[0].residual.resample == Resample::down;
}

at::Tensor UNet::forward(const Parameters& p, const at::Tensor& x, const at::Tensor& time,
                         const at::Tensor& labels, double dropout, const ActivationTap& tap) const {
    const auto report = [&](const char* name, const at::Tensor& value) {
        if (tap) tap(name, value);
    };
    const at::Tensor& time_weight = parameter(p, "time_embed.0.weight");
    const at::Tensor sinusoid = sinusoidal_embedding(
        time_weight.scalar_type() == at::kDouble ? time.to(at::kDouble) : time.to(at::kFloat),
        config_.model_channels);
    report("act.t_sinusoid", sinusoid);
    at::Tensor emb = linear(p, "time_embed.2",
                            at::silu(linear(p, "time_embed.0", sinusoid.to(time_weight.scalar_type()))));
    report("act.t_emb", emb);
    if (config_.num_classes > 0) {
        SCHEDBENCH_ASSERT(labels.defined());
        emb = emb + at::embedding(parameter(p, "label_emb.weight"), labels);
    }
    report("act.emb", emb);
    emb = at::silu(emb);

    const at::Tensor& first = parameter(p, "input_blocks.0.0.weight");
    at::Tensor h = config_.patch > 1 ? at::pixel_unshuffle(x, config_.patch) : x;
    h = h.to(first.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    std::vector<at::Tensor> skips;
    int64_t factor = 1;
    for (const Block& block : input_) {
        const bool down = goes_down(block);
        if (down && factor == 1) report("act.level0", h);
        for (const Layer& layer : block) h = run(layer, p, h, emb, dropout);
        if (down) {
            if (factor == 1) report("act.level0_down", h);
            factor *= 2;
        }
        skips.push_back(h);
    }
    for (const Layer& layer : middle_) h = run(layer, p, h, emb, dropout);
    report("act.mid", h);
    for (const Block& block : output_) {
        h = at::cat({h, skips.back()}, 1);
        skips.pop_back();
        for (const Layer& layer : block) h = run(layer, p, h, emb, dropout);
    }
    h = conv(p, "out.2", norm_around(p, "out.0", h, config_.num_groups, kEpsilon, {{}, {}, {}, true}));
    if (h.scalar_type() != at::kDouble) h = h.to(at::kFloat);
    return config_.patch > 1 ? at::pixel_shuffle(h, config_.patch) : h;
}

Parameters UNet::initial_parameters(uint64_t seed) const {
    Parameters out;
    uint64_t tensor_index = 0;
    for (const auto& [name, shape] : shapes_) {
        at::Tensor value = at::zeros(shape, at::kFloat);
        const bool is_norm = name.find(".in_layers.0.") != std::string::npos ||
                             name.find(".out_layers.0.") != std::string::npos ||
                             name.find(".norm.") != std::string::npos || name.starts_with("out.0.");
        const bool starts_at_zero = name.find(".out_layers.3.") != std::string::npos ||
                                    name.find(".proj_out.") != std::string::npos ||
                                    name.starts_with("out.2.");
        const bool is_weight = name.ends_with(".weight");
        if (is_norm && is_weight) {
            value.fill_(1);
        } else if (!is_norm && !starts_at_zero) {
            // Uniform in +-1/sqrt(fan in), the default of the layers the original uses; a bias has its
            // weight's fan-in.
            const auto& weight_shape =
                shapes_.at(is_weight ? name : name.substr(0, name.size() - 4) + "weight");
            double fan_in = 1;
            for (size_t i = 1; i < weight_shape.size(); ++i) fan_in *= static_cast<double>(weight_shape[i]);
            float* data = value.mutable_data_ptr<float>();
            fill_uniforms({seed, NoisePurpose::initialisation}, tensor_index, 0,
                          {data, static_cast<size_t>(value.numel())});
            value.mul_(2).sub_(1).mul_(name.starts_with("label_emb") ? 1.0 : 1 / std::sqrt(fan_in));
        }
        out.emplace(name, value);
        ++tensor_index;
    }
    return out;
}

}  // namespace schedbench
