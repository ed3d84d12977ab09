// Compiled without fused multiply-adds (CMakeLists.txt): the tf1 resizer rounds after every operation.
#include "eval/resize.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr int64_t kChannels = 3;

// ------------------------------------------------------------------------------------------- TensorFlow 1

struct BilinearTap {
    int64_t low, high;
    float weight;  ///< of `high`
};

/// s = float(in/out), g = float(j) s, low = trunc(g), weight = g - low.
std::vector<BilinearTap> tf1_taps(int64_t in, int64_t out) {
    std::vector<BilinearTap> taps;
    const float scale = static_cast<float>(in) / static_cast<float>(out);
    for (int64_t j = 0; j < out; ++j) {
        const float g = static_cast<float>(j) * scale;
        const int64_t low = std::min(static_cast<int64_t>(g), in - 1);
        taps.push_back({low, std::min(low + 1, in - 1), g - static_cast<float>(low)});
    }
    return taps;
}

/// One plane: along x first, for both rows, then along y.
void resize_tf1(const uint8_t* plane, int64_t width, const std::vector<BilinearTap>& rows,
                const std::vector<BilinearTap>& columns, float* out) {
    for (const BilinearTap& row : rows) {
        const uint8_t* top = plane + row.low * width;
        const uint8_t* bottom = plane + row.high * width;
        for (const BilinearTap& column : columns) {
            const float a = top[column.low], b = top[column.high];
            const float c = bottom[column.low], d = bottom[column.high];
            const float upper = a + (b - a) * column.weight;
            const float lower = c + (d - c) * column.weight;
            *out++ = upper + (lower - upper) * row.weight;
        }
    }
}

/// The same operations in the same order on tensors, for pixels on another device: equal bits.
at::Tensor resize_tf1(const at::Tensor& pixels, int64_t size) {
    struct Taps {
        at::Tensor low, high, weight;
    };
    const auto taps_of = [&](int64_t in) {
        std::vector<int64_t> low, high;
        std::vector<float> weight;
        for (const BilinearTap& tap : tf1_taps(in, size)) {
            low.push_back(tap.low);
            high.push_back(tap.high);
            weight.push_back(tap.weight);
        }
        return Taps{at::tensor(low, at::kLong).to(pixels.device()),
                    at::tensor(high, at::kLong).to(pixels.device()),
                    at::tensor(weight, at::kFloat).to(pixels.device())};
    };
    const Taps rows = taps_of(pixels.size(2)), columns = taps_of(pixels.size(3));
    const at::Tensor weight = rows.weight.reshape({-1, 1}), source = pixels.to(at::kFloat);
    const auto wide = [&](const at::Tensor& lines) {
        const at::Tensor a = source.index_select(2, lines), low = a.index_select(3, columns.low);
        return (a.index_select(3, columns.high) - low).mul_(columns.weight).add_(low);
    };
    const at::Tensor upper = wide(rows.low);
    return (wide(rows.high) - upper).mul_(weight).add_(upper);
}

// ------------------------------------------------------------------------------------------------- Pillow

/// Keys' cubic kernel, R. G. Keys, IEEE Trans. ASSP 29 (1981), eq. 4 with a = -1/2.
double cubic(double t) {
    constexpr double a = -0.5;
    t = std::abs(t);
    if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
    return 0;
}

struct CubicTaps {
    int64_t first;
    std::vector<double> weights;
};

/// The kernel is stretched by max(in/out, 1), cut at the border, and its weights are normalised to sum 1.
std::vector<CubicTaps> cubic_taps(int64_t in, int64_t out) {
    std::vector<CubicTaps> taps;
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    const double stretch = std::max(scale, 1.0), support = 2 * stretch, inverse = 1 / stretch;
    for (int64_t j = 0; j < out; ++j) {
        const double center = (static_cast<double>(j) + 0.5) * scale;
        const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
        const int64_t last = std::min(static_cast<int64_t>(center + support + 0.5), in);
        CubicTaps tap{first, {}};
        double sum = 0;
        for (int64_t k = first; k < last; ++k) {
            tap.weights.push_back(cubic((static_cast<double>(k) - center + 0.5) * inverse));
            sum += tap.weights.back();
        }
        for (double& weight : tap.weights) weight /= sum;
        taps.push_back(std::move(tap));
    }
    return taps;
}

/// One plane: along x, then along y, each pass summed in double and stored as float32. A pass that would not
/// change the size is left out.
std::vector<float> resize_cubic(const uint8_t* plane, int64_t height, int64_t width, int64_t size,
                                const std::vector<CubicTaps>& rows, const std::vector<CubicTaps>& columns) {
    const auto index = [](int64_t i) { return static_cast<size_t>(i); };
    std::vector<float> wide(plane, plane + height * width);
    if (width != size) {
        std::vector<float> narrow(index(height * size));
        for (int64_t y = 0; y < height; ++y)
            for (int64_t x = 0; x < size; ++x) {
                const CubicTaps& tap = columns[index(x)];
                const float* source = wide.data() + y * width + tap.first;
                double sum = 0;
                for (const double weight : tap.weights) sum += static_cast<double>(*source++) * weight;
                narrow[index(y * size + x)] = static_cast<float>(sum);
            }
        wide = std::move(narrow);
    }
    if (height == size) return wide;
    std::vector<float> out(index(size * size));
    std::vector<double> sums(index(size));
    for (int64_t y = 0; y < size; ++y) {
        const CubicTaps& tap = rows[index(y)];
        std::fill(sums.begin(), sums.end(), 0.0);
        const float* source = wide.data() + tap.first * size;
        for (const double weight : tap.weights)
            for (double& sum : sums) sum += static_cast<double>(*source++) * weight;
        for (int64_t x = 0; x < size; ++x) out[index(y * size + x)] = static_cast<float>(sums[index(x)]);
    }
    return out;
}

/// Pillow's arithmetic on bytes: integer weights with 22 fractional bits (rounded half away from zero), a
/// start value of one half, and after each pass a shift and a clip to 0..255.
struct IntegerTaps {
    int64_t first;
    std::vector<int32_t> weights;
};
constexpr int kFraction = 22;

std::vector<IntegerTaps> integer_taps(int64_t in, int64_t out) {
    std::vector<IntegerTaps> taps;
    for (const CubicTaps& tap : cubic_taps(in, out)) {
        taps.push_back({tap.first, {}});
        for (const double weight : tap.weights)
            taps.back().weights.push_back(static_cast<int32_t>(std::lround(weight * (1 << kFraction))));
    }
    return taps;
}

/// One pass over `lines` lines of `stride` bytes each; neighbours on a line are `step` bytes apart.
void pass_pillow8(const uint8_t* from, uint8_t* to, int64_t lines, int64_t from_stride, int64_t to_stride,
                  int64_t step, const std::vector<IntegerTaps>& taps) {
    for (int64_t line = 0; line < lines; ++line) {
        const uint8_t* source = from + line * from_stride;
        uint8_t* target = to + line * to_stride;
        for (const IntegerTaps& tap : taps) {
            int32_t sum = 1 << (kFraction - 1);
            const uint8_t* p = source + tap.first * step;
            for (const int32_t weight : tap.weights) {
                sum += *p * weight;
                p += step;
            }
            *target = static_cast<uint8_t>(std::clamp(sum >> kFraction, 0, 255));
            target += step;
        }
    }
}

std::string text_of(const at::Tensor& pixels) {
    std::string text = "[";
    for (int64_t d = 0; d < pixels.dim(); ++d) text += (d == 0 ? "" : ", ") + std::to_string(pixels.size(d));
    return text + "] " + std::string(c10::toString(pixels.scalar_type()));
}

/// Error("shape") unless uint8 [B, 1 or 3, H, W].
void check_pixels(const at::Tensor& pixels, const std::string& where) {
    if (pixels.scalar_type() != at::kByte || pixels.dim() != 4 ||
        (pixels.size(1) != 1 && pixels.size(1) != kChannels) || pixels.size(2) < 1 || pixels.size(3) < 1)
        throw Error("shape", "needs uint8 images [B, 1 or 3, H, W], got " + text_of(pixels), where);
}

at::Tensor checked_pixels(const at::Tensor& pixels, const std::string& where) {
    check_pixels(pixels, where);
    return pixels.to(at::kCPU).contiguous();
}

at::Tensor three_channels(const at::Tensor& x) {
    return x.size(1) == 1 ? x.expand({-1, kChannels, -1, -1}).contiguous() : x;
}

}  // namespace

const std::vector<std::string>& pipeline_names() {
    static const std::vector<std::string> names = {"tf1", "pytorch-fid", "clean", "antialiased"};
    return names;
}

const std::string& pipeline_name(Pipeline pipeline) {
    return pipeline_names()[static_cast<size_t>(pipeline)];
}

Pipeline parse_pipeline(const std::string& name, const std::string& where) {
    for (size_t i = 0; i < pipeline_names().size(); ++i)
        if (pipeline_names()[i] == name) return static_cast<Pipeline>(i);
    throw Error("spec", "there is no pipeline \"" + name + "\"", where,
                "use tf1, pytorch-fid, clean or antialiased");
}

at::Tensor resize_for(Pipeline pipeline, const at::Tensor& pixels, int64_t size) {
    SCHEDBENCH_ASSERT(size > 0);
    const std::string where = "inception, pipeline " + pipeline_name(pipeline);
    check_pixels(pixels, where);
    if (pipeline == Pipeline::tf1 && !pixels.device().is_cpu())
        return three_channels(resize_tf1(pixels, size));
    const at::Tensor source = checked_pixels(pixels, where);
    const int64_t planes = source.size(0) * source.size(1), height = source.size(2), width = source.size(3);
    at::Tensor out;
    switch (pipeline) {
        case Pipeline::tf1:
        case Pipeline::clean: {
            out = at::empty({source.size(0), source.size(1), size, size}, at::kFloat);
            const uint8_t* from = source.const_data_ptr<uint8_t>();
            float* to = out.data_ptr<float>();
            const auto rows = tf1_taps(height, size), columns = tf1_taps(width, size);
            const auto cubic_rows = cubic_taps(height, size), cubic_columns = cubic_taps(width, size);
            for (int64_t p = 0; p < planes; ++p, from += height * width, to += size * size) {
                if (pipeline == Pipeline::tf1) {
                    resize_tf1(from, width, rows, columns, to);
                    continue;
                }
                const auto plane = resize_cubic(from, height, width, size, cubic_rows, cubic_columns);
                std::transform(plane.begin(), plane.end(), to,
                               [](float value) { return std::clamp(value, 0.0f, 255.0f); });
            }
            break;
        }
        case Pipeline::pytorch_fid:
            // Three channels first, as in the tool: with one thread, torch rounds otherwise for another
            // count.
            out =
                at::upsample_bilinear2d(three_channels(source.to(at::kFloat).div_(255)), {size, size}, false);
            break;
        case Pipeline::antialiased:
            out = at::_upsample_bilinear2d_aa(source.to(at::kFloat), {size, size}, false);
            break;
    }
    return three_channels(out);
}

at::Tensor scale_for(Pipeline pipeline, const at::Tensor& resized) {
    return pipeline == Pipeline::pytorch_fid ? resized * 2 - 1 : (resized - 128) / 128;
}

at::Tensor resize_pillow8(const at::Tensor& pixels, int64_t size) {
    const at::Tensor source = checked_pixels(pixels, "Pillow's bicubic resizer");
    const int64_t planes = source.size(0) * source.size(1), height = source.size(2), width = source.size(3);
    at::Tensor wide = source;
    if (width != size) {
        wide = at::empty({source.size(0), source.size(1), height, size}, at::kByte);
        pass_pillow8(source.const_data_ptr<uint8_t>(), wide.data_ptr<uint8_t>(), planes * height, width, size,
                     1, integer_taps(width, size));
    }
    at::Tensor out = wide;
    if (height != size) {
        out = at::empty({source.size(0), source.size(1), size, size}, at::kByte);
        const auto taps = integer_taps(height, size);
        for (int64_t p = 0; p < planes; ++p)
            pass_pillow8(wide.const_data_ptr<uint8_t>() + p * height * size,
                         out.data_ptr<uint8_t>() + p * size * size, size, 1, 1, size, taps);
    }
    return three_channels(out.to(at::kFloat));
}

at::Tensor resize_torch_bicubic(const at::Tensor& pixels, int64_t size) {
    const at::Tensor source = checked_pixels(pixels, "torch's bicubic resizer").to(at::kFloat);
    if (source.size(2) == size && source.size(3) == size) return three_channels(source);
    return three_channels(at::_upsample_bicubic2d_aa(source, {size, size}, false));
}

}  // namespace schedbench
