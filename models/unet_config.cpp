// The configuration of the U-Net of improved-diffusion and guided-diffusion: keys, checks, and what follows
// from it.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/unet.h"

namespace schedbench {

const char* UNetConfig::family_name(Family family) {
    return family == Family::guided_diffusion ? "guided_diffusion.UNetModel" : "improved_diffusion.UNetModel";
}

int64_t UNetConfig::channels(size_t level) const {
    return static_cast<int64_t>(channel_mult[level] * static_cast<double>(model_channels));
}

int64_t UNetConfig::heads(int64_t channels_there, bool upsampling) const {
    if (num_head_channels != -1) return channels_there / num_head_channels;
    return upsampling && num_heads_upsample != -1 ? num_heads_upsample : num_heads;
}

bool UNetConfig::attends_at(int64_t factor) const {
    return std::find(attention_resolutions.begin(), attention_resolutions.end(), factor) !=
           attention_resolutions.end();
}

bool UNetConfig::set(const std::string& key, const nlohmann::json& value, const std::string& where) {
    if (key == "in_channels")
        in_channels = value.get<int64_t>();
    else if (key == "model_channels")
        model_channels = value.get<int64_t>();
    else if (key == "out_channels")
        out_channels = value.get<int64_t>();
    else if (key == "num_res_blocks")
        num_res_blocks = value.get<int64_t>();
    else if (key == "attention_resolutions")
        attention_resolutions = value.get<std::vector<int64_t>>();
    else if (key == "channel_mult")
        channel_mult = value.get<std::vector<double>>();
    else if (key == "conv_resample")
        conv_resample = value.get<bool>();
    else if (key == "num_classes")
        num_classes = value.is_null() ? 0 : value.get<int64_t>();
    else if (key == "num_heads")
        num_heads = value.get<int64_t>();
    else if (key == "num_heads_upsample")
        num_heads_upsample = value.get<int64_t>();
    else if (key == "use_scale_shift_norm")
        use_scale_shift_norm = value.get<bool>();
    else if (key == "dropout")
        dropout = value.get<double>();
    else if (key == "dims") {
        if (value.get<int64_t>() != 2) throw Error("file", "network config has dims other than 2", where);
    } else if (key == "use_checkpoint" || key == "use_fp16") {
        return true;  // how it was trained
    } else if (family == Family::guided_diffusion) {
        return set_guided(key, value);
    } else if (key == "num_groups") {
        num_groups = value.get<int64_t>();
    } else if (key == "patch") {
        patch = value.get<int64_t>();
    } else {
        return false;
    }
    return true;
}

bool UNetConfig::set_guided(const std::string& key, const nlohmann::json& value) {
    if (key == "image_size")
        image_size = value.get<int64_t>();
    else if (key == "num_head_channels")
        num_head_channels = value.get<int64_t>();
    else if (key == "resblock_updown")
        resblock_updown = value.get<bool>();
    else if (key == "use_new_attention_order")
        use_new_attention_order = value.get<bool>();
    else
        return false;
    return true;
}

void UNetConfig::check(const std::string& where) const {
    constexpr int64_t kMost = 1 << 20;
    const auto sizes = {in_channels, model_channels, out_channels, num_res_blocks,
                        num_heads,   num_groups,     patch};
    const bool positive =
        std::all_of(sizes.begin(), sizes.end(), [](int64_t v) { return v > 0 && v <= kMost; }) &&
        num_res_blocks <= 1000 && num_classes >= 0 && num_classes <= kMost && image_size >= 0 &&
        (num_head_channels == -1 || num_head_channels > 0) &&
        (num_heads_upsample == -1 || num_heads_upsample > 0) && !channel_mult.empty() &&
        channel_mult.size() <= 16 && model_channels % 2 == 0;
    if (!positive) throw Error("file", "network config has an impossible size", where);
    if (family == Family::improved_diffusion && channel_mult[0] != 1)
        throw Error("file", "network config has channel_mult[0] other than 1", where,
                    "the output convolution takes model_channels, so it must be 1");
    for (size_t level = 0; level < channel_mult.size(); ++level) {
        if (!(channel_mult[level] > 0 && channel_mult[level] <= 1000))
            throw Error("file", "network config has an impossible channel_mult", where);
        const int64_t there = channels(level);
        // The decoder's blocks take the sum of two levels, which is divided when both are.
        bool divided = there > 0 && there % num_groups == 0;
        const bool attends = attends_at(int64_t{1} << level), lowest = level + 1 == channel_mult.size();
        if (attends || lowest)
            for (const bool upsampling : {false, true}) {
                if (upsampling && !attends) continue;  // the middle counts as encoder
                const int64_t count = heads(there, upsampling);
                divided = divided && count > 0 && there % count == 0 &&
                          (num_head_channels == -1 || there % num_head_channels == 0);
            }
        if (!divided)
            throw Error("file", "network config has channels that its groups or heads do not divide", where);
    }
}

UNetConfig UNetConfig::from_json(const nlohmann::json& json, const std::string& where, Family family) {
    UNetConfig c;
    c.family = family;
    const bool guided = family == Family::guided_diffusion;
    if (guided) c.num_heads = 1, c.use_scale_shift_norm = false;  // the constructor's defaults
    for (const auto& [key, value] : json.items()) {
        try {
            if (!c.set(key, value, where))
                throw Error("file", "network config has the unknown key \"" + key + "\"", where,
                            std::string(family_name(family)) + "'s constructor arguments" +
                                (guided ? " are known" : ", num_groups and patch are known"));
        } catch (const nlohmann::json::exception& e) {
            throw Error("file", std::string("network config has a value of the wrong type: ") + e.what(),
                        where, "see " + key);
        }
    }
    c.check(where);
    return c;
}

nlohmann::json UNetConfig::to_json() const {
    nlohmann::json mults = nlohmann::json::array();
    for (const double mult : channel_mult)
        mults.push_back(mult == std::floor(mult) ? nlohmann::json(static_cast<int64_t>(mult))
                                                 : nlohmann::json(mult));
    nlohmann::json json = {
        {"in_channels", in_channels},
        {"model_channels", model_channels},
        {"out_channels", out_channels},
        {"num_res_blocks", num_res_blocks},
        {"attention_resolutions", attention_resolutions},
        {"channel_mult", mults},
        {"conv_resample", conv_resample},
        {"num_classes", num_classes ? nlohmann::json(num_classes) : nlohmann::json(nullptr)},
        {"num_heads", num_heads},
        {"num_heads_upsample", num_heads_upsample},
        {"use_scale_shift_norm", use_scale_shift_norm},
        {"dropout", dropout}};
    if (family == Family::guided_diffusion) {
        json["image_size"] = image_size;
        json["num_head_channels"] = num_head_channels;
        json["resblock_updown"] = resblock_updown;
        json["use_new_attention_order"] = use_new_attention_order;
    } else {
        json["num_groups"] = num_groups;
        json["patch"] = patch;
    }
    return json;
}

}  // namespace schedbench
