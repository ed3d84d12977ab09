#include "samplers/linear_multistep.h"

#include <ATen/ATen.h>

#include <deque>

#include "core/error.h"
#include "samplers/knot_walk.h"

namespace schedbench {

namespace {

class LinearMultistep final : public Sampler {
  public:
    LinearMultistep(Spec spec, HistoryKind kind, MultistepWeights weights, bool stochastic)
        : spec_(std::move(spec)), kind_(kind), weights_(weights), stochastic_(stochastic) {}

    at::Tensor sample(const Denoiser& denoiser, const Schedule& schedule, const BlockNoise& noise,
                      const at::Tensor& labels, const StepObserver& observer) const override {
        const KnotWalk walk(denoiser, schedule, noise, labels, observer);
        const std::vector<StepWeights> weights = weights_(schedule.effective, spec_);
        SCHEDBENCH_ASSERT(static_cast<int>(weights.size()) == walk.steps());
        size_t kept = 1;  // outputs that some step looks at
        for (const StepWeights& step : weights) kept = std::max(kept, step.history.size());
        at::Tensor x = walk.start();
        std::deque<at::Tensor> history;
        for (int i = 0; i < walk.steps(); ++i) {
            const StepWeights& step = weights[static_cast<size_t>(i)];
            at::Tensor output = walk.denoised(x, i);
            if (kind_ == HistoryKind::slope) output = at::sub(x, output).div_(walk.level(i));
            history.push_front(std::move(output));
            if (history.size() > kept) history.pop_back();
            SCHEDBENCH_ASSERT(step.history.size() <= history.size());
            if (step.keep != 1) x.mul_(step.keep);
            for (size_t j = 0; j < step.history.size(); ++j)
                if (step.history[j] != 0) x.add_(history[j], step.history[j]);
            if (step.noise != 0) x.add_(noise.step(static_cast<uint32_t>(i)).to(at::kDouble), step.noise);
            walk.step_done(i, x);
        }
        return walk.finish(x);
    }
    const Spec& spec() const override { return spec_; }
    bool stochastic() const override { return stochastic_; }

  private:
    Spec spec_;
    HistoryKind kind_;
    MultistepWeights weights_;
    bool stochastic_;
};

}  // namespace

std::unique_ptr<Sampler> make_linear_multistep(Spec completed, HistoryKind kind, MultistepWeights weights,
                                               bool stochastic) {
    return std::make_unique<LinearMultistep>(std::move(completed), kind, weights, stochastic);
}

}  // namespace schedbench
