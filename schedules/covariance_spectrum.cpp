#include "schedules/covariance_spectrum.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

/// Gauss-Legendre points on [-1, 1], exact up to degree 9.
constexpr std::array<double, 5> kPoints = {-0.90617984593866399, -0.53846931010568309, 0, 0.53846931010568309,
                                           0.90617984593866399};
constexpr std::array<double, 5> kWeights = {0.23692688505618909, 0.47862867049936647, 0.56888888888888889,
                                            0.47862867049936647, 0.23692688505618909};
constexpr size_t kCells = 256;  ///< of ln sigma; the density changes on the scale 1

/// c^2 sigma^2 / (c^2 + sigma^2)^2, from ln sigma - ln c.
double bump(double distance) {
    const double cosh = std::cosh(distance);
    return 1 / (4 * cosh * cosh);
}

std::vector<double> numbers_of(const nlohmann::json& file, const char* key, const std::string& path) {
    const auto list = file.find(key);
    bool good = list != file.end() && list->is_array();
    if (good)
        for (const auto& value : *list) good = good && value.is_number();
    if (!good)
        throw Error("file", std::string("\"") + key + "\" must be a list of numbers", path,
                    "a spectrum is {\"stds\": [...], \"weights\": [...]}; schedbench spectrum writes one");
    return list->get<std::vector<double>>();
}

}  // namespace

void CovarianceSpectrum::check(const std::string& where) const {
    if (stds.empty()) throw Error("number", "a spectrum needs at least one standard deviation", where);
    if (stds.size() != weights.size())
        throw Error("number",
                    "there are " + std::to_string(stds.size()) + " stds, but " +
                        std::to_string(weights.size()) + " weights",
                    where, "give one weight for each");
    for (const auto& [name, list] : {std::pair("stds", &stds), std::pair("weights", &weights)})
        for (double value : *list)
            if (!(value > 0) || !std::isfinite(value))
                throw Error("number", std::string(name) + " must be positive, not " + format_number(value),
                            where);
}

CovarianceSpectrum CovarianceSpectrum::read(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw Error("file", "cannot be opened", path, "give a file that schedbench spectrum wrote");
    nlohmann::json file;
    try {
        file = nlohmann::json::parse(in);
    } catch (const nlohmann::json::exception&) {
        throw Error("file", "is not JSON", path,
                    "a spectrum is {\"stds\": [...], \"weights\": [...]}; schedbench spectrum writes one");
    }
    if (!file.is_object()) file = nlohmann::json::object();
    CovarianceSpectrum out;
    out.stds = numbers_of(file, "stds", path);
    out.weights = file.contains("weights") ? numbers_of(file, "weights", path)
                                           : std::vector<double>(out.stds.size(), 1);
    out.check(path);
    return out;
}

SpectrumDensity::SpectrumDensity(const CovarianceSpectrum& spectrum, double sigma_min, double sigma_max,
                                 const std::string& where)
    : pulls_(spectrum.weights),
      first_(std::log(sigma_min)),
      width_((std::log(sigma_max) - std::log(sigma_min)) / kCells) {
    spectrum.check(where);
    for (double std : spectrum.stds) log_stds_.push_back(std::log(std));
    const size_t axes = log_stds_.size(), points = kCells * kPoints.size();
    // In ln sigma: rho sigma = sqrt(sum pull_k bump_k), and e_k = integral of bump_k / (rho sigma).
    std::vector<double> bumps(axes * points), density(points);
    for (size_t k = 0; k < axes; ++k)
        for (size_t p = 0; p < points; ++p) {
            const double cell = static_cast<double>(p / kPoints.size());
            const double at = first_ + width_ * (cell + (1 + kPoints[p % kPoints.size()]) / 2);
            bumps[k * points + p] = bump(at - log_stds_[k]);
        }
    for (int round = 0; round < 2000; ++round) {
        std::fill(density.begin(), density.end(), 0.0);
        for (size_t k = 0; k < axes; ++k)
            for (size_t p = 0; p < points; ++p) density[p] += pulls_[k] * bumps[k * points + p];
        for (size_t p = 0; p < points; ++p) density[p] = kWeights[p % kPoints.size()] / std::sqrt(density[p]);
        std::vector<double> next(axes);
        double total = 0, change = 0;
        for (size_t k = 0; k < axes; ++k) {
            double error = 0;
            for (size_t p = 0; p < points; ++p) error += bumps[k * points + p] * density[p];
            total += next[k] = spectrum.weights[k] * error;
        }
        for (size_t k = 0; k < axes; ++k) {
            next[k] /= total;
            change = std::max(change, std::abs(next[k] / pulls_[k] - 1));
        }
        pulls_ = next;
        if (change > 1e-13) continue;
        cumulative_.assign(1, 0);
        for (size_t cell = 0; cell < kCells; ++cell) {
            const double from = first_ + width_ * static_cast<double>(cell);
            cumulative_.push_back(cumulative_.back() + cell_integral(from, from + width_));
        }
        return;
    }
    throw Error("number", "the density of this spectrum was not found in 2000 rounds", where,
                "merge neighbouring stds, or narrow the range of levels");
}

double SpectrumDensity::density(double log_level) const {
    double sum = 0;
    for (size_t k = 0; k < pulls_.size(); ++k) sum += pulls_[k] * bump(log_level - log_stds_[k]);
    return std::sqrt(sum);
}

double SpectrumDensity::cell_integral(double from, double to) const {
    double sum = 0;
    for (size_t i = 0; i < kPoints.size(); ++i)
        sum += kWeights[i] * density(from + (to - from) * (1 + kPoints[i]) / 2);
    return sum * (to - from) / 2;
}

double SpectrumDensity::level(double u) const {
    const double wanted = (1 - u) * cumulative_.back();
    const auto above = std::upper_bound(cumulative_.begin() + 1, cumulative_.end() - 1, wanted);
    const auto cell = static_cast<size_t>(above - cumulative_.begin()) - 1;
    const double from = first_ + width_ * static_cast<double>(cell), rest = wanted - cumulative_[cell];
    // Newton's method; the density hardly changes within a cell.
    double at = from + width_ * rest / (cumulative_[cell + 1] - cumulative_[cell]);
    for (int round = 0; round < 20; ++round) {
        const double step = (rest - cell_integral(from, at)) / density(at);
        at += step;
        if (std::abs(step) < 1e-15 * width_) break;
    }
    return std::exp(at);
}

}  // namespace schedbench
