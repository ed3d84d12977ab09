#include "apps/verify_edm.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/edm_denoiser.h"

namespace schedbench {
namespace {

// Absolute tolerances of float32. c_noise of VPPrecond loses up to 5e-4 to rounding, and the Fourier
// embedding turns through hundreds of radians; what lies behind them has more.
struct Tolerances {
    double raw = 1e-4, denoised = 1e-4, noise = 1e-6, activation = 1e-4, middle = 2e-4;
};
constexpr double kDoubleTolerance = 1e-10;

Tolerances tolerances_of(const EdmModel& model) {
    const bool vp = model.precond().config().kind == EdmPrecond::Kind::vp;
    if (vp) return {1e-3, 2e-4, 1e-3, 1e-3, 1e-3};
    const bool ve = model.precond().config().kind == EdmPrecond::Kind::ve;
    if (ve && model.network().config().fourier) return {2e-4, 1e-4, 1e-6, 1e-3, 1e-3};
    return {};
}

class Section {
  public:
    Section(std::string name, const nlohmann::json& config, const SafetensorsFile& weights,
            const SafetensorsFile& golden)
        : name_(std::move(name)),
          golden_(golden),
          model_(EdmModel::from_json(config, golden.path + ", section " + name_)),
          parameters_(model_.load(weights.tensors, weights.path)),
          tolerances_(tolerances_of(model_)) {
        check_inputs();
    }

    void verify(std::vector<TensorRow>& rows, const std::function<double(double)>& tolerance) const {
        Parameters doubles = parameters_;
        for (auto& [key, value] : doubles) value = value.to(at::kDouble);
        for (const std::string variant : {"", "nolabel.", "augment."}) {
            if (!has(variant + "D") && !has(variant + "F")) continue;
            const at::Tensor classes = variant == "nolabel." ? at::Tensor() : shared("class_labels");
            const at::Tensor augment = variant == "augment." ? golden_.at("augment_labels") : at::Tensor();
            std::map<std::string, at::Tensor> found;
            const auto evaluate = [&](const Parameters& parameters, const std::string& suffix,
                                      const ActivationTap& tap) {
                const auto out = model_(parameters, tensor("x"), tensor("sigma"), classes, augment, tap);
                found["F" + suffix] = out.raw;
                found["D" + suffix] = out.denoised;
                found["c_noise" + suffix] = out.c_noise;
            };
            evaluate(parameters_, "",
                     [&](const std::string& key, const at::Tensor& value) { found[key] = value; });
            evaluate(doubles, ".f64", nullptr);
            for (const auto& [key, want] : golden_.tensors) {
                const std::string prefix = name_ + "." + variant;
                if (!key.starts_with(prefix)) continue;
                const std::string suffix = key.substr(prefix.size());
                if (suffix == "x" || suffix == "sigma" || suffix.starts_with("nolabel.") ||
                    suffix.starts_with("augment."))
                    continue;
                const auto have = found.find(suffix);
                if (have == found.end())
                    throw Error("file", "holds \"" + key + "\", which this network does not have",
                                golden_.path);
                rows.push_back(row(key, suffix, have->second, want, tolerance));
            }
        }
    }

  private:
    bool has(const std::string& suffix) const { return golden_.tensors.contains(name_ + "." + suffix); }
    const at::Tensor& tensor(const std::string& suffix) const { return golden_.at(name_ + "." + suffix); }
    at::Tensor shared(const char* key) const {
        return golden_.tensors.contains(key) ? golden_.at(key) : at::Tensor();
    }

    TensorRow row(const std::string& key, const std::string& suffix, at::Tensor have, at::Tensor want,
                  const std::function<double(double)>& tolerance) const {
        double own = tolerances_.activation;
        if (suffix.starts_with("D")) {
            const at::Tensor scale = tensor("sigma").to(at::kDouble).clamp_min(1).reshape({-1, 1, 1, 1});
            have = have / scale, want = want / scale;
            own = tolerances_.denoised;
        } else if (suffix.starts_with("F")) {
            own = tolerances_.raw;
        } else if (suffix.starts_with("c_noise")) {
            const bool vp =
                model_.precond().config().kind == EdmPrecond::Kind::vp;  // absolute, the others relative
            own = tolerances_.noise * (vp ? 1 : std::max(1.0, want.abs().max().item<double>()));
        } else {
            // Some activations are stored for the first images only; those of VEPrecond grow with sigma.
            have = have.narrow(0, 0, std::min(have.size(0), want.dim() ? want.size(0) : 0));
            if (suffix == "act.mid") own = tolerances_.middle;
            if (model_.precond().config().kind == EdmPrecond::Kind::ve)
                own *= std::max(1.0, want.abs().max().item<double>());
        }
        if (suffix.ends_with(".f64")) own = kDoubleTolerance;
        return compare_tensors(key, have, want, tolerance(own), golden_.path);
    }

    void check_inputs() const {
        const EdmNetworkConfig& c = model_.network().config();
        const auto expect = [&](const std::string& key, const std::vector<int64_t>& shape) {
            const at::Tensor& value = golden_.at(key);
            if (value.sizes() == at::IntArrayRef(shape) && value.is_floating_point() && value.numel() > 0)
                return;
            throw Error("shape", key + " is " + shape_text(value) + ", which does not suit the network",
                        golden_.path,
                        "wanted: images [B,C,S,S], sigma [B], labels one row an image, all floating-point");
        };
        const int64_t batch = tensor("x").dim() ? tensor("x").size(0) : 0;
        expect(name_ + ".x", {batch, c.in_channels, c.img_resolution, c.img_resolution});
        expect(name_ + ".sigma", {batch});
        if (c.label_dim > 0) expect("class_labels", {batch, c.label_dim});
        if (has("augment.D") || has("augment.F")) expect("augment_labels", {batch, c.augment_dim});
        if (!has("F") && !has("D"))
            throw Error("file", "holds neither F nor D of the section " + name_, golden_.path);
    }

    std::string name_;
    const SafetensorsFile& golden_;
    EdmModel model_;
    Parameters parameters_;
    Tolerances tolerances_;
};

}  // namespace

std::vector<TensorRow> verify_edm(const SafetensorsFile& weights, const SafetensorsFile& golden,
                                  const std::string& precond,
                                  const std::function<double(double)>& tolerance) {
    const auto sections = nlohmann::json::parse(golden.meta("sections"), nullptr, false);
    if (!sections.is_object() || sections.empty())
        throw Error("file",
                    "the metadata entry \"sections\" is not a JSON object with the wrappers' arguments",
                    golden.path);
    std::vector<TensorRow> rows;
    for (const auto& [name, config] : sections.items())
        if (precond == "auto" || precond_name(precond_of(config, golden.path)) == precond)
            Section(name, config, weights, golden).verify(rows, tolerance);
    if (rows.empty()) throw Error("file", "holds no section for the wrapper " + precond, golden.path);
    return rows;
}

}  // namespace schedbench
