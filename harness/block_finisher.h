// What becomes of a sampled block: bytes, features, a place in the store; beside the sampling of the next
// blocks.
//
// On the CPU bytes and features are made by the thread that samples (they would only take its cores away, and
// its threads decide their bits), and the writing goes on beside. On another device everything after the last
// step runs in a second thread on a stream of its own: the sampling thread never waits for the device, only
// for room.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/background_worker.h"
#include "eval/extractor.h"
#include "eval/quantise.h"
#include "store/work_file.h"

namespace schedbench {

/// A full block as it comes from the sampler.
struct SampledBlock {
    int64_t first = 0;          ///< id of row 0; rows are consecutive ids
    std::vector<int64_t> keep;  ///< ids to store, a part of the rows in their order
    at::Tensor x;               ///< [B, shape...] in about [-1, 1]
    at::Tensor labels;          ///< [B] int64, or undefined
    int64_t network_calls = 0;
    double seconds = 0;  ///< so far; what finishing takes is added
    /// Asked when the block is finished, because it waits for a device.
    std::function<double()> network_seconds = [] { return 0.0; };
};

class BlockFinisher {
  public:
    /// Blocks that may be unfinished before add() waits. A kill loses these and the one being sampled.
    static constexpr size_t kDepth = 2;
    /// Called in the order of add(), never twice at a time; pixels: uint8 [kept, C, H, W] on the CPU.
    using Sink = std::function<void(const SampleBlock& block, const at::Tensor& pixels)>;

    /// extractor: null = no features; images: whether the sink's blocks hold them. Both must outlive this.
    BlockFinisher(QuantiseRule rule, const Extractor* extractor, bool images, Sink sink);

    /// Throws what finishing an earlier block threw; an Error("number") for NaN in this one comes here (CPU)
    /// or later.
    void add(SampledBlock block);
    void finish();  ///< all blocks are with the sink

  private:
    struct Finished;
    Finished finished(const SampledBlock& block) const;
    at::Tensor to_host(const at::Tensor& tensor, at::Tensor& pinned) const;
    void deliver(const SampledBlock& block, const Finished& finished) const;

    QuantiseRule rule_;
    const Extractor* extractor_;
    bool images_;
    Sink sink_;
    std::optional<c10::Stream> stream_;  ///< once a block came from a device that is not the CPU
    mutable at::Tensor pinned_pixels_, pinned_features_, pinned_labels_;  ///< used by the worker only
    BackgroundWorker worker_{kDepth};  ///< last: its jobs use what stands above
};

}  // namespace schedbench
