#include "models/network.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/ddpm_unet.h"
#include "models/mlp.h"
#include "models/unet.h"

namespace schedbench {

const std::vector<std::string>& network_families() {
    static const std::vector<std::string> families = {
        "improved_diffusion.UNetModel", "guided_diffusion.UNetModel", "pytorch_diffusion.Model", Mlp::kFamily};
    return families;
}

std::shared_ptr<const Network> make_network(const std::string& family, const nlohmann::json& config,
                                            const std::string& where) {
    std::string known;
    for (const std::string& name : network_families()) known += name + ", ";
    if (known.find(family + ", ") == std::string::npos || family.empty())
        throw Error("file", "is a network of the family \"" + family + "\", which is not known here", where,
                    "known: " + known + "edm.precond");
    if (!config.is_object())
        throw Error("file", "has no metadata entry \"config\" with a JSON object", where);
    if (family == Mlp::kFamily) return std::make_shared<const Mlp>(MlpConfig::from_json(config, where));
    if (family == "pytorch_diffusion.Model")
        return std::make_shared<const DdpmUNet>(DdpmConfig::from_json(config, where));
    const bool guided = family == UNetConfig::family_name(UNetConfig::Family::guided_diffusion);
    return std::make_shared<const UNet>(UNetConfig::from_json(
        config, where,
        guided ? UNetConfig::Family::guided_diffusion : UNetConfig::Family::improved_diffusion));
}

}  // namespace schedbench
