#include "models/winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr float kA = 0.70710678118654752f, kB = 1.41421356237309505f;  // the points' roots

struct TilePlace {
    int64_t image, row, column;  ///< of the tile's first output
};

/// Tiles are 4x4 outputs, the last of a row or column cut off; numbered by image, row, column.
struct WinogradShape {
    int64_t batch, height, width, in, out;
    int64_t tile_rows() const { return (height + 3) / 4; }
    int64_t tile_columns() const { return (width + 3) / 4; }
    int64_t tiles() const { return batch * tile_rows() * tile_columns(); }
    TilePlace place(int64_t tile) const {
        const int64_t area = tile_rows() * tile_columns();
        return {tile / area, tile % area / tile_columns() * 4, tile % tile_columns() * 4};
    }
};

/// Distance of the 36 planes of v and m: a line of cache more than they hold, because a power of two would
/// put all of them in one place of the cache.
constexpr int64_t plane_size(int64_t tiles, int64_t channels) {
    return tiles * channels + 16;
}

/// v [36, tiles, in] = B^T d B, m [36, tiles, out] = v u; both of one block of tiles.
struct WinogradKernels {
    int64_t panel;  ///< output channels multiplied at once
    void (*weights)(const WinogradShape&, const float* w, const int64_t* strides, int64_t panel, float* u);
    void (*input)(const WinogradShape&, const float* x, int64_t first, int64_t tiles, float* v);
    void (*input_bf16)(const WinogradShape&, const uint16_t* x, int64_t first, int64_t tiles, float* v);
    void (*multiply)(const WinogradShape&, int64_t tiles, const float* v, const float* u, float* m);
    void (*output)(const WinogradShape&, const float* m, int64_t first, int64_t tiles, const float* bias,
                   const float* residual, float scale, float* y);
    void (*output_bf16)(const WinogradShape&, const float* m, int64_t first, int64_t tiles, const float* bias,
                        const uint16_t* residual, float scale, uint16_t* y);
};

}  // namespace

}  // namespace schedbench

#define SCHEDBENCH_KERNELS "models/winograd.inc"
#include "models/each_isa.inc"

namespace schedbench {

namespace {

/// By the capability that LibTorch goes by, which is part of a sample's identity.
const WinogradKernels& kernels() {
    static const WinogradKernels chosen = [] {
#ifdef SCHEDBENCH_X86_KERNELS
        const std::string capability = at::get_cpu_capability();
        if (capability == "AVX512") return wide::winograd_kernels();
        if (capability == "AVX2") return middle::winograd_kernels();
#endif
        return plain::winograd_kernels();
    }();
    return chosen;
}

/// Scratch of a thread, kept from call to call: it is a few megabytes, and fresh pages are slow.
float* scratch(int64_t size) {
    thread_local std::vector<float> memory;
    if (memory.size() < static_cast<size_t>(size)) memory.resize(static_cast<size_t>(size));
    return memory.data();
}

/// Tiles a block: enough to use the weights often, few enough that v and m stay in cache; as many blocks for
/// each thread.
int64_t block_size(const WinogradShape& s, int threads) {
    constexpr int64_t kFloats = 3 << 17, kRows = 12;
    const int64_t most = std::max<int64_t>(kFloats / (36 * (s.in + s.out)) / kRows, 1) * kRows;
    const int64_t rounds = (s.tiles() + most * threads - 1) / (most * threads);
    return (s.tiles() + rounds * threads - 1) / (rounds * threads);
}

bool is_known_dtype(const at::Tensor& t) {
    return t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16;
}

}  // namespace

bool winograd_applies(const at::Tensor& weight) {
    return weight.device().is_cpu() && weight.dim() == 4 && is_known_dtype(weight) && weight.size(2) == 3 &&
           weight.size(3) == 3 && weight.size(0) % 32 == 0 && weight.size(1) % 32 == 0;
}

at::Tensor winograd_weights(const at::Tensor& weight) {
    SCHEDBENCH_ASSERT(winograd_applies(weight));
    const at::Tensor w = weight.detach().to(at::kFloat);
    const WinogradShape shape{1, 1, 1, w.size(1), w.size(0)};
    at::Tensor u =
        at::empty({36, shape.out, shape.in}, w.options().memory_format(at::MemoryFormat::Contiguous));
    const float* const from = w.const_data_ptr<float>();
    float* const to = u.mutable_data_ptr<float>();
    const int64_t strides[] = {w.stride(0), w.stride(1), w.stride(2), w.stride(3)};
    at::parallel_for(0, shape.out / kernels().panel, 1, [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel) kernels().weights(shape, from, strides, panel, to);
    });
    return u;
}

at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& transformed, const at::Tensor& bias,
                         const at::Tensor& residual, double scale) {
    SCHEDBENCH_ASSERT(x.dim() == 4 && x.size(1) == transformed.size(2) && is_known_dtype(x));
    SCHEDBENCH_ASSERT(residual.defined() || scale == 1);
    constexpr auto kLast = at::MemoryFormat::ChannelsLast;
    const at::Tensor input = x.contiguous(kLast), offset = bias.to(at::kFloat);
    const at::Tensor added = residual.defined() ? residual.to(x.scalar_type()).contiguous(kLast) : residual;
    const WinogradShape s{x.size(0), x.size(2), x.size(3), x.size(1), transformed.size(1)};
    at::Tensor out = at::empty({s.batch, s.out, s.height, s.width}, x.options().memory_format(kLast));
    SCHEDBENCH_ASSERT(!added.defined() || added.sizes() == out.sizes());
    const float *const u = transformed.const_data_ptr<float>(), *const b = offset.const_data_ptr<float>();
    const auto factor = static_cast<float>(scale);
    const bool bf16 = x.scalar_type() == at::kBFloat16;
    const void *const from = input.const_data_ptr(), *const plus =
                                                         added.defined() ? added.const_data_ptr() : nullptr;
    void* const to = out.mutable_data_ptr();
    const WinogradKernels& k = kernels();
    const int64_t size = block_size(s, at::get_num_threads()), tiles = s.tiles();
    at::parallel_for(0, (tiles + size - 1) / size, 1, [&](int64_t begin, int64_t end) {
        float* const v = scratch(36 * (plane_size(size, s.in) + plane_size(size, s.out)));
        for (int64_t block = begin; block < end; ++block) {
            const int64_t first = block * size, count = std::min(size, tiles - first);
            float* const m = v + 36 * plane_size(count, s.in);
            if (bf16)
                k.input_bf16(s, static_cast<const uint16_t*>(from), first, count, v);
            else
                k.input(s, static_cast<const float*>(from), first, count, v);
            k.multiply(s, count, v, u, m);
            if (bf16)
                k.output_bf16(s, m, first, count, b, static_cast<const uint16_t*>(plus), factor,
                              static_cast<uint16_t*>(to));
            else
                k.output(s, m, first, count, b, static_cast<const float*>(plus), factor,
                         static_cast<float*>(to));
        }
    });
    return out;
}

}  // namespace schedbench
