#include "eval/data_spectrum.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "core/error.h"
#include "data/byte_file.h"
#include "eval/features.h"

namespace schedbench {

namespace {

constexpr int64_t kRows = 1024;  ///< images at a time

/// Images [first, first + count) in [-1, 1], float64 [count, dimension].
at::Tensor rows_of(const Dataset& data, int64_t first, int64_t count) {
    auto* pixels = const_cast<uint8_t*>(data.pixels.data()) + first * data.image_size();
    return at::from_blob(pixels, {count, data.image_size()}, at::kByte).to(at::kDouble) / 127.5 - 1;
}

/// Eigenvalues of the covariance, rising; of all n - 1 that can differ from 0 where there are fewer images
/// than values, through the smaller matrix of inner products.
at::Tensor eigenvalues(const Dataset& data) {
    if (data.count <= data.image_size()) {
        at::Tensor rows = rows_of(data, 0, data.count);
        rows -= rows.mean(0);
        return at::linalg_eigvalsh(at::mm(rows, rows.t()) / static_cast<double>(data.count - 1));
    }
    FeatureSums sums(rows_of(data, 0, std::min(kRows, data.count)).mean(0));
    for (int64_t first = 0; first < data.count; first += kRows)
        sums.add(rows_of(data, first, std::min(kRows, data.count - first)));
    return at::linalg_eigvalsh(sums.covariance());
}

}  // namespace

double spectrum_floor() {
    return 2.0 / 255 / std::sqrt(12.0);
}

DataSpectrum measure_spectrum(const Dataset& data, const std::string& where) {
    if (data.count < 2)
        throw Error("number", "a covariance needs at least 2 images, not " + std::to_string(data.count),
                    where, "look at more images");
    const int64_t order = std::min(data.count, data.image_size());
    if (order > kSpectrumOrder)
        throw Error("number",
                    std::to_string(data.count) + " images of " + std::to_string(data.image_size()) +
                        " values: of both, the smaller must be at most " + std::to_string(kSpectrumOrder),
                    where, "use smaller or fewer images");
    DataSpectrum out;
    out.data = data.spec;
    out.data_hash = data.hash;
    out.images = data.count;
    out.dimension = data.image_size();
    const at::Tensor values = eigenvalues(data).contiguous();
    std::vector<double> variances(static_cast<size_t>(out.dimension), 0);  // what is not in `values` is 0
    std::copy_n(values.const_data_ptr<double>(), order, variances.begin());
    const double floor = spectrum_floor() * spectrum_floor();
    for (double& variance : variances) {
        out.clamped += variance < floor;
        variance = std::max(variance, floor);
    }
    std::sort(variances.rbegin(), variances.rend());
    const auto axes = static_cast<int64_t>(variances.size()), bins = std::min(axes, kSpectrumBins);
    for (int64_t bin = 0; bin < bins; ++bin) {
        const int64_t first = bin * axes / bins, last = (bin + 1) * axes / bins;
        double total = 0;
        for (int64_t i = first; i < last; ++i) total += variances[static_cast<size_t>(i)];
        const auto count = static_cast<double>(last - first);
        out.spectrum.stds.push_back(std::sqrt(total / count));
        out.spectrum.weights.push_back(count);
    }
    return out;
}

void write_spectrum(const DataSpectrum& spectrum, const std::string& path) {
    nlohmann::ordered_json file;
    file["description"] =
        "stds of the pixels in [-1, 1] along the principal axes; weights: axes each stands for";
    file["data"] = spectrum.data;
    file["data_hash"] = spectrum.data_hash;
    file["images"] = spectrum.images;
    file["dimension"] = spectrum.dimension;
    file["floor"] = spectrum_floor();
    file["clamped"] = spectrum.clamped;
    file["stds"] = spectrum.spectrum.stds;
    file["weights"] = spectrum.spectrum.weights;
    const std::string text = file.dump(1) + "\n";
    const std::array<std::span<const uint8_t>, 1> parts = {
        std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size())};
    write_bytes(path, parts);
}

}  // namespace schedbench
