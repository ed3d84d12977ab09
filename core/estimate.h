// Estimate: the only thing that metrics and bits/dim return. A number without its error is not a result.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace schedbench {

struct Estimate {
    std::string name;  ///< "fd-fashion32", "bits_per_dim"
    double value = std::numeric_limits<double>::quiet_NaN();
    double se = std::numeric_limits<double>::quiet_NaN();  ///< standard error; NaN where none can be given
                                                           ///< (say why in `method`)
    int64_t n = 0;                                         ///< number of images (or probes) behind the value
    std::string estimand;   ///< what the value estimates: "Frechet distance at this n", "debiased Frechet
                            ///< distance", ...
    std::string method;     ///< how the error was made: "influence function, reference sampled", ...
    std::string warning{};  ///< not empty where the interval must not be trusted (n too small, ...)
};

/// Running mean and standard error of a stream of values (Welford), mergeable in a fixed order.
struct RunningMean {
    int64_t n = 0;
    double mean = 0, m2 = 0;
    void add(double x) {
        ++n;
        const double delta = x - mean;
        mean += delta / static_cast<double>(n);
        m2 += delta * (x - mean);
    }
    void merge(const RunningMean& other) {
        if (other.n == 0) return;
        const double delta = other.mean - mean;
        const double total = static_cast<double>(n + other.n);
        m2 += other.m2 + delta * delta * static_cast<double>(n) * static_cast<double>(other.n) / total;
        mean += delta * static_cast<double>(other.n) / total;
        n += other.n;
    }
    double variance() const {
        return n > 1 ? m2 / static_cast<double>(n - 1) : std::numeric_limits<double>::quiet_NaN();
    }
    double standard_error() const { return std::sqrt(variance() / static_cast<double>(n)); }
};

}  // namespace schedbench
