// Analytical first step (Dockhorn et al. 2022, arXiv 2210.05475, section 3; used by solvers of few steps): at
// the first, noisiest level x is nearly noise alone. In the variance-preserving form it is taken for the
// noise as it is,
//
//     eps_hat = x / sqrt(1 + sigma^2),     D = x - sigma eps_hat = x (1 - sigma / sqrt(1 + sigma^2))
//
// The first evaluation of the wrapped sampler is answered so, which saves one evaluation of the network.
#include <cmath>

#include <ATen/ATen.h>

#include "core/error.h"
#include "samplers/family_list.h"

namespace schedbench::sampler_list {

namespace {

/// Answers the first call itself and passes on all others. For one call of sample().
class AnalyticFirst final : public Denoiser {
  public:
    explicit AnalyticFirst(const Denoiser& inner) : inner_(inner) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override {
        if (!first_) return inner_(x, levels, model_time, labels);
        first_ = false;
        std::vector<int64_t> column(static_cast<size_t>(x.dim()), 1);
        column[0] = x.size(0);
        const at::Tensor sigma = levels.to(at::kDouble).reshape(column);
        return {x * (1 - sigma * (sigma * sigma + 1).rsqrt()).to(x.scalar_type()), {}};
    }
    const NoiseProcess& process() const override { return inner_.process(); }
    std::vector<int64_t> shape() const override { return inner_.shape(); }
    int64_t classes() const override { return inner_.classes(); }
    bool differentiable() const override { return inner_.differentiable(); }
    at::Device device() const override { return inner_.device(); }
    std::string spec() const override { return inner_.spec(); }
    std::string weights_hash() const override { return inner_.weights_hash(); }

  private:
    const Denoiser& inner_;
    mutable bool first_ = true;
};

class Afs final : public Sampler {
  public:
    Afs(Spec spec, std::unique_ptr<Sampler> inner) : spec_(std::move(spec)), inner_(std::move(inner)) {
        spec_.set("sampler", SpecValue::of_spec(inner_->spec()));
    }
    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        return inner_->sample(AnalyticFirst(denoiser), schedule, noise, labels, observer);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return inner_->stochastic(); }
    SamplerNeeds needs() const override { return inner_->needs(); }
    void check_model(const Denoiser& denoiser, const std::string& where) const override {
        inner_->check_model(denoiser, where);
    }
    void check_schedule(const Schedule& schedule, const std::string& where) const override {
        inner_->check_schedule(schedule, where);
    }

  private:
    Spec spec_;
    std::unique_ptr<Sampler> inner_;
};

std::unique_ptr<Sampler> make(const Spec& spec, const std::string& where) {
    const Spec& nested = spec.nested("sampler");
    if (nested.name == spec.name) throw Error("spec", "afs inside afs: there is only one first step", where);
    auto inner = make_sampler(nested, where + ", sampler of afs");
    if (inner->needs().variance)
        throw Error(
            "spec",
            "the analytical first step has no learned variance, which " + inner->spec().print() + " needs",
            where, "choose another variance");
    return std::make_unique<Afs>(spec, std::move(inner));
}

int order(const Spec& spec) {
    const Spec& nested = spec.nested("sampler");
    const SamplerFamily& inner = sampler_family(nested);
    return inner.order ? inner.order(complete(nested, inner.entry, "sampler of afs")) : 0;
}

}  // namespace

SamplerFamily afs() {
    return {{"afs",
             "a sampler whose first evaluation takes x / sqrt(1 + sigma^2) for the noise instead of asking "
             "the model",
             "Dockhorn et al. 2022 (GENIE), section 3",
             {{"sampler", SpecParam::Type::spec, "{euler}", "the {sampler}"}}},
            "those of the sampler, but 1 less in all",
            order,
            make};
}

}  // namespace schedbench::sampler_list
