#include "models/edm_network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/noise.h"
#include "models/dhariwal_unet.h"
#include "models/song_unet.h"

namespace schedbench {

namespace {

/// One of two words that a constructor argument may be.
bool is_second(const std::string& key, const nlohmann::json& value, const std::string& first,
               const std::string& second, const std::string& where) {
    const auto text = value.get<std::string>();
    if (text != first && text != second)
        throw Error("file", "network config has " + key + " \"" + text + "\", which is not known here", where,
                    "known: " + first + (second == first ? "" : ", " + second));
    return text == second && second != first;
}

}  // namespace

bool EdmNetworkConfig::set(const std::string& model_type, const std::string& key, const nlohmann::json& value,
                           const std::string& where) {
    try {
        if (key == "img_resolution")
            img_resolution = value.get<int64_t>();
        else if (key == "label_dim")
            label_dim = value.get<int64_t>();
        else if (key == "augment_dim")
            augment_dim = value.get<int64_t>();
        else if (key == "model_channels")
            model_channels = value.get<int64_t>();
        else if (key == "channel_mult")
            channel_mult = value.get<std::vector<int64_t>>();
        else if (key == "channel_mult_emb")
            channel_mult_emb = value.get<int64_t>();
        else if (key == "num_blocks")
            num_blocks = value.get<int64_t>();
        else if (key == "attn_resolutions")
            attn_resolutions = value.get<std::vector<int64_t>>();
        else if (key == "dropout")
            dropout = value.get<double>();
        else if (key == "patch")
            patch = value.get<int64_t>();
        else if (key == "label_dropout")
            value.get<double>();  // training only, and not done here
        else if (model_type != "SongUNet")
            return false;
        else if (key == "embedding_type")
            fourier = is_second(key, value, "positional", "fourier", where);
        else if (key == "channel_mult_noise")
            channel_mult_noise = value.get<int64_t>();
        else if (key == "encoder_type")
            residual_encoder = is_second(key, value, "standard", "residual", where);
        else if (key == "decoder_type")
            is_second(key, value, "standard", "standard", where);
        else if (key == "resample_filter")
            resample_filter = value.get<std::vector<double>>();
        else
            return false;
    } catch (const nlohmann::json::exception& e) {
        throw Error("file", "network config has a value of the wrong type: " + std::string(e.what()), where,
                    "see " + key);
    }
    return true;
}

void EdmNetworkConfig::check(const std::string& where) const {
    constexpr int64_t kMost = 1 << 20;
    const auto sizes = {img_resolution,   in_channels, out_channels,       model_channels,
                        channel_mult_emb, num_blocks,  channel_mult_noise, patch};
    const bool in_range =
        std::all_of(sizes.begin(), sizes.end(), [](int64_t v) { return v > 0 && v <= kMost; }) &&
        label_dim >= 0 && label_dim <= kMost && augment_dim >= 0 && augment_dim <= kMost &&
        num_blocks <= 1000 && patch <= img_resolution && dropout >= 0 && dropout < 1;
    if (!in_range || channel_mult.empty() || channel_mult.size() > 16 || model_channels % 2 != 0)
        throw Error("file", "network config has an impossible size", where,
                    "sizes must be positive and model_channels even");
    const int64_t factor = patch << (channel_mult.size() - 1);
    if (img_resolution % factor != 0)
        throw Error("file",
                    "network config has img_resolution " + std::to_string(img_resolution) + ", which " +
                        (patch > 1 ? "a patch of " + std::to_string(patch) + " and " : "") +
                        std::to_string(channel_mult.size() - 1) + " halvings do not divide",
                    where);
    if (resample_filter.size() < 2 || resample_filter.size() > 16 || resample_filter.size() % 2 != 0)
        throw Error("file", "network config has a resample_filter that is not 2, 4, ... 16 taps", where);
    for (int64_t mult : channel_mult)
        if (mult <= 0 || mult > 1000)
            throw Error("file", "network config has an impossible channel_mult", where);
}

bool EdmNetworkConfig::attends_at(int64_t side) const {
    return std::find(attn_resolutions.begin(), attn_resolutions.end(), side) != attn_resolutions.end();
}

std::string EdmNetworkConfig::level_name(const char* group, size_t level, const std::string& suffix) const {
    const std::string side = std::to_string(resolution(level));
    return std::string("model.") + group + "." + side + "x" + side + "_" + suffix;
}

EdmNetwork::EdmNetwork(EdmNetworkConfig config, const EdmLayout& layout, const std::string& where)
    : config_(std::move(config)) {
    const EdmNetworkConfig& c = config_;
    const auto block = [&](size_t level, const char* group, const std::string& name, int64_t in, int64_t out,
                           Resample resample, bool attends) {
        Stage stage{Stage::Kind::block, level, {}, layout.block};
        stage.block.prefix = c.level_name(group, level, name);
        stage.block.in = in;
        stage.block.out = out;
        stage.block.resample = resample;
        if (attends) stage.block.heads = layout.channels_per_head > 0 ? out / layout.channels_per_head : 1;
        return stage;
    };

    int64_t channels = layout.first_channels, auxiliary = c.in_channels * c.patch * c.patch;
    std::vector<int64_t> skips;
    for (size_t level = 0; level < c.channel_mult.size(); ++level) {
        if (level == 0)
            add(encoder_, {Stage::Kind::conv, 0, {c.level_name("enc", 0, "conv"), auxiliary, channels}, {}},
                where);
        else
            add(encoder_, block(level, "enc", "down", channels, channels, Resample::down, false), where);
        skips.push_back(channels);
        if (level > 0 && c.residual_encoder) {
            const EdmConv join{c.level_name("enc", level, "aux_residual"),
                               auxiliary,
                               channels,
                               3,
                               Resample::down,
                               c.resample_filter,
                               true};
            add(encoder_, {Stage::Kind::auxiliary, level, join, {}}, where);
            auxiliary = channels;
        }
        for (int64_t i = 0; i < c.num_blocks; ++i) {
            const int64_t out = c.model_channels * c.channel_mult[level];
            add(encoder_,
                block(level, "enc", "block" + std::to_string(i), channels, out, Resample::none,
                      c.attends_at(c.resolution(level))),
                where);
            skips.push_back(channels = out);
        }
    }
    for (size_t level = c.channel_mult.size(); level-- > 0;) {
        if (level + 1 == c.channel_mult.size()) {
            add(decoder_, block(level, "dec", "in0", channels, channels, Resample::none, true), where);
            add(decoder_, block(level, "dec", "in1", channels, channels, Resample::none, false), where);
        } else {
            add(decoder_, block(level, "dec", "up", channels, channels, Resample::up, false), where);
        }
        for (int64_t i = 0; i <= c.num_blocks; ++i) {
            const int64_t in = channels + skips.back();
            skips.pop_back();
            channels = c.model_channels * c.channel_mult[level];
            const bool attends = c.attends_at(c.resolution(level)) &&
                                 (layout.decoder_attends_in_every_block || i == c.num_blocks);
            add(decoder_,
                block(level, "dec", "block" + std::to_string(i), in, channels, Resample::none, attends),
                where);
        }
    }
}

void EdmNetwork::add(std::vector<Stage>& stages, Stage stage, const std::string& where) {
    if (stage.kind == Stage::Kind::block) {
        for (const int64_t channels : {stage.block.in, stage.block.out})
            if (edm_groups(channels) == 0 || channels % edm_groups(channels) != 0)
                throw Error("file",
                            "network config gives " + stage.block.prefix + " " + std::to_string(channels) +
                                " channels, which min(32, channels/4) groups do not divide",
                            where);
        if (stage.block.heads > 0 && stage.block.out % stage.block.heads != 0)
            throw Error("file",
                        "network config gives " + stage.block.prefix + " " + std::to_string(stage.block.out) +
                            " channels, which its " + std::to_string(stage.block.heads) +
                            " heads do not divide",
                        where);
        stage.block.add_shapes(shapes_);
    } else {
        stage.conv.add_shapes(shapes_);
    }
    stages.push_back(std::move(stage));
}

at::Tensor EdmNetwork::forward(const Parameters& p, const at::Tensor& x, const at::Tensor& noise_labels,
                               const at::Tensor& classes, const at::Tensor& augment, const ActivationTap& tap,
                               double dropout) const {
    const auto report = [&](const char* name, const at::Tensor& value) {
        if (tap) tap(name, value);
    };
    SCHEDBENCH_ASSERT(classes.defined() == (config_.label_dim > 0));
    const at::Tensor noise = embed_noise(p, noise_labels);
    report("act.noise_emb", noise);
    const at::Tensor emb = embed(p, noise, classes, augment);
    report("act.emb", emb);

    const auto trunk = parameter(p, encoder_[0].conv.prefix + ".weight").scalar_type();
    at::Tensor h = config_.patch > 1 ? at::pixel_unshuffle(x, config_.patch) : x;
    h = h.to(trunk).contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor auxiliary = h;
    std::vector<at::Tensor> skips;
    for (size_t i = 0; i < encoder_.size(); ++i) {
        const Stage& stage = encoder_[i];
        if (stage.kind == Stage::Kind::auxiliary) {
            auxiliary = (h + stage.conv(p, auxiliary)) / std::sqrt(2.0);
            h = skips.back() = auxiliary;
        } else {
            h = stage.kind == Stage::Kind::conv ? stage.conv(p, h) : stage.block(p, h, emb, dropout);
            skips.push_back(h);
        }
        const size_t next = i + 1 < encoder_.size() ? encoder_[i + 1].level : stage.level + 1;
        if (stage.level == 0 && next == 1) report("act.level0", h);
        const bool enters =
            stage.level == 1 && (stage.kind == Stage::Kind::auxiliary ||
                                 (stage.block.resample == Resample::down && !config_.residual_encoder));
        if (enters) report("act.level0_down", h);
    }
    for (size_t i = 0; i < decoder_.size(); ++i) {
        const EdmBlock& block = decoder_[i].block;
        if (h.size(1) != block.in) {
            h = at::cat({h, skips.back()}, 1);
            skips.pop_back();
        }
        h = block(p, h, emb, dropout);
        if (i == 1) report("act.mid", h);
    }
    h = finish(p, h).to(x.scalar_type());
    return config_.patch > 1 ? at::pixel_shuffle(h, config_.patch) : h;
}

int64_t EdmNetwork::macs() const {
    int64_t total = outer_macs();
    for (const auto* stages : {&encoder_, &decoder_})
        for (const Stage& stage : *stages) {
            const int64_t side = config_.resolution(stage.level), pixels = side * side;
            // The convolution of NCSN++'s second path down comes before the filter, at four times the pixels.
            total += stage.kind == Stage::Kind::block
                         ? stage.block.macs(pixels)
                         : stage.conv.macs(stage.conv.fused ? 4 * pixels : pixels);
        }
    return total;
}

bool EdmNetwork::is_buffer(const std::string& name) {
    return name.ends_with(".resample_filter") || name.ends_with(".freqs");
}

Parameters EdmNetwork::initial_parameters(uint64_t seed) const {
    const NoiseKey key{seed, NoisePurpose::initialisation};
    const auto uniform = [&](at::Tensor& value, uint64_t index) {
        fill_uniforms(key, index, 0, {value.mutable_data_ptr<float>(), static_cast<size_t>(value.numel())});
        value.mul_(2).sub_(1).mul_(std::sqrt(3.0));  // unit variance
    };
    const auto normal = [&](at::Tensor& value, uint64_t index) {
        fill_normals(key, index, 0, {value.mutable_data_ptr<float>(), static_cast<size_t>(value.numel())});
    };
    const at::Tensor taps = at::tensor(config_.resample_filter, at::kDouble);
    Parameters out;
    uint64_t index = 0;
    for (const auto& [name, shape] : shapes_) {
        at::Tensor value = at::zeros(shape, at::kFloat);
        const std::string layer = name.substr(0, name.rfind('.'));
        const bool is_weight = name.ends_with(".weight");
        if (name.ends_with(".resample_filter")) {
            value.copy_((at::outer(taps, taps) / taps.sum().square()).reshape(shape));
        } else if (name.ends_with(".freqs")) {
            normal(value, index);
            value.mul_(16);  // Song et al. 2021, arXiv 2011.13456: the scale of the Fourier features
        } else if (shapes_.at(layer + ".weight").size() == 1) {  // a norm
            if (is_weight) value.fill_(1);
        } else {
            const InitialLaw law = initial_law(layer);
            const std::vector<int64_t>& weight = shapes_.at(layer + ".weight");
            double area = 1;
            for (size_t i = 2; i < weight.size(); ++i) area *= static_cast<double>(weight[i]);
            const double in = static_cast<double>(weight[1]) * area,
                         out_fan = static_cast<double>(weight[0]) * area;
            if (law.kind == InitialLaw::Kind::kaiming_normal)
                normal(value, index);
            else
                uniform(value, index);
            value.mul_((is_weight ? law.weight : law.bias) *
                       std::sqrt(law.kind == InitialLaw::Kind::xavier_uniform ? 2 / (in + out_fan) : 1 / in));
        }
        out.emplace(name, value);
        ++index;
    }
    return out;
}

EdmNetworkConfig default_edm_config(const std::string& model_type, const std::string& where) {
    if (model_type == "SongUNet") return SongUNet::defaults();
    if (model_type == "DhariwalUNet") return DhariwalUNet::defaults();
    throw Error("file", "network config has model_type \"" + model_type + "\", which is not known here",
                where, "known: SongUNet, DhariwalUNet");
}

std::unique_ptr<const EdmNetwork> make_edm_network(const std::string& model_type, EdmNetworkConfig config,
                                                   const std::string& where) {
    config.check(where);
    if (model_type == "DhariwalUNet") return std::make_unique<const DhariwalUNet>(std::move(config), where);
    SCHEDBENCH_ASSERT(model_type == "SongUNet");
    return std::make_unique<const SongUNet>(std::move(config), where);
}

}  // namespace schedbench
