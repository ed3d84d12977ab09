#include "harness/block_finisher.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/stopwatch.h"

namespace schedbench {

/// Kept rows, on the CPU.
struct BlockFinisher::Finished {
    at::Tensor pixels, features, labels;
    double seconds = 0;
};

BlockFinisher::BlockFinisher(QuantiseRule rule, const Extractor* extractor, bool images, Sink sink)
    : rule_(rule), extractor_(extractor), images_(images), sink_(std::move(sink)) {}

/// On the current stream; a host copy in pinned memory does not hold up other streams.
at::Tensor BlockFinisher::to_host(const at::Tensor& tensor, at::Tensor& pinned) const {
    if (tensor.device().is_cpu()) return tensor.contiguous();
    if (!pinned.defined() || pinned.numel() < tensor.numel())
        pinned = at::empty({tensor.numel()}, at::TensorOptions().dtype(tensor.dtype()).pinned_memory(true));
    const at::Tensor host = pinned.narrow(0, 0, tensor.numel()).view(tensor.sizes());
    host.copy_(tensor.contiguous(), true);
    return host;
}

BlockFinisher::Finished BlockFinisher::finished(const SampledBlock& block) const {
    const Stopwatch watch;
    Finished out;
    at::Tensor pixels = quantise(block.x, rule_);
    if (pixels.dim() == 2) pixels = pixels.reshape({pixels.size(0), 1, 1, pixels.size(1)});
    at::Tensor features = extractor_ ? extractor_->features(pixels) : at::Tensor();
    // Ids to keep are consecutive or a tail; index_select covers both.
    std::vector<int64_t> rows;
    for (const int64_t id : block.keep) rows.push_back(id - block.first);
    const auto kept = [&](const at::Tensor& all, at::Tensor& pinned) {
        const at::Tensor index = at::tensor(rows, at::kLong).to(all.device());
        return to_host(all.index_select(0, index), pinned);
    };
    out.pixels = kept(pixels, pinned_pixels_);
    if (features.defined()) out.features = kept(features, pinned_features_);
    if (block.labels.defined()) out.labels = kept(block.labels, pinned_labels_);
    if (stream_) {
        c10::Event copied(stream_->device_type());
        copied.record(*stream_);
        copied.synchronize();
    }
    out.seconds = watch.seconds();
    return out;
}

void BlockFinisher::deliver(const SampledBlock& sampled, const Finished& finished) const {
    SampleBlock block;
    block.ids = sampled.keep;
    if (images_)
        block.images = {finished.pixels.const_data_ptr<uint8_t>(),
                        static_cast<size_t>(finished.pixels.numel())};
    if (finished.features.defined())
        block.features = {finished.features.const_data_ptr<float>(),
                          static_cast<size_t>(finished.features.numel())};
    if (finished.labels.defined())
        block.labels = {finished.labels.const_data_ptr<int64_t>(), sampled.keep.size()};
    block.network_calls = sampled.network_calls;
    block.network_seconds = sampled.network_seconds();
    block.seconds = sampled.seconds + finished.seconds;
    sink_(block, finished.pixels);
}

void BlockFinisher::add(SampledBlock block) {
    const c10::Device device = block.x.device();
    if (device.is_cpu()) {
        Finished done = finished(block);
        worker_.add([this, block = std::move(block), done = std::move(done)] { deliver(block, done); });
        return;
    }
    const c10::impl::VirtualGuardImpl driver(device.type());
    if (!stream_) stream_ = driver.getStreamFromGlobalPool(device, false);
    const auto ready = std::make_shared<c10::Event>(device.type());
    ready->record(driver.getStream(device));
    worker_.add([this, block = std::move(block), ready] {
        const c10::NoGradGuard no_grad;  // of this thread
        const c10::StreamGuard on(*stream_);
        ready->block(*stream_);
        // Their memory was allocated on the sampling stream, which must not reuse it before this one is done.
        block.x.record_stream(*stream_);
        if (block.labels.defined() && !block.labels.device().is_cpu()) block.labels.record_stream(*stream_);
        deliver(block, finished(block));
    });
}

void BlockFinisher::finish() {
    worker_.finish();
}

}  // namespace schedbench
