#include "models/graphed_denoiser.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <exception>

#include "core/cuda_plugin.h"
#include "core/error.h"

namespace schedbench {

namespace {

/// Runs before the recording: libraries choose kernels and take their workspaces in the first ones.
constexpr int kWarmUps = 3;

class CudaGraph final : public GraphBackend::Graph {
  public:
    CudaGraph(const CudaPlugin& plugin, void* graph) : plugin_(plugin), graph_(graph) {}
    ~CudaGraph() override { plugin_.release(graph_); }
    CudaGraph(const CudaGraph&) = delete;
    CudaGraph& operator=(const CudaGraph&) = delete;
    void replay() override {
        if (const char* failure = plugin_.replay(graph_))
            throw Error("device", std::string("a CUDA graph failed: ") + failure, "--device");
    }

  private:
    const CudaPlugin& plugin_;
    void* graph_;
};

class CudaGraphs final : public GraphBackend {
  public:
    explicit CudaGraphs(const CudaPlugin& plugin) : plugin_(plugin) {}
    std::unique_ptr<Graph> capture(const std::function<void()>& work) const override {
        struct Call {
            const std::function<void()>& work;
            std::exception_ptr failure;
        } call{work, nullptr};
        // Exceptions do not cross the plug-in's C interface.
        const auto body = [](void* argument) -> int {
            auto& it = *static_cast<Call*>(argument);
            try {
                it.work();
                return 0;
            } catch (...) {
                it.failure = std::current_exception();
                return 1;
            }
        };
        char error[512] = "";
        void* graph = plugin_.capture(body, &call, kWarmUps, error, sizeof error);
        if (graph) return std::make_unique<CudaGraph>(plugin_, graph);
        std::string why = error;
        try {
            if (call.failure) std::rethrow_exception(call.failure);
        } catch (const std::exception& e) {
            why = e.what();
        }
        throw Error("device", "cannot be recorded as a CUDA graph: " + why.substr(0, why.find('\n')),
                    "--device");
    }

  private:
    const CudaPlugin& plugin_;
};

}  // namespace

std::shared_ptr<const GraphBackend> cuda_graphs() {
    return cuda_plugin() ? std::make_shared<CudaGraphs>(*cuda_plugin()) : nullptr;
}

GraphedDenoiser::Slot& GraphedDenoiser::slot(const at::Tensor& x, const at::Tensor& levels,
                                             const at::Tensor& model_time, const at::Tensor& labels) const {
    std::unique_ptr<Slot>& found = slots_[{x.sizes().vec(), x.scalar_type(), labels.defined()}];
    if (found) return *found;
    auto made = std::make_unique<Slot>();
    made->x = x.clone(at::MemoryFormat::Contiguous);
    made->levels = levels.clone();
    made->model_time = model_time.clone();
    if (labels.defined()) made->labels = labels.clone();
    Slot& it = *made;
    it.graph = backend_->capture([&] { it.out = (*inner_)(it.x, it.levels, it.model_time, it.labels); });
    found = std::move(made);
    return *found;
}

DenoiserOutput GraphedDenoiser::operator()(const at::Tensor& x, const at::Tensor& levels,
                                           const at::Tensor& model_time, const at::Tensor& labels) const {
    if (c10::GradMode::is_enabled() && x.requires_grad()) return (*inner_)(x, levels, model_time, labels);
    const c10::NoGradGuard no_grad;
    const std::lock_guard<std::mutex> guard(lock_);
    Slot& it = slot(x, levels, model_time, labels);
    it.x.copy_(x, true);
    it.levels.copy_(levels, true);
    it.model_time.copy_(model_time, true);
    if (labels.defined()) it.labels.copy_(labels, true);
    it.graph->replay();
    // The next replay writes over the outputs, and samplers keep theirs.
    return {it.out.x0.clone(), it.out.variance.defined() ? it.out.variance.clone() : at::Tensor()};
}

size_t GraphedDenoiser::graphs() const {
    const std::lock_guard<std::mutex> guard(lock_);
    return slots_.size();
}

std::shared_ptr<const Denoiser> graphed(std::shared_ptr<const Denoiser> model,
                                        std::shared_ptr<const GraphBackend> backend, std::string& reason) {
    reason.clear();
    if (!backend) {
        reason = "no CUDA plug-in";
        return model;
    }
    try {
        const GraphedDenoiser trial(model, backend);
        std::vector<int64_t> sizes = model->shape();
        sizes.insert(sizes.begin(), 1);
        const c10::NoGradGuard no_grad;
        const auto options = at::device(model->device()).dtype(at::kDouble);
        const double sigma = model->process().sigma_max();
        denoise_at(trial, at::zeros(sizes, options), model->process().locate(sigma),
                   model->classes() > 0 ? at::zeros({1}, options.dtype(at::kLong)) : at::Tensor());
    } catch (const Error& e) {
        if (e.kind() != "device") throw;
        reason = e.message();
        return model;
    }
    return std::make_shared<GraphedDenoiser>(std::move(model), std::move(backend));
}

}  // namespace schedbench
