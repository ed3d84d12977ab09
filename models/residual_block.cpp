#include "models/residual_block.h"

#include <ATen/ATen.h>

#include <cmath>

namespace schedbench {

void ResidualBlock::add_shapes(ParameterShapes& shapes) const {
    add_norm_shapes(shapes, name(names->norm0), in);
    add_conv_shapes(shapes, name(names->conv0), in, out);
    add_linear_shapes(shapes, name(names->embedding), embedding, scale_shift ? 2 * out : out);
    add_norm_shapes(shapes, name(names->norm1), out);
    add_conv_shapes(shapes, name(names->conv1), out, out);
    if (in != out) add_conv_shapes(shapes, name(names->skip), in, out, 1);
}

at::Tensor ResidualBlock::operator()(const Parameters& p, const at::Tensor& x, const at::Tensor& emb,
                                     double dropout) const {
    at::Tensor h = norm_around(p, name(names->norm0), x, groups, epsilon, {{}, {}, {}, true});
    h = conv(p, name(names->conv0), resample_plainly(h, resample));
    h = norm_around(p, name(names->norm1), h, groups, epsilon,
                    embedding_around(linear(p, name(names->embedding), emb), scale_shift));
    if (dropout > 0) h = at::dropout(h, dropout, true);
    const at::Tensor skip = resample_plainly(x, resample);
    return conv_add(p, name(names->conv1), h, in == out ? skip : conv(p, name(names->skip), skip));
}

int64_t ResidualBlock::macs(int64_t pixels) const {
    const int64_t inside = resample == Resample::up     ? pixels * 4
                           : resample == Resample::down ? pixels / 4
                                                        : pixels;
    return (9 * in * out + 9 * out * out + (in != out ? in * out : 0)) * inside +
           embedding * out * (scale_shift ? 2 : 1);
}

NormSurroundings embedding_around(const at::Tensor& embedded, bool scale_shift) {
    if (!scale_shift) return {embedded, {}, {}, true};
    const auto parts = embedded.chunk(2, 1);
    return {{}, parts[0], parts[1], true};
}

at::Tensor resample_plainly(const at::Tensor& x, Resample resample) {
    switch (resample) {
        case Resample::none:
            return x;
        case Resample::up:
            return at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
        case Resample::down:
            return at::avg_pool2d(x, {2, 2});
    }
    return x;
}

at::Tensor upsampling_conv(const Parameters& p, const std::string& prefix, const at::Tensor& x) {
    return conv(p, prefix, resample_plainly(x, Resample::up));
}

at::Tensor downsampling_conv(const Parameters& p, const std::string& prefix, const at::Tensor& x,
                             bool one_sided) {
    if (!one_sided) return conv(p, prefix, x, 2);
    return at::conv2d(at::constant_pad_nd(x, {0, 1, 0, 1}), parameter(p, prefix + ".weight"),
                      parameter(p, prefix + ".bias"), {2, 2});
}

at::Tensor sinusoidal_embedding(const at::Tensor& time, int64_t dim, bool endpoint) {
    const int64_t half = dim / 2;
    const auto dtype = time.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor exponents = at::arange(half, time.options().dtype(dtype));
    // The two codes round in another order.
    const at::Tensor logs = endpoint ? exponents * (-std::log(10000.0) / static_cast<double>(half - 1))
                                     : exponents.mul(-std::log(10000.0)).div(static_cast<double>(half));
    const at::Tensor phases = time.to(dtype).unsqueeze(1) * at::exp(logs).unsqueeze(0);
    return at::cat({phases.cos(), phases.sin()}, 1);
}

}  // namespace schedbench
