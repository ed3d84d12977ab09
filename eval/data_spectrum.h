// The spectrum of the pixel covariance of a data set: what the schedule kl-spectrum is made of.
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.h"
#include "schedules/covariance_spectrum.h"

namespace schedbench {

struct DataSpectrum {
    CovarianceSpectrum spectrum;  ///< at most kSpectrumBins stds, falling; the weights sum to `dimension`
    std::string data, data_hash;  ///< spec and content hash of the images looked at
    int64_t images = 0;
    int64_t dimension = 0;  ///< values an image
    int64_t clamped = 0;    ///< axes whose std was below the floor, and is the floor now
};

/// Standard deviation of rounding to 8 bits, (2/255)/sqrt(12) in units of [-1, 1]: of less than that, pixels
/// say nothing. Smaller stds are raised to it.
double spectrum_floor();
constexpr int64_t kSpectrumBins = 256;
/// Largest number of images or values an image, whichever is smaller: the size of the matrix to decompose.
constexpr int64_t kSpectrumOrder = 12288;

/// Eigenvalues of the covariance of all images in [-1, 1] (denominator n - 1, float64), as stds. More than
/// kSpectrumBins of them are cut into that many runs of neighbours, equally long within one, each of which
/// keeps its total variance. Error("number") for fewer than two images or too large a matrix.
DataSpectrum measure_spectrum(const Dataset& data, const std::string& where = "--data");

/// A JSON object: "stds" and "weights" as CovarianceSpectrum::read() wants them, and the other fields by
/// name.
void write_spectrum(const DataSpectrum& spectrum, const std::string& path);

}  // namespace schedbench
