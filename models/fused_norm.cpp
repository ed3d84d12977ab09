#include "models/fused_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.h"

namespace schedbench {

namespace {

template <class T>
using Moments = void (*)(const T* x, int64_t pixels, int64_t channels, float* mean, float* squares);
template <class T>
using Scaling = void (*)(const T* x, int64_t pixels, int64_t channels, const float* coefficients, bool silu,
                         T* y);

struct NormKernels {
    int64_t lanes;  ///< the channels are a multiple of
    Moments<float> moments;
    Moments<uint16_t> moments_bf16;
    Scaling<float> scale;
    Scaling<uint16_t> scale_bf16;
};

}  // namespace

}  // namespace schedbench

#define SCHEDBENCH_KERNELS "models/fused_norm.inc"
#include "models/each_isa.inc"

namespace schedbench {

namespace {

/// The widest that the channels fit, by the capability that LibTorch goes by.
NormKernels kernels_for(int64_t channels) {
#ifdef SCHEDBENCH_X86_KERNELS
    static const std::string capability = at::get_cpu_capability();
    if (capability == "AVX512" && channels % 16 == 0) return wide::norm_kernels();
    if ((capability == "AVX512" || capability == "AVX2") && channels % 8 == 0) return middle::norm_kernels();
#endif
    SCHEDBENCH_ASSERT(channels % 4 == 0);
    return plain::norm_kernels();
}

constexpr int64_t kPixels = 64;  ///< of one float32 sum

/// One call's geometry and coefficients.
struct Norm {
    int64_t channels, pixels, groups;
    double epsilon;
    const float *weight, *bias;

    int64_t stretches() const { return (pixels + kPixels - 1) / kPixels; }
    int64_t length(int64_t stretch) const { return std::min(kPixels, pixels - stretch * kPixels); }

    /// From the moments [stretches, 2, C] of one image: y = factor x + offset. Rows of NormSurroundings or
    /// null.
    void coefficients(const float* moments, const float* before, const float* scale, const float* shift,
                      float* out) const {
        float *const centre = out, *const factor = centre + channels, *const offset = factor + channels;
        const int64_t width = channels / groups;
        const double count = static_cast<double>(pixels * width);
        for (int64_t g = 0; g < groups; ++g) {
            const int64_t begin = g * width, end = begin + width;
            const auto added = [&](int64_t c) { return before ? static_cast<double>(before[c]) : 0.0; };
            double mean = 0, squares = 0;
            for (int64_t s = 0; s < stretches(); ++s) {
                const float* const means = moments + 2 * s * channels;
                double sum = 0;
                for (int64_t c = begin; c < end; ++c) sum += static_cast<double>(means[c]) + added(c);
                mean += sum * static_cast<double>(length(s));
            }
            mean /= count;
            for (int64_t s = 0; s < stretches(); ++s) {
                const float *const means = moments + 2 * s * channels, *const inside = means + channels;
                double between = 0;
                for (int64_t c = begin; c < end; ++c) {
                    const double d = static_cast<double>(means[c]) + added(c) - mean;
                    between += d * d;
                    squares += static_cast<double>(inside[c]);
                }
                squares += between * static_cast<double>(length(s));
            }
            const double inverse = 1 / std::sqrt(squares / count + epsilon);
            for (int64_t c = begin; c < end; ++c) {
                const double gain = scale ? 1 + static_cast<double>(scale[c]) : 1.0;
                centre[c] = static_cast<float>(mean - added(c));
                factor[c] = static_cast<float>(inverse * static_cast<double>(weight[c]) * gain);
                offset[c] = static_cast<float>(static_cast<double>(bias[c]) * gain +
                                               (shift ? static_cast<double>(shift[c]) : 0.0));
            }
        }
    }
};

template <class T>
void run(const Norm& norm, Moments<T> moments, Scaling<T> scaling, const at::Tensor& x, const at::Tensor& out,
         const at::Tensor& before, const at::Tensor& scale, const at::Tensor& shift, bool silu) {
    const int64_t channels = norm.channels, size = norm.pixels * channels, stretches = norm.stretches();
    const T* const from = static_cast<const T*>(x.const_data_ptr());
    T* const to = static_cast<T*>(out.mutable_data_ptr());
    const auto row = [](const at::Tensor& rows, int64_t image) -> const float* {
        return rows.defined() ? rows.const_data_ptr<float>() + (rows.size(0) > 1 ? image * rows.stride(0) : 0)
                              : nullptr;
    };
    const auto measure = [&](int64_t image, int64_t s, float* work) {
        moments(from + image * size + s * kPixels * channels, norm.length(s), channels,
                work + 2 * s * channels, work + (2 * s + 1) * channels);
    };
    const auto combine = [&](int64_t image, float* work) {
        norm.coefficients(work, row(before, image), row(scale, image), row(shift, image),
                          work + 2 * stretches * channels);
    };
    const auto apply = [&](int64_t image, int64_t s, const float* work) {
        const int64_t place = image * size + s * kPixels * channels;
        scaling(from + place, norm.length(s), channels, work + 2 * stretches * channels, silu, to + place);
    };
    const auto scratch = static_cast<size_t>((2 * stretches + 3) * channels);
    if (x.size(0) >= at::get_num_threads()) {
        // An image at a time, so that the second pass finds it in cache.
        at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
            std::vector<float> work(scratch);
            for (int64_t image = begin; image < end; ++image) {
                for (int64_t s = 0; s < stretches; ++s) measure(image, s, work.data());
                combine(image, work.data());
                for (int64_t s = 0; s < stretches; ++s) apply(image, s, work.data());
            }
        });
        return;
    }
    std::vector<float> work(scratch);
    const auto each_stretch = [&](const auto& what) {
        at::parallel_for(0, stretches, 1, [&](int64_t begin, int64_t end) {
            for (int64_t s = begin; s < end; ++s) what(s);
        });
    };
    for (int64_t image = 0; image < x.size(0); ++image) {
        each_stretch([&](int64_t s) { measure(image, s, work.data()); });
        combine(image, work.data());
        each_stretch([&](int64_t s) { apply(image, s, work.data()); });
    }
}

}  // namespace

bool fused_norm_applies(const at::Tensor& x) {
    return x.device().is_cpu() && x.dim() == 4 && x.numel() > 0 && x.size(1) % 4 == 0 &&
           (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
           x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor fused_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                      double epsilon, const NormSurroundings& around) {
    SCHEDBENCH_ASSERT(fused_norm_applies(x) && x.size(1) % groups == 0);
    const auto rows = [&](const at::Tensor& t) {
        SCHEDBENCH_ASSERT(!t.defined() || (t.dim() == 2 && t.size(1) == x.size(1) &&
                                           (t.size(0) == 1 || t.size(0) == x.size(0))));
        if (!t.defined()) return t;
        const at::Tensor floats = t.to(at::kFloat);
        return floats.stride(1) == 1 ? floats : floats.contiguous();  // halves of one row, for example
    };
    const at::Tensor w = weight.to(at::kFloat), b = bias.to(at::kFloat);
    const Norm norm{x.size(1), x.size(2) * x.size(3),     groups,
                    epsilon,   w.const_data_ptr<float>(), b.const_data_ptr<float>()};
    at::Tensor out = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
    const NormKernels k = kernels_for(norm.channels);
    const at::Tensor before = rows(around.before), scale = rows(around.scale), shift = rows(around.shift);
    if (x.scalar_type() == at::kFloat)
        run<float>(norm, k.moments, k.scale, x, out, before, scale, shift, around.silu);
    else
        run<uint16_t>(norm, k.moments_bf16, k.scale_bf16, x, out, before, scale, shift, around.silu);
    return out;
}

}  // namespace schedbench
