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
    at::Tensor h = at::silu(group_norm(p, name(names->norm0), x, groups, epsilon));
    h = conv(p, name(names->conv0), resample_plainly(h, resample));
    const at::Tensor e = linear(p, name(names->embedding), emb).to(h.scalar_type()).unsqueeze(2).unsqueeze(3);
    if (scale_shift) {
        const auto parts = e.chunk(2, 1);
        h = at::addcmul(parts[1], group_norm(p, name(names->norm1), h, groups, epsilon), 1 + parts[0]);
    } else {
        h = group_norm(p, name(names->norm1), h + e, groups, epsilon);
    }
    h = at::silu(h);
    if (dropout > 0) h = at::dropout(h, dropout, true);
    h = conv(p, name(names->conv1), h);
    const at::Tensor skip = resample_plainly(x, resample);
    return (in == out ? skip : conv(p, name(names->skip), skip)) + h;
}

int64_t ResidualBlock::macs(int64_t pixels) const {
    const int64_t inside = resample == Resample::up     ? pixels * 4
                           : resample == Resample::down ? pixels / 4
                                                        : pixels;
    return (9 * in * out + 9 * out * out + (in != out ? in * out : 0)) * inside +
           embedding * out * (scale_shift ? 2 : 1);
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
