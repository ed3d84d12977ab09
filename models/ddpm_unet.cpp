#include "models/ddpm_unet.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/evaluation.h"

namespace schedbench {

namespace {

constexpr double kEpsilon = 1e-6;
constexpr int64_t kGroups = 32;
constexpr ResidualBlock::Names kNames = {"norm1", "conv1", "temb_proj", "norm2", "conv2", "nin_shortcut"};

SelfAttention single_head(const std::string& prefix, int64_t channels) {
    SelfAttention a;
    a.norm = prefix + ".norm", a.qkv = prefix + ".", a.projection = prefix + ".proj_out";
    a.channels = channels;
    a.groups = kGroups;
    a.epsilon = kEpsilon;
    a.order = SelfAttention::Order::separate;
    a.kernel_dims = 2;
    return a;
}

std::string part(const char* group, size_t level, const char* kind, int64_t index) {
    return std::string(group) + "." + std::to_string(level) + "." + kind + "." + std::to_string(index);
}

}  // namespace

bool DdpmConfig::set(const std::string& key, const nlohmann::json& value) {
    if (key == "ch")
        ch = value.get<int64_t>();
    else if (key == "in_channels")
        in_channels = value.get<int64_t>();
    else if (key == "out_ch")
        out_ch = value.get<int64_t>();
    else if (key == "ch_mult")
        ch_mult = value.get<std::vector<int64_t>>();
    else if (key == "num_res_blocks")
        num_res_blocks = value.get<int64_t>();
    else if (key == "attn_resolutions")
        attn_resolutions = value.get<std::vector<int64_t>>();
    else if (key == "resolution")
        resolution = value.get<int64_t>();
    else if (key == "resamp_with_conv")
        resamp_with_conv = value.get<bool>();
    else if (key == "dropout")
        value.get<double>();  // training only
    else
        return false;
    return true;
}

void DdpmConfig::check(const std::string& where) const {
    constexpr int64_t kMost = 1 << 20;
    const auto sizes = {ch, in_channels, out_ch, num_res_blocks, resolution};
    if (!std::all_of(sizes.begin(), sizes.end(), [](int64_t v) { return v > 0 && v <= kMost; }) ||
        num_res_blocks > 1000 || ch_mult.empty() || ch_mult.size() > 16 || ch % 2 != 0 || ch < 4)
        throw Error("file", "network config has an impossible size", where);
    if (resolution % (int64_t{1} << (ch_mult.size() - 1)) != 0)
        throw Error("file",
                    "network config has resolution " + std::to_string(resolution) + ", which " +
                        std::to_string(ch_mult.size() - 1) + " halvings do not divide",
                    where);
    for (const int64_t mult : ch_mult)
        if (mult <= 0 || mult > 1000 || ch % kGroups != 0)
            throw Error("file", "network config has channels that the 32 groups do not divide", where);
}

DdpmConfig DdpmConfig::from_json(const nlohmann::json& json, const std::string& where) {
    DdpmConfig c;
    for (const auto& [key, value] : json.items()) {
        try {
            if (!c.set(key, value))
                throw Error("file", "network config has the unknown key \"" + key + "\"", where,
                            "pytorch_diffusion.Model's constructor arguments are known");
        } catch (const nlohmann::json::exception& e) {
            throw Error("file", std::string("network config has a value of the wrong type: ") + e.what(),
                        where, "see " + key);
        }
    }
    c.check(where);
    return c;
}

bool DdpmConfig::attends_at(size_t level) const {
    return std::find(attn_resolutions.begin(), attn_resolutions.end(), resolution >> level) !=
           attn_resolutions.end();
}

DdpmUNet::Stage DdpmUNet::block(const std::string& prefix, int64_t in, int64_t out, size_t level,
                                const std::string& attention) const {
    Stage stage{Stage::Kind::block, level, "", out, {}, {}};
    stage.residual = {&kNames, prefix, in, out, 4 * config_.ch, kGroups, kEpsilon, false, Resample::none};
    if (!attention.empty()) stage.attention.push_back(single_head(attention, out));
    return stage;
}

void DdpmUNet::add(std::vector<Stage>& stages, Stage stage) {
    if (stage.kind == Stage::Kind::block) {
        stage.residual.add_shapes(shapes_);
        for (const SelfAttention& a : stage.attention) a.add_shapes(shapes_);
    } else if (config_.resamp_with_conv) {
        add_conv_shapes(shapes_, stage.resample, stage.channels, stage.channels);
    }
    stages.push_back(std::move(stage));
}

DdpmUNet::DdpmUNet(DdpmConfig config) : config_(std::move(config)) {
    const DdpmConfig& c = config_;
    const size_t levels = c.ch_mult.size();
    const auto attention = [&](const char* group, size_t level, int64_t index) {
        return c.attends_at(level) ? part(group, level, "attn", index) : std::string();
    };
    const auto resample = [](const char* group, size_t level, const char* name) {
        return std::string(group) + "." + std::to_string(level) + "." + name + ".conv";
    };
    add_linear_shapes(shapes_, "temb.dense.0", c.ch, 4 * c.ch);
    add_linear_shapes(shapes_, "temb.dense.1", 4 * c.ch, 4 * c.ch);
    add_conv_shapes(shapes_, "conv_in", c.in_channels, c.ch);

    int64_t channels = c.ch;
    std::vector<int64_t> skips = {channels};
    for (size_t level = 0; level < levels; ++level) {
        for (int64_t i = 0; i < c.num_res_blocks; ++i) {
            add(encoder_, block(part("down", level, "block", i), channels, c.channels(level), level,
                                attention("down", level, i)));
            skips.push_back(channels = c.channels(level));
        }
        if (level + 1 == levels) continue;
        add(encoder_, {Stage::Kind::down, level, resample("down", level, "downsample"), channels, {}, {}});
        skips.push_back(channels);
    }
    add(middle_, block("mid.block_1", channels, channels, levels - 1, "mid.attn_1"));
    add(middle_, block("mid.block_2", channels, channels, levels - 1, ""));
    for (size_t level = levels; level-- > 0;) {
        for (int64_t i = 0; i <= c.num_res_blocks; ++i) {
            add(decoder_, block(part("up", level, "block", i), channels + skips.back(), c.channels(level),
                                level, attention("up", level, i)));
            skips.pop_back();
            channels = c.channels(level);
        }
        if (level > 0)
            add(decoder_, {Stage::Kind::up, level, resample("up", level, "upsample"), channels, {}, {}});
    }
    last_ = channels;
    add_norm_shapes(shapes_, "norm_out", last_);
    add_conv_shapes(shapes_, "conv_out", last_, c.out_ch);
}

int64_t DdpmUNet::macs(int64_t height, int64_t width) const {
    const int64_t area = height * width;
    int64_t total = 4 * config_.ch * config_.ch + 16 * config_.ch * config_.ch +
                    9 * config_.in_channels * config_.ch * area + 9 * last_ * config_.out_ch * area;
    for (const auto* stages : {&encoder_, &middle_, &decoder_})
        for (const Stage& stage : *stages) {
            const int64_t pixels = area >> (2 * stage.level), kernel = 9 * stage.channels * stage.channels;
            if (stage.kind == Stage::Kind::block) {
                total += stage.residual.macs(pixels);
                for (const SelfAttention& a : stage.attention) total += a.macs(pixels);
            } else if (config_.resamp_with_conv) {
                total += stage.kind == Stage::Kind::down ? kernel * pixels / 4 : kernel * pixels * 4;
            }
        }
    return total;
}

at::Tensor DdpmUNet::run(const Stage& stage, const Parameters& p, const at::Tensor& h, const at::Tensor& emb,
                         double dropout) const {
    switch (stage.kind) {
        case Stage::Kind::block: {
            at::Tensor out = stage.residual(p, h, emb, dropout);
            for (const SelfAttention& a : stage.attention) out = out + a(p, out);
            return out;
        }
        case Stage::Kind::down:
            return config_.resamp_with_conv ? downsampling_conv(p, stage.resample, h, true)
                                            : resample_plainly(h, Resample::down);
        case Stage::Kind::up:
            return config_.resamp_with_conv ? upsampling_conv(p, stage.resample, h)
                                            : resample_plainly(h, Resample::up);
    }
    SCHEDBENCH_ASSERT(false);
    return {};
}

at::Tensor DdpmUNet::forward(const Parameters& p, const at::Tensor& x, const at::Tensor& time,
                             const at::Tensor&, double dropout, const ActivationTap& tap) const {
    const auto report = [&](const char* name, const at::Tensor& value) {
        if (tap) tap(name, value);
    };
    const auto dtype = parameter(p, "temb.dense.0.weight").scalar_type();
    const auto halves =
        sinusoidal_embedding(time.to(dtype == at::kDouble ? at::kDouble : at::kFloat), config_.ch, true)
            .chunk(2, 1);
    const at::Tensor sinusoid = at::cat({halves[1], halves[0]}, 1);  // sines first
    report("act.t_sinusoid", sinusoid);
    at::Tensor emb = linear(p, "temb.dense.1", at::silu(linear(p, "temb.dense.0", sinusoid.to(dtype))));
    report("act.t_emb", emb);
    emb = at::silu(emb);

    at::Tensor h = x.to(parameter(p, "conv_in.weight").scalar_type());
    h = conv(p, "conv_in", h.contiguous(at::MemoryFormat::ChannelsLast));
    std::vector<at::Tensor> skips = {h};
    for (const Stage& stage : encoder_) {
        const bool leaves = stage.kind == Stage::Kind::down && stage.level == 0;
        if (leaves) report("act.level0", h);
        h = run(stage, p, h, emb, dropout);
        if (leaves) report("act.level0_down", h);
        skips.push_back(h);
    }
    for (const Stage& stage : middle_) h = run(stage, p, h, emb, dropout);
    report("act.mid", h);
    for (const Stage& stage : decoder_) {
        if (stage.kind == Stage::Kind::block) {
            h = at::cat({h, skips.back()}, 1);
            skips.pop_back();
        }
        h = run(stage, p, h, emb, dropout);
    }
    h = conv(p, "conv_out", norm_around(p, "norm_out", h, kGroups, kEpsilon, {{}, {}, {}, true}));
    return h.scalar_type() == at::kDouble ? h : h.to(at::kFloat);
}

}  // namespace schedbench
