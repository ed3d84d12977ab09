#include "eval/statistics_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.h"
#include "data/npz.h"

namespace schedbench {

namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
    std::string out = "[";
    for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
    return out + "]";
}

[[noreturn]] void refuse(const NpyArray& array, const std::string& message, const std::string& hint) {
    throw Error("file", message, array.origin, hint);
}

void check_dimension(int64_t found, int64_t expected, const std::string& where) {
    if (expected == 0 || found == expected) return;
    throw Error("shape", "has " + std::to_string(found) + " features, expected " + std::to_string(expected),
                where, "take the file that was made with the same extractor");
}

at::Tensor as_tensor(const NpyArray& array) {
    const at::Tensor out = array.type_name() == std::string("float32")
                               ? at::tensor(array.as<float>(), at::kFloat)
                               : at::tensor(array.as_doubles(), at::kDouble);
    if (!at::isfinite(out).all().item<bool>()) {
        const int64_t first = at::isfinite(out).logical_not().nonzero()[0][0].item<int64_t>();
        refuse(array, "element " + std::to_string(first) + " is NaN or infinite", "compute it again");
    }
    return out.reshape(array.shape);
}

at::Tensor vector_of(const NpyArray& array) {
    if (array.shape.size() != 1 || array.shape[0] < 1)
        refuse(array, "has shape " + shape_text(array.shape) + ", expected [d]", "one mean a feature");
    return as_tensor(array).to(at::kDouble);
}

/// [d, d], symmetric but for rounding, no negative diagonal.
at::Tensor symmetric_of(const NpyArray& array, int64_t d) {
    const std::vector<int64_t> square = {d, d};
    if (array.shape != square)
        refuse(array, "has shape " + shape_text(array.shape) + ", expected " + shape_text(square),
               "mean and covariance must be of the same features");
    const at::Tensor matrix = as_tensor(array).to(at::kDouble);
    const double largest = matrix.abs().max().item<double>();
    const double apart = (matrix - matrix.t()).abs().max().item<double>();
    if (apart > 1e-6 * largest) refuse(array, "is not symmetric", "expected a covariance matrix");
    const at::Tensor diagonal = matrix.diagonal();
    if ((diagonal < 0).any().item<bool>()) {
        refuse(array,
               "has a negative variance, of feature " + std::to_string(diagonal.argmin().item<int64_t>()),
               "expected a covariance matrix");
    }
    return matrix;
}

std::vector<double> values_of(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous();
    return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

NpyArray array_of(const at::Tensor& tensor) {
    return {tensor.sizes().vec(), values_of(tensor), {}};
}

int64_t count_of(const NpyArray& array) {
    const std::vector<double> values = array.as_doubles();
    if (values.size() != 1 || !(values[0] >= 0) ||
        values[0] != static_cast<double>(static_cast<int64_t>(values[0])))
        refuse(array, "expected one whole number, the samples behind the statistics", "");
    return static_cast<int64_t>(values[0]);
}

class StatisticsFile {
  public:
    explicit StatisticsFile(const std::string& path) : path_(path), names_(npz_names(path)) {}
    bool has(const std::string& name) const {
        return std::find(names_.begin(), names_.end(), name) != names_.end();
    }
    NpyArray get(const std::string& name) const { return read_npz(path_, name); }
    Moments moments(const std::string& mean, const std::string& covariance, int64_t n) const {
        Moments out;
        out.mean = vector_of(get(mean));
        const at::Tensor matrix = symmetric_of(get(covariance), out.mean.size(0));
        out.covariance = (matrix + matrix.t()) / 2;
        out.n = n;
        return out;
    }

  private:
    std::string path_;
    std::vector<std::string> names_;
};

void check_moments(const Moments& m) {
    SCHEDBENCH_ASSERT(m.mean.defined() && m.mean.dim() == 1 && m.covariance.dim() == 2 &&
                      m.covariance.size(0) == m.mean.size(0) && m.covariance.size(1) == m.mean.size(0));
}

}  // namespace

FeatureStatistics read_statistics(const std::string& path, int64_t dimension) {
    const StatisticsFile file(path);
    const int64_t n = file.has("n") ? count_of(file.get("n")) : 0;
    FeatureStatistics out{file.moments("mu", "sigma", n)};
    check_dimension(out.moments.mean.size(0), dimension, path);
    if (file.has("mu_s") != file.has("sigma_s")) {
        throw Error("file", "holds only one of mu_s and sigma_s", path,
                    "sFID needs both; leave both out otherwise");
    }
    if (file.has("mu_s")) out.spatial = file.moments("mu_s", "sigma_s", n);
    return out;
}

void write_statistics(const std::string& path, const FeatureStatistics& statistics) {
    const Moments& m = statistics.moments;
    check_moments(m);
    std::map<std::string, NpyArray> arrays;
    arrays["mu"] = array_of(m.mean);
    arrays["sigma"] = array_of(m.covariance);
    if (m.n > 0) arrays["n"] = {{}, std::vector<int64_t>{m.n}, {}};
    if (statistics.spatial) {
        check_moments(*statistics.spatial);
        arrays["mu_s"] = array_of(statistics.spatial->mean);
        arrays["sigma_s"] = array_of(statistics.spatial->covariance);
    }
    write_npz(path, arrays);
}

FeatureSums read_feature_sums(const std::string& path, int64_t dimension) {
    const StatisticsFile file(path);
    const int64_t n = count_of(file.get("n"));
    const at::Tensor shift = vector_of(file.get("shift"));
    check_dimension(shift.size(0), dimension, path);
    const NpyArray sum = file.get("sum");
    if (sum.shape != std::vector<int64_t>{shift.size(0)})
        refuse(sum,
               "has shape " + shape_text(sum.shape) + ", expected [" + std::to_string(shift.size(0)) + "]",
               "shift and sum must be of the same features");
    return {n, shift, vector_of(sum), symmetric_of(file.get("outer"), shift.size(0))};
}

void write_feature_sums(const std::string& path, const FeatureSums& sums) {
    write_npz(path, {{"n", {{}, std::vector<int64_t>{sums.n()}, {}}},
                     {"shift", array_of(sums.shift())},
                     {"sum", array_of(sums.sum())},
                     {"outer", array_of(sums.outer())}});
}

at::Tensor read_features(const std::string& path, int64_t dimension) {
    const NpyArray array = read_npy(path);
    if (array.shape.size() != 2 || array.shape[1] < 1)
        refuse(array, "has shape " + shape_text(array.shape) + ", expected features [n, d]",
               "save one row a sample");
    if (array.shape[0] < 2)
        refuse(array,
               "holds " + std::to_string(array.shape[0]) + " rows of features, a metric needs two or more",
               "save one row a sample");
    check_dimension(array.shape[1], dimension, path);
    if (array.type_name() != std::string("float32") && array.type_name() != std::string("float64"))
        refuse(array, std::string("holds ") + array.type_name() + ", expected float32 or float64 features",
               "images are no features: give them as data");
    return as_tensor(array);
}

void write_features(const std::string& path, const at::Tensor& features) {
    check_features(features, "features");
    NpyArray array{features.sizes().vec(), std::vector<float>{}, {}};
    if (features.scalar_type() == at::kDouble) {
        array.values = values_of(features);
    } else {
        const at::Tensor flat = features.to(at::kCPU, at::kFloat).contiguous();
        array.values = std::vector<float>(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
    }
    write_npy(path, array);
}

}  // namespace schedbench
