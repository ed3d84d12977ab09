#include "models/winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"

namespace schedbench {

namespace {

/// The matrices of F(Out x Out, 3 x 3) at the points 0, +-p of Out/2 values p, infinity: values p come as
/// reciprocal pairs, so that their product is 1.
template <int Out>
struct FilterPoints {
    static constexpr int kPairs = Out / 2, kIn = Out + 2;

    float powers[Out][kPairs] = {};  ///< p^i: A's columns but the first and last
    float others[kPairs][kPairs] =
        {};                      ///< ascending coefficients of the product of (y - q^2) over q other than p
    float all[kPairs + 1] = {};  ///< the same over all q
    double kernel[kIn][3] = {};  ///< G

    constexpr explicit FilterPoints(const std::array<double, kPairs>& p) {
        for (int k = 0; k <= kPairs; ++k) {  // the last: over all
            double product[kPairs + 1] = {1};
            for (int q = 0, degree = 0; q < kPairs; ++q) {
                if (q == k) continue;
                ++degree;
                for (int i = degree; i >= 0; --i)
                    product[i] = (i > 0 ? product[i - 1] : 0) - p[q] * p[q] * product[i];
            }
            if (k == kPairs) {
                for (int i = 0; i <= kPairs; ++i) all[i] = static_cast<float>(product[i]);
                for (double& g : kernel[0]) g = 0;
                kernel[0][0] = 1 / product[0];
                kernel[kIn - 1][2] = 1;
                continue;
            }
            double value = 0, power = 1;  // of the product at p^2
            for (int i = 0; i < kPairs; ++i) {
                others[k][i] = static_cast<float>(product[i]);
                value += power * product[i];
                power *= p[k] * p[k];
            }
            const double scale = 1 / (2 * p[k] * p[k] * value);
            for (const int sign : {1, -1}) {
                double* const row = kernel[sign > 0 ? 1 + 2 * k : 2 + 2 * k];
                row[0] = scale;
                row[1] = sign * p[k] * scale;
                row[2] = p[k] * p[k] * scale;
            }
            power = 1;
            for (int i = 0; i < Out; ++i, power *= p[k]) powers[i][k] = static_cast<float>(power);
        }
    }
};

template <int Out>
constexpr FilterPoints<Out> kFilterPoints{{}};
template <>
constexpr FilterPoints<4> kFilterPoints<4>{{0.70710678118654752, 1.41421356237309505}};
template <>
constexpr FilterPoints<8> kFilterPoints<8>{{0.4, 0.8, 1.25, 2.5}};

constexpr int64_t square(int64_t side) {
    return side * side;
}

struct TilePlace {
    int64_t image, row, column;  ///< of the tile's first output
};

/// Tiles are side x side outputs, the last of a row or column cut off; numbered by image, row, column.
struct WinogradShape {
    int64_t batch, height, width, in, out;
    int64_t tiles(int64_t side) const {
        return batch * ((height + side - 1) / side) * ((width + side - 1) / side);
    }
    template <int Side>
    TilePlace place(int64_t tile) const {
        const int64_t rows = (height + Side - 1) / Side, columns = (width + Side - 1) / Side;
        return {tile / (rows * columns), tile / columns % rows * Side, tile % columns * Side};
    }
};

/// Distance of the planes of v and m, one a pair of points: a line of cache more than they hold, because a
/// power of two would put all of them in one place of the cache.
constexpr int64_t plane_size(int64_t tiles, int64_t channels) {
    return tiles * channels + 16;
}

/// v [points, tiles, in] = B^T d B, m [points, tiles, panel] = v u; both of one block of tiles, m of one
/// panel of output channels, so that it need not leave the cache between product and transform.
struct WinogradKernels {
    int64_t panel;  ///< output channels multiplied at once
    void (*weights)(const WinogradShape&, const float* w, const int64_t* strides, int64_t panel, float* u);
    void (*input)(const WinogradShape&, const float* x, int64_t first, int64_t tiles, float* v);
    void (*input_bf16)(const WinogradShape&, const uint16_t* x, int64_t first, int64_t tiles, float* v);
    void (*multiply)(const WinogradShape&, int64_t tiles, int64_t panel, const float* v, const float* u,
                     float* m);
    void (*output)(const WinogradShape&, const float* m, int64_t panel, int64_t first, int64_t tiles,
                   const float* bias, const float* residual, float scale, float* y);
    void (*output_bf16)(const WinogradShape&, const float* m, int64_t panel, int64_t first, int64_t tiles,
                        const float* bias, const uint16_t* residual, float scale, uint16_t* y);
};

}  // namespace

}  // namespace schedbench

#define SCHEDBENCH_KERNELS "models/winograd.inc"
#include "models/each_isa.inc"

namespace schedbench {

namespace {

/// By the capability that LibTorch goes by, which is part of a sample's identity.
template <int Out>
const WinogradKernels& kernels_of() {
    static const WinogradKernels chosen = [] {
#ifdef SCHEDBENCH_X86_KERNELS
        const std::string capability = at::get_cpu_capability();
        if (capability == "AVX512") return wide::winograd_kernels<Out>();
        if (capability == "AVX2") return middle::winograd_kernels<Out>();
#endif
        return plain::winograd_kernels<Out>();
    }();
    return chosen;
}

const WinogradKernels& kernels(int64_t side) {
    return side == 8 ? kernels_of<8>() : kernels_of<4>();
}

/// Scratch of a thread, kept from call to call: it is a few megabytes, and fresh pages are slow.
float* scratch(int64_t size) {
    thread_local std::vector<float> memory;
    if (memory.size() < static_cast<size_t>(size)) memory.resize(static_cast<size_t>(size));
    return memory.data();
}

/// Tiles a block: enough to use the weights often, few enough that v and m stay in cache; as many blocks for
/// each thread.
int64_t block_size(const WinogradShape& s, int64_t side, int64_t panel, int threads) {
    constexpr int64_t kFloats = 3 << 17, kRows = 12;
    const int64_t tiles = s.tiles(side), floats_a_tile = square(side + 2) * (s.in + panel);
    const int64_t most = std::max<int64_t>(kFloats / floats_a_tile / kRows, 1) * kRows;
    const int64_t rounds = (tiles + most * threads - 1) / (most * threads);
    return (tiles + rounds * threads - 1) / (rounds * threads);
}

bool is_known_dtype(const at::Tensor& t) {
    return t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16;
}

}  // namespace

bool winograd_applies(const at::Tensor& weight) {
    return weight.device().is_cpu() && weight.dim() == 4 && is_known_dtype(weight) && weight.size(2) == 3 &&
           weight.size(3) == 3 && weight.size(0) % 32 == 0 && weight.size(1) % 32 == 0;
}

int64_t winograd_side(at::ScalarType dtype, int64_t height, int64_t width) {
    return dtype == at::kBFloat16 && height >= 16 && width >= 16 && height % 8 == 0 && width % 8 == 0 ? 8 : 4;
}

at::Tensor winograd_weights(const at::Tensor& weight, int64_t side) {
    SCHEDBENCH_ASSERT(winograd_applies(weight) && (side == 4 || side == 8));
    const at::Tensor w = weight.detach().to(at::kFloat);
    const WinogradShape shape{1, 1, 1, w.size(1), w.size(0)};
    const WinogradKernels& k = kernels(side);
    at::Tensor u = at::empty({square(side + 2), shape.out, shape.in},
                             w.options().memory_format(at::MemoryFormat::Contiguous));
    const float* const from = w.const_data_ptr<float>();
    float* const to = u.mutable_data_ptr<float>();
    const int64_t strides[] = {w.stride(0), w.stride(1), w.stride(2), w.stride(3)};
    at::parallel_for(0, shape.out / k.panel, 1, [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel) k.weights(shape, from, strides, panel, to);
    });
    return u;
}

at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& transformed, const at::Tensor& bias,
                         const at::Tensor& residual, double scale) {
    SCHEDBENCH_ASSERT(x.dim() == 4 && x.size(1) == transformed.size(2) && is_known_dtype(x));
    const int64_t points = transformed.size(0), side = points == square(8 + 2) ? 8 : 4;
    SCHEDBENCH_ASSERT(points == square(side + 2));
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
    const WinogradKernels& k = kernels(side);
    const int64_t size = block_size(s, side, k.panel, at::get_num_threads()), tiles = s.tiles(side);
    at::parallel_for(0, (tiles + size - 1) / size, 1, [&](int64_t begin, int64_t end) {
        float* const v = scratch(points * (plane_size(size, s.in) + plane_size(size, k.panel)));
        for (int64_t block = begin; block < end; ++block) {
            const int64_t first = block * size, count = std::min(size, tiles - first);
            float* const m = v + points * plane_size(count, s.in);
            if (bf16)
                k.input_bf16(s, static_cast<const uint16_t*>(from), first, count, v);
            else
                k.input(s, static_cast<const float*>(from), first, count, v);
            for (int64_t panel = 0; panel < s.out / k.panel; ++panel) {
                k.multiply(s, count, panel, v, u, m);
                if (bf16)
                    k.output_bf16(s, m, panel, first, count, b, static_cast<const uint16_t*>(plus), factor,
                                  static_cast<uint16_t*>(to));
                else
                    k.output(s, m, panel, first, count, b, static_cast<const float*>(plus), factor,
                             static_cast<float*>(to));
            }
        }
    });
    return out;
}

}  // namespace schedbench
