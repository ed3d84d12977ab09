#include "models/unet.h"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/noise.h"

namespace schedbench {

UNetConfig UNetConfig::from_json(const nlohmann::json& json, const std::string& where) {
    UNetConfig c;
    try {
        for (const auto& [key, value] : json.items()) {
            if (key == "in_channels")
                c.in_channels = value.get<int64_t>();
            else if (key == "model_channels")
                c.model_channels = value.get<int64_t>();
            else if (key == "out_channels")
                c.out_channels = value.get<int64_t>();
            else if (key == "num_res_blocks")
                c.num_res_blocks = value.get<int64_t>();
            else if (key == "attention_resolutions")
                c.attention_resolutions = value.get<std::vector<int64_t>>();
            else if (key == "channel_mult")
                c.channel_mult = value.get<std::vector<int64_t>>();
            else if (key == "conv_resample")
                c.conv_resample = value.get<bool>();
            else if (key == "num_classes")
                c.num_classes = value.is_null() ? 0 : value.get<int64_t>();
            else if (key == "num_heads")
                c.num_heads = value.get<int64_t>();
            else if (key == "num_heads_upsample")
                c.num_heads_upsample = value.get<int64_t>();
            else if (key == "use_scale_shift_norm")
                c.use_scale_shift_norm = value.get<bool>();
            else if (key == "dropout")
                c.dropout = value.get<double>();
            else if (key == "num_groups")
                c.num_groups = value.get<int64_t>();
            else if (key == "patch")
                c.patch = value.get<int64_t>();
            else if (key == "dims") {
                if (value.get<int64_t>() != 2)
                    throw Error("file", "network config has dims other than 2", where);
            } else if (key != "use_checkpoint" && key != "use_fp16")
                throw Error(
                    "file", "network config has the unknown key \"" + key + "\"", where,
                    "improved_diffusion.UNetModel's constructor arguments, num_groups and patch are known");
        }
    } catch (const nlohmann::json::exception& e) {
        throw Error("file", std::string("network config has a value of the wrong type: ") + e.what(), where);
    }
    const bool positive = c.in_channels > 0 && c.model_channels > 0 && c.out_channels > 0 &&
                          c.num_res_blocks > 0 && c.num_heads > 0 && c.num_groups > 0 && c.patch > 0 &&
                          !c.channel_mult.empty() && c.model_channels % 2 == 0;
    if (!positive) throw Error("file", "network config has an impossible size", where);
    if (c.channel_mult[0] != 1)
        throw Error("file", "network config has channel_mult[0] = " + std::to_string(c.channel_mult[0]),
                    where, "the output convolution takes model_channels, so it must be 1");
    for (int64_t mult : c.channel_mult)
        if (mult <= 0 || (c.model_channels * mult) % c.num_groups != 0 ||
            (c.model_channels * mult) % c.num_heads != 0)
            throw Error("file", "network config has channels that its groups or heads do not divide", where);
    return c;
}

nlohmann::json UNetConfig::to_json() const {
    return {{"in_channels", in_channels},
            {"model_channels", model_channels},
            {"out_channels", out_channels},
            {"num_res_blocks", num_res_blocks},
            {"attention_resolutions", attention_resolutions},
            {"channel_mult", channel_mult},
            {"conv_resample", conv_resample},
            {"num_classes", num_classes ? nlohmann::json(num_classes) : nlohmann::json(nullptr)},
            {"num_heads", num_heads},
            {"num_heads_upsample", num_heads_upsample},
            {"use_scale_shift_norm", use_scale_shift_norm},
            {"dropout", dropout},
            {"num_groups", num_groups},
            {"patch", patch}};
}

UNet::UNet(UNetConfig config) : config_(std::move(config)) {
    const UNetConfig& c = config_;
    const int64_t mc = c.model_channels;
    const auto has_attention = [&](int64_t factor) {
        return std::find(c.attention_resolutions.begin(), c.attention_resolutions.end(), factor) !=
               c.attention_resolutions.end();
    };
    const auto name = [](const char* group, size_t block, size_t child) {
        return std::string(group) + "." + std::to_string(block) + "." + std::to_string(child);
    };

    int64_t channels = mc, factor = 1;
    std::vector<int64_t> skips = {mc};
    input_.push_back({{Layer::Kind::conv, "input_blocks.0.0", c.in_channels * c.patch * c.patch, mc, 0, 1}});
    for (size_t level = 0; level < c.channel_mult.size(); ++level) {
        for (int64_t i = 0; i < c.num_res_blocks; ++i) {
            const size_t index = input_.size();
            const int64_t out = mc * c.channel_mult[level];
            Block block = {{Layer::Kind::residual, name("input_blocks", index, 0), channels, out, 0, factor}};
            channels = out;
            if (has_attention(factor))
                block.push_back({Layer::Kind::attention, name("input_blocks", index, 1), channels, channels,
                                 c.num_heads, factor});
            input_.push_back(block);
            skips.push_back(channels);
        }
        if (level + 1 < c.channel_mult.size()) {
            input_.push_back(
                {{Layer::Kind::down, name("input_blocks", input_.size(), 0), channels, channels, 0, factor}});
            skips.push_back(channels);
            factor *= 2;
        }
    }
    middle_ = {{Layer::Kind::residual, "middle_block.0", channels, channels, 0, factor},
               {Layer::Kind::attention, "middle_block.1", channels, channels, c.num_heads, factor},
               {Layer::Kind::residual, "middle_block.2", channels, channels, 0, factor}};
    const int64_t heads_up = c.num_heads_upsample == -1 ? c.num_heads : c.num_heads_upsample;
    for (size_t level = c.channel_mult.size(); level-- > 0;) {
        for (int64_t i = 0; i <= c.num_res_blocks; ++i) {
            const size_t index = output_.size();
            const int64_t out = mc * c.channel_mult[level];
            Block block = {{Layer::Kind::residual, name("output_blocks", index, 0), channels + skips.back(),
                            out, 0, factor}};
            skips.pop_back();
            channels = out;
            if (has_attention(factor))
                block.push_back({Layer::Kind::attention, name("output_blocks", index, 1), channels, channels,
                                 heads_up, factor});
            if (level > 0 && i == c.num_res_blocks) {
                block.push_back({Layer::Kind::up, name("output_blocks", index, block.size()), channels,
                                 channels, 0, factor});
                factor /= 2;
            }
            output_.push_back(block);
        }
    }

    const int64_t emb = 4 * mc;
    const auto pair = [&](const std::string& prefix, std::vector<int64_t> weight) {
        shapes_[prefix + ".bias"] = {weight[0]};
        shapes_[prefix + ".weight"] = std::move(weight);
    };
    pair("time_embed.0", {emb, mc});
    pair("time_embed.2", {emb, emb});
    if (c.num_classes > 0) shapes_["label_emb.weight"] = {c.num_classes, emb};
    for (const auto* blocks : {&input_, &output_})
        for (const Block& block : *blocks)
            for (const Layer& layer : block) add_shapes(layer);
    for (const Layer& layer : middle_) add_shapes(layer);
    shapes_["out.0.weight"] = shapes_["out.0.bias"] = {mc};
    pair("out.2", {c.out_channels * c.patch * c.patch, mc, 3, 3});
}

void UNet::add_shapes(const Layer& layer) {
    const auto pair = [&](const std::string& suffix, std::vector<int64_t> weight) {
        shapes_[layer.prefix + suffix + ".bias"] = {weight[0]};
        shapes_[layer.prefix + suffix + ".weight"] = std::move(weight);
    };
    const int64_t in = layer.in, out = layer.out;
    switch (layer.kind) {
        case Layer::Kind::conv:
            pair("", {out, in, 3, 3});
            break;
        case Layer::Kind::residual:
            pair(".in_layers.0", {in});
            pair(".in_layers.2", {out, in, 3, 3});
            pair(".emb_layers.1", {config_.use_scale_shift_norm ? 2 * out : out, 4 * config_.model_channels});
            pair(".out_layers.0", {out});
            pair(".out_layers.3", {out, out, 3, 3});
            if (in != out) pair(".skip_connection", {out, in, 1, 1});
            break;
        case Layer::Kind::attention:
            pair(".norm", {out});
            pair(".qkv", {3 * out, out, 1});
            pair(".proj_out", {out, out, 1});
            break;
        case Layer::Kind::down:
            if (config_.conv_resample) pair(".op", {out, in, 3, 3});
            break;
        case Layer::Kind::up:
            if (config_.conv_resample) pair(".conv", {out, in, 3, 3});
            break;
    }
}

int64_t UNet::macs(int64_t height, int64_t width) const {
    const int64_t area = height * width / (config_.patch * config_.patch), mc = config_.model_channels;
    int64_t total = 4 * mc * mc + 16 * mc * mc;
    const auto add = [&](const Layer& l) {
        const int64_t pixels = area / (l.factor * l.factor);
        switch (l.kind) {
            case Layer::Kind::conv:
                total += 9 * l.in * l.out * pixels;
                break;
            case Layer::Kind::residual:
                total +=
                    (9 * l.in * l.out + 9 * l.out * l.out + (l.in != l.out ? l.in * l.out : 0)) * pixels +
                    4 * mc * l.out * (config_.use_scale_shift_norm ? 2 : 1);
                break;
            case Layer::Kind::attention:
                total += 4 * l.out * l.out * pixels + 2 * l.out * pixels * pixels;
                break;
            case Layer::Kind::down:
                if (config_.conv_resample) total += 9 * l.in * l.out * pixels / 4;
                break;
            case Layer::Kind::up:
                if (config_.conv_resample) total += 9 * l.in * l.out * pixels * 4;
                break;
        }
    };
    for (const auto* blocks : {&input_, &output_})
        for (const Block& block : *blocks)
            for (const Layer& layer : block) add(layer);
    for (const Layer& layer : middle_) add(layer);
    return total + 9 * mc * config_.out_channels * config_.patch * config_.patch * area;
}

namespace {

at::Tensor norm(const Parameters& p, const std::string& prefix, const at::Tensor& x, int64_t groups) {
    return group_norm(p, prefix, x, groups, 1e-5);
}

}  // namespace

at::Tensor sinusoidal_embedding(const at::Tensor& time, int64_t dim) {
    const int64_t half = dim / 2;
    const auto dtype = time.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor frequencies = at::exp(at::arange(half, time.options().dtype(dtype))
                                               .mul_(-std::log(10000.0))
                                               .div_(static_cast<double>(half)));
    const at::Tensor phases = time.to(dtype).unsqueeze(1) * frequencies.unsqueeze(0);
    return at::cat({phases.cos(), phases.sin()}, 1);
}

at::Tensor UNet::run_residual(const Layer& layer, const Parameters& p, const at::Tensor& x,
                              const at::Tensor& emb, double dropout) const {
    const std::string& pre = layer.prefix;
    at::Tensor h =
        conv(p, pre + ".in_layers.2", at::silu(norm(p, pre + ".in_layers.0", x, config_.num_groups)));
    // emb already went through the SiLU that stands before each block's linear layer.
    const at::Tensor e = linear(p, pre + ".emb_layers.1", emb).to(h.scalar_type()).unsqueeze(2).unsqueeze(3);
    if (config_.use_scale_shift_norm) {
        const auto parts = e.chunk(2, 1);
        h = at::addcmul(parts[1], norm(p, pre + ".out_layers.0", h, config_.num_groups), 1 + parts[0]);
    } else {
        h = norm(p, pre + ".out_layers.0", h + e, config_.num_groups);
    }
    h = at::silu(h);
    if (dropout > 0) h = at::dropout(h, dropout, true);
    h = conv(p, pre + ".out_layers.3", h);
    return (layer.in == layer.out ? x : conv(p, pre + ".skip_connection", x)) + h;
}

at::Tensor UNet::run_attention(const Layer& layer, const Parameters& p, const at::Tensor& x) const {
    const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3),
                  tokens = height * width;
    const int64_t head = channels / layer.heads;
    // Channels-last memory makes [B, HW, C] a view; the 1x1 convolutions are then plain linear layers.
    const at::Tensor h = norm(p, layer.prefix + ".norm", x, config_.num_groups)
                             .permute({0, 2, 3, 1})
                             .reshape({batch, tokens, channels});
    const at::Tensor qkv_weight = parameter(p, layer.prefix + ".qkv.weight").squeeze(2);
    // Channel order of the fused projection: (head, q|k|v, channel of the head).
    const at::Tensor qkv = at::linear(h, qkv_weight, parameter(p, layer.prefix + ".qkv.bias"))
                               .reshape({batch, tokens, layer.heads, 3, head})
                               .permute({3, 0, 2, 1, 4});
    // Both q and k are scaled by head^(-1/4), as in the original: better conditioned than scaling the
    // product.
    const double scale = std::pow(static_cast<double>(head), -0.25);
    const at::Tensor weights = at::matmul(qkv[0] * scale, (qkv[1] * scale).transpose(2, 3));
    const auto soft_dtype = weights.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor mixed =
        at::matmul(at::softmax(weights, -1, soft_dtype).to(weights.scalar_type()), qkv[2])
            .permute({0, 2, 1, 3})
            .reshape({batch, tokens, channels});
    const at::Tensor out = at::linear(mixed, parameter(p, layer.prefix + ".proj_out.weight").squeeze(2),
                                      parameter(p, layer.prefix + ".proj_out.bias"));
    return x + out.reshape({batch, height, width, channels}).permute({0, 3, 1, 2});
}

at::Tensor UNet::run(const Layer& layer, const Parameters& p, const at::Tensor& h, const at::Tensor& emb,
                     double dropout) const {
    switch (layer.kind) {
        case Layer::Kind::conv:
            return conv(p, layer.prefix, h);
        case Layer::Kind::residual:
            return run_residual(layer, p, h, emb, dropout);
        case Layer::Kind::attention:
            return run_attention(layer, p, h);
        case Layer::Kind::down:
            return config_.conv_resample ? conv(p, layer.prefix + ".op", h, 2) : at::avg_pool2d(h, {2, 2});
        case Layer::Kind::up: {
            const at::Tensor big = at::upsample_nearest2d(h, {h.size(2) * 2, h.size(3) * 2});
            return config_.conv_resample ? conv(p, layer.prefix + ".conv", big) : big;
        }
    }
    SCHEDBENCH_ASSERT(false);
    return {};
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
        if (block[0].kind == Layer::Kind::down && factor == 1) report("act.level0", h);
        for (const Layer& layer : block) h = run(layer, p, h, emb, dropout);
        if (block[0].kind == Layer::Kind::down) {
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
    h = conv(p, "out.2", at::silu(norm(p, "out.0", h, config_.num_groups)));
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
