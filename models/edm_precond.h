// The four wrappers of Karras et al. 2022 (arXiv 2206.00364, table 1): between the variance-exploding form
// x = x0 + sigma n and what a network F was trained on,
//
//     D(x; sigma) = c_skip(sigma) x + c_out(sigma) F(c_in(sigma) x; c_noise(sigma)).
//
//   edm    sigma_data^2/(sigma^2 + sigma_data^2)   sigma sigma_data/sqrt(..)   1/sqrt(..) ln(sigma)/4 vp 1
//   -sigma                      1/sqrt(1 + sigma^2)  (M-1) t(sigma) ve     1 sigma                       1
//   ln(sigma/2) iddpm  1                                       -sigma                      1/sqrt(1 +
//   sigma^2)  M-1-argmin_j |u_j - sigma|
//
// vp: sigma(t) = sqrt(exp(beta_d t^2/2 + beta_min t) - 1). iddpm: u_M = 0 and
// u_{j-1} = sqrt((u_j^2 + 1) / max(abar_{j-1}/abar_j, C_1) - 1), abar_j = sin^2(pi/2 j/M/(C_2 + 1)).
//
// Published networks were trained with coefficients in float32, and three of their roundings can be seen:
// c_noise of vp is off by up to 5e-4 (log(1 + sigma^2) at small sigma), its lowest level is 0.00097656
// instead of 0.00100050, and the lowest level of iddpm's table is 0.0064223 instead of 0.0064254. They are
// reproduced: everything is computed in the dtype of sigma, and ranges and table in float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/spec.h"

namespace schedbench {

struct EdmCoefficients {
    at::Tensor skip, out, in, noise;  ///< each of sigma's shape and dtype
};

class EdmPrecond {
  public:
    enum class Kind { edm, vp, ve, iddpm };
    struct Config {
        Kind kind = Kind::edm;
        double sigma_min = 0, sigma_max = 0;  ///< edm, ve: range of levels; set by defaults()
        double sigma_data = 0.5;              ///< edm
        double beta_d = 19.9, beta_min = 0.1, epsilon_t = 1e-5;  ///< vp
        double c_1 = 0.001, c_2 = 0.008;                         ///< iddpm
        int64_t steps = 1000;                                    ///< vp, iddpm: M

        static Config defaults(Kind kind);
        /// Takes the value of one constructor argument; false if the wrapper has no such argument.
        /// Error("file") for a value of the wrong type.
        bool set(const std::string& key, const nlohmann::json& value, const std::string& where);
    };

    /// Error("file") for values that cannot be.
    EdmPrecond(const Config& config, const std::string& where);

    const Config& config() const { return config_; }
    /// Attributes of the wrapper: the levels that a sampler may ask for. edm: 0 and infinity by default.
    double sigma_min() const { return sigma_min_; }
    double sigma_max() const { return sigma_max_; }

    /// sigma in float32 or float64, any shape.
    EdmCoefficients coefficients(const at::Tensor& sigma) const;

    /// iddpm: u_0 (highest) .. u_M = 0, float32 [M+1]; undefined for the others.
    const at::Tensor& table() const { return table_; }
    void move_to(at::Device device) {
        if (table_.defined()) table_ = table_.to(device);
    }
    /// iddpm: replaces the table by that of a weight file; Error("file") if it does not fall to 0.
    void set_table(const at::Tensor& table, const std::string& where);
    /// iddpm: j of the nearest u_j, the larger level of two that are equally near; int64, shape of sigma.
    at::Tensor round_index(const at::Tensor& sigma) const;
    /// The level that the network is for: u of round_index for iddpm, sigma itself for the others.
    at::Tensor round_sigma(const at::Tensor& sigma) const;

    /// Noise process: iddpm is discrete, with the levels of its table (so that index t is told as t - 1 =
    /// M-1-j); the others are continuous over their range, edm's cut to the levels 0.002 to 80 of its
    /// samplers.
    Spec process() const;

  private:
    Config config_;
    double sigma_min_ = 0, sigma_max_ = 0;
    at::Tensor table_;
};

/// Original class names: EDMPrecond, VPPrecond, VEPrecond, iDDPMPrecond. Error("file") for any other.
EdmPrecond::Kind precond_of_class(const std::string& name, const std::string& where);
/// edm, vp, ve, iddpm.
std::string precond_name(EdmPrecond::Kind kind);

}  // namespace schedbench
