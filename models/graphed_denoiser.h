// One evaluation of a network as a recorded graph of kernels: recorded once a batch shape and dtype, then
// replayed, so that launching hundreds of kernels costs one call. x, levels, times and labels enter as
// tensors whose addresses never change; the result is a copy. Samplers use it like any other model.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "models/denoiser.h"

namespace schedbench {

/// What can record the work of a function on a device.
class GraphBackend {
  public:
    class Graph {
      public:
        virtual ~Graph() = default;
        /// Does the recorded work again: the same kernels at the same addresses.
        virtual void replay() = 0;
    };
    virtual ~GraphBackend() = default;
    /// Runs `work` to warm up, then once more while it records. `work` must not read a value on the host nor
    /// copy between host and device. Error("device") with the reason if it cannot be recorded.
    virtual std::unique_ptr<Graph> capture(const std::function<void()>& work) const = 0;
};

/// CUDA graphs, by the plug-in (core/cuda_plugin.h); null without it.
std::shared_ptr<const GraphBackend> cuda_graphs();

class GraphedDenoiser final : public WrappedDenoiser {
  public:
    GraphedDenoiser(std::shared_ptr<const Denoiser> inner, std::shared_ptr<const GraphBackend> backend)
        : WrappedDenoiser(std::move(inner)), backend_(std::move(backend)) {}

    /// Calls that want gradients are passed on as they are. One call at a time.
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override;

    /// Graphs recorded so far: one a shape, dtype and presence of labels.
    size_t graphs() const;

  private:
    struct Slot {
        at::Tensor x, levels, model_time, labels;  ///< inputs of the graph
        DenoiserOutput out;                        ///< its outputs
        std::unique_ptr<GraphBackend::Graph> graph;
    };
    using Key = std::tuple<std::vector<int64_t>, at::ScalarType, bool>;
    Slot& slot(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
               const at::Tensor& labels) const;

    std::shared_ptr<const GraphBackend> backend_;
    mutable std::mutex lock_;
    mutable std::map<Key, std::unique_ptr<Slot>> slots_;
};

/// The model with graphs, after a trial with one sample. Where that is not to be had, the model itself, and
/// the reason in `reason` ("" with graphs).
std::shared_ptr<const Denoiser> graphed(std::shared_ptr<const Denoiser> model,
                                        std::shared_ptr<const GraphBackend> backend, std::string& reason);

}  // namespace schedbench
