// A denoiser that counts the processor time spent in it, and random images for it: what is done beside the
// network.
#pragma once

#include <ctime>
#include <memory>

#include "core/noise.h"
#include "core/spec_schema.h"
#include "data/dataset.h"
#include "models/native.h"

namespace schedbench {

/// Processor seconds of this thread: other programs on the machine do not enter.
inline double processor_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Timed final : public Denoiser {
  public:
    explicit Timed(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        const double start = processor_seconds();
        DenoiserOutput out = (*inner_)(x, levels, time, labels);
        seconds += processor_seconds() - start;
        images += x.size(0);
        return out;
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    bool has_variance() const override { return inner_->has_variance(); }
    std::string spec() const override { return inner_->spec(); }
    mutable double seconds = 0;
    mutable int64_t images = 0;  ///< evaluated

  private:
    std::shared_ptr<const Denoiser> inner_;
};

/// One of the repository's networks: `file` in weights/, with further keys of its spec.
inline std::shared_ptr<const Denoiser> shipped_network(const std::string& file, const std::string& keys = "") {
    const Spec spec = Spec::parse("native:file=" SCHEDBENCH_SOURCE_DIR "/weights/" + file + keys);
    return load_native(complete(spec, native_entries().at(0), "benchmark"), "benchmark");
}

/// Random bytes, 1x32x32.
inline Dataset random_images(int64_t count) {
    Dataset out;
    out.spec = out.hash = "random bytes";
    out.count = count;
    out.channels = 1;
    out.height = out.width = 32;
    for (int64_t i = 0; i < count; ++i) {
        std::vector<float> u(1024);
        fill_uniforms({1, NoisePurpose::selection}, static_cast<uint64_t>(i), 0, u);
        for (float value : u) out.pixels.push_back(static_cast<uint8_t>(value < 0.5F ? 0 : value * 255.0F));
    }
    return out;
}

}  // namespace schedbench
