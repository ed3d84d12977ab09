#include "models/exact.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace schedbench {

ExactTarget::ExactTarget(std::string spec, NoiseProcess process, std::vector<int64_t> shape, at::Tensor means,
                         at::Tensor widths, at::Tensor weights)
    : spec_(std::move(spec)),
      process_(std::move(process)),
      shape_(std::move(shape)),
      means_(std::move(means)),
      squares_(widths * widths),
      log_weights_(at::log(weights / weights.sum())) {
    SCHEDBENCH_ASSERT(means_.dim() == 2 && squares_.sizes() == means_.sizes());
    SCHEDBENCH_ASSERT(log_weights_.dim() == 1 && log_weights_.size(0) == means_.size(0));
}

std::shared_ptr<const Denoiser> ExactTarget::moved_to(at::Device device) const {
    auto out = std::make_shared<ExactTarget>(*this);
    for (at::Tensor* table : {&out->means_, &out->squares_, &out->log_weights_}) *table = table->to(device);
    return out;
}

at::Tensor ExactTarget::flat(const at::Tensor& x) const {
    const int64_t dims = means_.size(1);
    if (x.dim() < 1 || x.numel() != x.size(0) * dims)
        throw Error("shape", "a sample of " + spec_ + " has " + std::to_string(dims) +
                                 " elements, but x holds " + std::to_string(x.numel()) + " in a batch of " +
                                 std::to_string(x.dim() ? x.size(0) : 0));
    return x.reshape({x.size(0), dims}).to(at::kDouble);
}

at::Tensor ExactTarget::log_joint(const at::Tensor& x, const at::Tensor& variance) const {
    const at::Tensor difference = x.unsqueeze(1) - means_.unsqueeze(0);
    const at::Tensor terms = difference * difference / variance + at::log(2 * std::numbers::pi * variance);
    return log_weights_ - 0.5 * terms.sum(2);
}

DenoiserOutput ExactTarget::operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor&,
                                       const at::Tensor&) const {
    const at::Tensor rows = flat(x);
    const at::Tensor noise = (levels * levels).to(at::kDouble).reshape({-1, 1, 1});
    const at::Tensor variance = squares_.unsqueeze(0) + noise;  // [B, K, d]
    const at::Tensor component =
        (means_.unsqueeze(0) * noise + squares_.unsqueeze(0) * rows.unsqueeze(1)) / variance;
    at::Tensor x0;
    if (means_.size(0) == 1)
        x0 = component.squeeze(1);
    else
        x0 = (at::softmax(log_joint(rows, variance), 1).unsqueeze(2) * component).sum(1);
    return {x0.reshape(x.sizes()).to(x.scalar_type()), {}};
}

at::Tensor ExactTarget::score(const at::Tensor& x, const at::Tensor& levels) const {
    const at::Tensor rows = flat(x);
    const at::Tensor variance = squares_.unsqueeze(0) + (levels * levels).to(at::kDouble).reshape({-1, 1, 1});
    // Not (D - x) / sigma^2: this form stays accurate where sigma is small beside the component's width.
    const at::Tensor component = (means_.unsqueeze(0) - rows.unsqueeze(1)) / variance;
    const at::Tensor weight = at::softmax(log_joint(rows, variance), 1).unsqueeze(2);
    return (weight * component).sum(1).reshape(x.sizes()).to(x.scalar_type());
}

at::Tensor ExactTarget::log_density(const at::Tensor& x, const at::Tensor& levels) const {
    const at::Tensor variance = squares_.unsqueeze(0) + (levels * levels).to(at::kDouble).reshape({-1, 1, 1});
    return at::logsumexp(log_joint(flat(x), variance), {1});
}

at::Tensor ExactTarget::sample_data(NoiseKey key, std::span<const int64_t> ids) const {
    const int64_t components = means_.size(0), dims = means_.size(1);
    const at::Tensor cumulative = at::cumsum(at::exp(log_weights_), 0).contiguous();
    const double* edges = cumulative.const_data_ptr<double>();
    std::vector<float> normals(static_cast<size_t>(dims));
    at::Tensor out = at::empty({static_cast<int64_t>(ids.size()), dims}, at::kDouble);
    const at::Tensor widths = at::sqrt(squares_).contiguous(), means = means_.contiguous();
    for (size_t i = 0; i < ids.size(); ++i) {
        const auto id = static_cast<uint64_t>(ids[i]);
        fill_normals(key, id, 0, normals);
        float uniform = 0;
        fill_uniforms(key, id, 1, {&uniform, 1});
        const auto edge = std::lower_bound(edges, edges + components, static_cast<double>(uniform));
        const int64_t k = std::min<int64_t>(edge - edges, components - 1);
        const double* mean = means.const_data_ptr<double>() + k * dims;
        const double* width = widths.const_data_ptr<double>() + k * dims;
        double* row = out.mutable_data_ptr<double>() + static_cast<int64_t>(i) * dims;
        for (int64_t j = 0; j < dims; ++j)
            row[j] = mean[j] + width[j] * static_cast<double>(normals[static_cast<size_t>(j)]);
    }
    std::vector<int64_t> sizes{static_cast<int64_t>(ids.size())};
    sizes.insert(sizes.end(), shape_.begin(), shape_.end());
    return out.reshape(sizes);
}

namespace {

constexpr auto kNumber = SpecParam::Type::number;
constexpr auto kInteger = SpecParam::Type::integer;
constexpr auto kNumbers = SpecParam::Type::numbers;

const SpecParam kProcess{"process", SpecParam::Type::spec, "{continuous}",
                         "noise process of the model, as {linear:T=1000}; continuous by default"};

/// [rows, dims] from a list of `rows * dims`, `rows` (one a row) or 1 numbers.
at::Tensor table(const std::vector<double>& values, int64_t rows, int64_t dims, const std::string& key,
                 const std::string& where) {
    const auto count = static_cast<int64_t>(values.size());
    const at::Tensor flat = at::tensor(values, at::kDouble);
    if (count == rows * dims) return flat.reshape({rows, dims}).clone();
    if (count == rows || count == 1) return flat.reshape({count, 1}).expand({rows, dims}).clone();
    throw Error("spec",
                "key \"" + key + "\" has " + std::to_string(count) + " numbers, expected 1, " +
                    std::to_string(rows) + " or " + std::to_string(rows * dims),
                where);
}

void check_widths(const std::vector<double>& values, const std::string& key, const std::string& where) {
    for (double value : values)
        if (!(value >= 0) || !std::isfinite(value))
            throw Error("spec", "key \"" + key + "\" wants numbers >= 0, not " + format_number(value), where);
}

std::shared_ptr<const ExactTarget> make_gaussian(const Spec& spec, NoiseProcess process,
                                                 const std::string& where) {
    std::vector<int64_t> shape;
    int64_t dims = 1;
    const std::vector<double> c = spec.numbers("c");
    check_widths(c, "c", where);
    if (!spec.is_auto("shape")) {
        for (double side : spec.numbers("shape")) {
            if (!(side >= 1) || side != std::floor(side) || side > 1e6)
                throw Error("spec", "key \"shape\" wants whole numbers >= 1, not " + format_number(side),
                            where);
            shape.push_back(static_cast<int64_t>(side));
            dims *= shape.back();
        }
    } else {
        dims = spec.is_auto("dim") ? static_cast<int64_t>(c.size()) : spec.integer("dim");
        if (dims < 1 || dims > 100'000'000) throw Error("spec", "key \"dim\" must be at least 1", where);
        shape = {dims};
    }
    return std::make_shared<ExactTarget>(spec.print(), std::move(process), shape,
                                         table(spec.numbers("mean"), 1, dims, "mean", where),
                                         table(c, 1, dims, "c", where), at::ones({1}, at::kDouble));
}

std::shared_ptr<const ExactTarget> make_mixture(const Spec& spec, NoiseProcess process,
                                                const std::string& where) {
    const int64_t dims = spec.integer("dim");
    const std::vector<double> means = spec.numbers("means"), widths = spec.numbers("widths");
    if (dims < 1 || static_cast<int64_t>(means.size()) % dims != 0)
        throw Error("spec",
                    "key \"means\" has " + std::to_string(means.size()) +
                        " numbers, which dim=" + std::to_string(dims) + " does not divide",
                    where, "means are listed component by component");
    const int64_t components = static_cast<int64_t>(means.size()) / dims;
    check_widths(widths, "widths", where);
    std::vector<double> weights(static_cast<size_t>(components), 1.0);
    if (!spec.is_auto("weights")) weights = spec.numbers("weights");
    if (static_cast<int64_t>(weights.size()) != components)
        throw Error("spec",
                    "key \"weights\" has " + std::to_string(weights.size()) + " numbers for " +
                        std::to_string(components) + " components",
                    where);
    for (double weight : weights)
        if (!(weight > 0) || !std::isfinite(weight))
            throw Error("spec", "key \"weights\" wants numbers > 0, not " + format_number(weight), where);
    if (widths.size() != 1 && static_cast<int64_t>(widths.size()) != components)
        throw Error("spec",
                    "key \"widths\" has " + std::to_string(widths.size()) + " numbers for " +
                        std::to_string(components) + " components",
                    where, "give one, or one a component");
    const at::Tensor width =
        at::tensor(widths, at::kDouble).reshape({-1, 1}).expand({components, dims}).clone();
    return std::make_shared<ExactTarget>(spec.print(), std::move(process), std::vector<int64_t>{dims},
                                         at::tensor(means, at::kDouble).reshape({components, dims}).clone(),
                                         width, at::tensor(weights, at::kDouble));
}

/// 2^depth equal components at the mid-points of the intervals of the Cantor set's level `depth`.
std::shared_ptr<const ExactTarget> make_cantor(const Spec& spec, NoiseProcess process,
                                               const std::string& where) {
    const long long depth = spec.integer("depth");
    if (depth < 0 || depth > 16) throw Error("spec", "key \"depth\" must be from 0 to 16", where);
    check_widths({spec.number("width")}, "width", where);
    std::vector<double> lefts{0.0};
    double length = 1;
    for (long long level = 0; level < depth; ++level) {
        length /= 3;
        std::vector<double> next;
        for (double left : lefts) next.insert(next.end(), {left, left + 2 * length});
        lefts = std::move(next);
    }
    for (double& left : lefts) left += length / 2;
    const auto components = static_cast<int64_t>(lefts.size());
    return std::make_shared<ExactTarget>(spec.print(), std::move(process), std::vector<int64_t>{1},
                                         at::tensor(lefts, at::kDouble).reshape({components, 1}).clone(),
                                         at::full({components, 1}, spec.number("width"), at::kDouble),
                                         at::ones({components}, at::kDouble));
}

}  // namespace

const std::vector<SpecEntry>& exact_entries() {
    static const std::vector<SpecEntry> entries{
        {"exact:gaussian",
         "Gaussian data N(mean, c^2), exact denoiser",
         "closed form",
         {{"c", kNumbers, "[1]", "standard deviation of the data: one number, or one an axis"},
          {"mean", kNumbers, "[0]", "mean of the data: one number, or one an axis"},
          {"dim", kInteger, "auto", "number of axes; auto: as many as c has"},
          {"shape", kNumbers, "auto", "shape of one sample, as [3,32,32], in place of dim"},
          kProcess}},
        {"exact:mixture",
         "mixture of isotropic Gaussians, exact denoiser",
         "closed form",
         {{"means", kNumbers, "", "means, component by component (dim numbers each)", {}, true},
          {"widths", kNumbers, "[0.1]", "standard deviations: one number, or one a component"},
          {"weights", kNumbers, "auto", "weights of the components, of any sum; auto: equal"},
          {"dim", kInteger, "1", "number of axes"},
          kProcess}},
        {"exact:cantor",
         "mollified Cantor set in one dimension: 2^depth equal Gaussians, exact denoiser",
         "after Williams et al. 2024 (Score-Optimal Diffusion Schedules), section 4.1",
         {{"depth", kInteger, "3", "level of the Cantor construction, 0 to 16"},
          {"width", kNumber, "0.01", "standard deviation of each component"},
          kProcess}},
    };
    return entries;
}

std::shared_ptr<const ExactTarget> make_exact(const Spec& spec, const std::string& where) {
    const SpecEntry& entry = find_entry(exact_entries(), spec, "exact targets", where);
    Spec completed = complete(spec, entry, where);
    NoiseProcess process(completed.nested("process"), where);
    completed.set("process", SpecValue::of_spec(process.spec()));
    if (entry.name == "exact:gaussian") return make_gaussian(completed, std::move(process), where);
    if (entry.name == "exact:mixture") return make_mixture(completed, std::move(process), where);
    SCHEDBENCH_ASSERT(entry.name == "exact:cantor");
    return make_cantor(completed, std::move(process), where);
}

}  // namespace schedbench
