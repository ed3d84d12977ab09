#include "core/normal_draws.h"

#include <ATen/ATen.h>

#include "core/cuda_plugin.h"
#include "core/error.h"
#include "core/noise_arithmetic.h"

namespace schedbench {

namespace {

using namespace noise_arithmetic;

constexpr int64_t kWord = 0xFFFFFFFF;

at::Tensor low_word(const at::Tensor& x) {
    return x.bitwise_and(kWord);
}

at::Tensor high_word(const at::Tensor& x) {
    return x.bitwise_right_shift(32).bitwise_and_(kWord);  // the shift brings copies of the sign down
}

/// unit_interval() of noise_arithmetic.h; words int64.
at::Tensor unit_intervals(const at::Tensor& words) {
    const at::Tensor high = words.bitwise_right_shift(16).to(at::kFloat).mul_(65536.0);
    return words.bitwise_and(0xFFFF).add_(1).to(at::kFloat).add_(high).mul_(0x1p-32);
}

/// ((z * a + b) * z + c) ..., each operation rounded.
template <size_t n>
at::Tensor horner(const float (&coefficients)[n], size_t count, const at::Tensor& z) {
    at::Tensor sum = z * double{coefficients[0]} + double{coefficients[1]};
    for (size_t i = 2; i < count; ++i) sum = sum.mul_(z).add_(double{coefficients[i]});
    return sum;
}

/// normal_radius() of noise_arithmetic.h.
at::Tensor normal_radii(const at::Tensor& u) {
    const at::Tensor shifted = u.view(at::kInt) - static_cast<int64_t>(kRootHalf);
    const at::Tensor e = shifted.bitwise_right_shift(23).to(at::kFloat);
    const at::Tensor f =
        shifted.bitwise_and(0x007FFFFF).add_(static_cast<int64_t>(kRootHalf)).view(at::kFloat) - 1.0;
    const at::Tensor s = f / (f + 2.0);
    const at::Tensor z = s * s;
    const at::Tensor inner = s * (f - (z * 2.0).mul_(horner(kLog, 3, z))) - e * double{kLn2Low};
    const at::Tensor log = e * double{kLn2High} + (f - inner);
    // The library's float32 root is not always the nearest; rounded from the float64 root it is.
    return log.mul_(-2.0).to(at::kDouble).sqrt_().to(at::kFloat);
}

struct Turns {
    at::Tensor cos, sin;
};

/// turn() of noise_arithmetic.h.
Turns turns(const at::Tensor& u) {
    const at::Tensor quarters = u * 4.0;
    const at::Tensor q = (quarters + 0.5).to(at::kInt);
    const at::Tensor r = quarters - q.to(at::kFloat);
    const at::Tensor z = r * r;
    const at::Tensor sine = r * double{kSine[4]} + r * horner(kSine, 3, z).mul_(z).add_(double{kSine[3]});
    const at::Tensor cosine = horner(kCosine, 4, z).mul_(z).add_(1.0);
    const at::Tensor swap = q.bitwise_and(1).ne(0);
    const auto with_sign = [](const at::Tensor& value, const at::Tensor& quadrant) {
        return at::where(quadrant.bitwise_and(2).ne(0), -value, value);
    };
    return {with_sign(at::where(swap, sine, cosine), q + 1), with_sign(at::where(swap, cosine, sine), q)};
}

}  // namespace

DrawPath draw_path(at::Device device) {
    if (device.is_cpu()) return DrawPath::host;
    return device.is_cuda() && cuda_plugin() ? DrawPath::kernel : DrawPath::tensor;
}

NormalDraws::NormalDraws(uint64_t seed, std::vector<int64_t> ids, std::vector<int64_t> shape,
                         at::Device device)
    : NormalDraws(seed, std::move(ids), std::move(shape), device, draw_path(device)) {}

NormalDraws::NormalDraws(uint64_t seed, std::vector<int64_t> ids, std::vector<int64_t> shape,
                         at::Device device, DrawPath path)
    : seed_(seed), ids_(std::move(ids)), sizes_(std::move(shape)), device_(device), path_(path) {
    for (const int64_t id : ids_) SCHEDBENCH_ASSERT(id >= 0);
    for (const int64_t size : sizes_) elements_ *= size;
    sizes_.insert(sizes_.begin(), static_cast<int64_t>(ids_.size()));
    if (path_ == DrawPath::host) return;
    id_column_ = at::tensor(ids_, at::kLong).reshape({-1, 1}).to(device_);
    blocks_ = at::arange((elements_ + 3) / 4, at::device(device_).dtype(at::kLong)).unsqueeze(0);
}

at::Tensor NormalDraws::draw(NoisePurpose purpose, uint32_t draw) const {
    switch (path_) {
        case DrawPath::host:
            return by_host(purpose, draw);
        case DrawPath::tensor:
            return by_tensors(purpose, draw);
        case DrawPath::kernel:
            return by_kernel(purpose, draw);
    }
    SCHEDBENCH_ASSERT(false);
    return {};
}

at::Tensor NormalDraws::by_host(NoisePurpose purpose, uint32_t draw) const {
    const at::Tensor out = at::empty(sizes_, at::kFloat);
    float* row = out.mutable_data_ptr<float>();
    for (const int64_t id : ids_) {
        fill_normals({seed_, purpose}, static_cast<uint64_t>(id), draw,
                     {row, static_cast<size_t>(elements_)});
        row += elements_;
    }
    return out.to(device_);
}

at::Tensor NormalDraws::words(NoisePurpose purpose, uint32_t draw) const {
    SCHEDBENCH_ASSERT(path_ != DrawPath::host);
    uint32_t key0 = static_cast<uint32_t>(seed_), key1 = static_cast<uint32_t>(seed_ >> 32);
    at::Tensor c0 = blocks_, c2 = low_word(id_column_);
    at::Tensor c3 = id_column_.bitwise_right_shift(32).bitwise_or_(static_cast<int64_t>(purpose) << 24);
    at::Tensor c1 = at::full_like(c2, static_cast<int64_t>(draw));
    for (int round = 0; round < kRounds; ++round) {
        // Products of 32-bit words wrap around in int64, whose bits are those of the unsigned product.
        const at::Tensor p0 = c0 * static_cast<int64_t>(kMultiplier0),
                         p1 = c2 * static_cast<int64_t>(kMultiplier1);
        c0 = high_word(p1).bitwise_xor(c1).bitwise_xor(static_cast<int64_t>(key0));
        c2 = high_word(p0).bitwise_xor(c3).bitwise_xor(static_cast<int64_t>(key1));
        c1 = low_word(p1);
        c3 = low_word(p0);
        key0 += kWeyl0;
        key1 += kWeyl1;
    }
    return at::stack({c0, c1, c2, c3}, 2);
}

at::Tensor NormalDraws::by_tensors(NoisePurpose purpose, uint32_t draw) const {
    const at::Tensor u =
        unit_intervals(words(purpose, draw)).reshape({sizes_[0], -1, 2, 2});  // pairs (u1, u2)
    const at::Tensor radius = normal_radii(u.select(3, 0).contiguous());
    const Turns angle = turns(u.select(3, 1));
    return at::stack({radius * angle.cos, radius * angle.sin}, 3)
        .reshape({sizes_[0], -1})
        .narrow(1, 0, elements_)
        .reshape(sizes_);
}

at::Tensor NormalDraws::by_kernel(NoisePurpose purpose, uint32_t draw) const {
    const at::Tensor out = at::empty(sizes_, at::device(device_).dtype(at::kFloat));
    const CudaPlugin* plugin = cuda_plugin();
    SCHEDBENCH_ASSERT(plugin);
    const char* failure =
        plugin->fill_normals(out.mutable_data_ptr<float>(), id_column_.const_data_ptr<int64_t>(), sizes_[0],
                             elements_, seed_, static_cast<uint32_t>(purpose), draw);
    if (failure) throw Error("device", std::string("the noise kernel failed: ") + failure, device_.str());
    return out;
}

}  // namespace schedbench
