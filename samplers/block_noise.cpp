#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "core/error.h"
#include "core/noise.h"
#include "samplers/sampler.h"

namespace schedbench {

PhiloxNoise::PhiloxNoise(uint64_t seed, std::vector<int64_t> sample_ids, std::vector<int64_t> shape,
                         at::Device device)
    : seed_(seed), ids_(std::move(sample_ids)), draws_(seed, ids_, std::move(shape), device) {}

at::Tensor PhiloxNoise::latent() const {
    return draws_.draw(NoisePurpose::latent, 0).to(at::kDouble);
}

at::Tensor PhiloxNoise::step(uint32_t draw) const {
    return draws_.draw(NoisePurpose::step, draw).to(at::kDouble);
}

at::Tensor PhiloxNoise::extra(uint32_t step, uint32_t k) const {
    constexpr uint32_t kStepBits = 20;  // more steps than any schedule has
    SCHEDBENCH_ASSERT(step >> kStepBits == 0 && k >= 1 && k >> (32 - kStepBits) == 0);
    return draws_.draw(NoisePurpose::step, step | (k << kStepBits)).to(at::kDouble);
}

at::Tensor PhiloxNoise::labels(int64_t classes) const {
    return classes > 0 ? block_labels(seed_, ids_, classes) : at::Tensor();
}

namespace {

/// One draw of `shape` from each generator, stacked.
template <typename Draw>
at::Tensor stacked(std::vector<at::Generator>& generators, Draw&& draw) {
    std::vector<at::Tensor> rows;
    for (at::Generator& generator : generators) rows.push_back(draw(generator));
    return at::stack(rows);
}

}  // namespace

EdmNoise::EdmNoise(uint64_t seed, std::vector<int64_t> sample_ids, std::vector<int64_t> shape,
                   int64_t classes, at::Device device)
    : sizes_(std::move(shape)), device_(device) {
    for (int64_t id : sample_ids) {
        const uint64_t own = (seed + static_cast<uint64_t>(id)) % (uint64_t{1} << 32);
        if (device.is_cpu()) {
            generators_.push_back(at::detail::createCPUGenerator(own));
        } else {
            generators_.push_back(at::globalContext()
                                      .getAcceleratorHooksInterface(device.type())
                                      .getNewGenerator(device.index()));
            generators_.back().set_current_seed(own);
        }
    }
    latent_ = stacked(generators_, [&](at::Generator& g) { return normals(g, at::kFloat); }).to(at::kDouble);
    if (classes > 0)
        labels_ = stacked(generators_, [&](at::Generator& g) {
            return at::randint(classes, {}, g, at::device(device_).dtype(at::kLong));
        });
}

at::Tensor EdmNoise::normals(at::Generator& generator, at::ScalarType dtype) const {
    return at::randn(sizes_, generator, at::device(device_).dtype(dtype));
}

at::Tensor EdmNoise::step(uint32_t draw) const {
    if (draw + 1 == next_draw_) return last_;
    SCHEDBENCH_ASSERT(draw >= next_draw_);  // a stream cannot go back
    for (; next_draw_ <= draw; ++next_draw_)
        last_ = stacked(generators_, [&](at::Generator& g) { return normals(g, at::kDouble); });
    return last_;
}

at::Tensor EdmNoise::extra(uint32_t, uint32_t) const {
    throw Error("option",
                "replays a generator that is drawn from once a step, but this sampler draws more often",
                "noise=edm", "use noise=philox");
}

at::Tensor EdmNoise::labels(int64_t classes) const {
    SCHEDBENCH_ASSERT((classes > 0) == labels_.defined());
    return labels_;
}

std::unique_ptr<BlockNoise> make_block_noise(const std::string& policy, uint64_t seed,
                                             std::vector<int64_t> sample_ids, std::vector<int64_t> shape,
                                             int64_t classes, const std::string& where, at::Device device) {
    if (policy == "philox")
        return std::make_unique<PhiloxNoise>(seed, std::move(sample_ids), std::move(shape), device);
    if (policy == "edm")
        return std::make_unique<EdmNoise>(seed, std::move(sample_ids), std::move(shape), classes, device);
    throw Error("spec", "\"" + policy + "\" is not a noise policy", where, "known: philox, edm");
}

at::Tensor block_labels(uint64_t seed, std::span<const int64_t> sample_ids, int64_t classes) {
    SCHEDBENCH_ASSERT(classes >= 1);
    at::Tensor out = at::empty({static_cast<int64_t>(sample_ids.size())}, at::kLong);
    int64_t* label = out.mutable_data_ptr<int64_t>();
    for (int64_t id : sample_ids)
        *label++ = static_cast<int64_t>(noise_index({seed, NoisePurpose::label}, static_cast<uint64_t>(id), 0,
                                                    static_cast<uint64_t>(classes)));
    return out;
}

}  // namespace schedbench
