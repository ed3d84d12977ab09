// What analytic reverse variances need to know of a model, level by level (Bao et al. 2022, arXiv
// 2201.06503):
//
//     Gamma = E |eps_hat|^2 / d,  eps_hat = (x - x0hat) / sigma         M = E |x0 - x0hat|^2 / d
//
// over data x0 and x = x0 + sigma n. `schedbench statistics --levels FILE` writes them:
//
//     {"format": "schedbench level statistics", "version": 1, "process": "linear:T=1000,..", "clip": true,
//     "n": 256,
//      "sigma": [..], "gamma": [..], "error": [..], "model": "..", "weights": ".."}
//
// sigma rises; clip: x0hat was clipped to [-1, 1]; n: number of images; model, weights: what was measured
// (weights: SHA-256 of the weight file, "" where there is none); both may be missing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace schedbench {

struct LevelStatistics {
    std::string process;
    bool clip = false;
    int64_t n = 0;
    std::vector<double> sigma, gamma, error;
    std::string model, weights;
    std::string hash;  ///< SHA-256 of the file they were read from

    /// Error("file") names the file and the key that is missing or wrong.
    static LevelStatistics read(const std::string& path);
    /// Through a temporary file and a rename. Error("file").
    void write(const std::string& path) const;

    struct Values {
        double gamma = 0, error = 0;
    };
    /// At a level that is in the list (to 1e-9 of its size), or, if `interpolate`, between two that are:
    /// linear in ln sigma. Error("option") at `where` for any other level.
    Values at(double level, bool interpolate, const std::string& where) const;
};

}  // namespace schedbench
