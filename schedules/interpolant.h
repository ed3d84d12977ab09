// In which coordinate levels are interpolated against length, and by what: straight lines or the cubic that
// keeps the shape of the data.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

struct Interpolant {
    enum class Coordinate {
        sigma,
        ln_sigma,
        root,  ///< sigma^(1/rho) (Karras et al. 2022, eq. 5)
        time,  ///< omega = ln(1 + sigma^2) = -ln abar, the integrated noise rate of a variance-preserving
               ///< process
    };
    bool cubic = true;
    Coordinate coordinate = Coordinate::ln_sigma;
    double rho = 7;  ///< of the root only

    double value_of(double sigma) const;
    double sigma_of(double value) const;
    /// ln sigma needs levels above 0; the others take 0 too.
    bool takes_zero() const { return coordinate != Coordinate::ln_sigma; }
    bool operator==(const Interpolant& other) const;

    static const Interpolant linear, pchip_sigma, pchip_ln_sigma;
};
inline constexpr Interpolant Interpolant::linear{false, Coordinate::sigma, 7};
inline constexpr Interpolant Interpolant::pchip_sigma{true, Coordinate::sigma, 7};
inline constexpr Interpolant Interpolant::pchip_ln_sigma{true, Coordinate::ln_sigma, 7};

/// linear, linear-ln-sigma, linear-root, linear-time, and pchip-sigma, pchip-ln-sigma, pchip-root,
/// pchip-time.
const std::vector<std::string>& interpolant_names();
std::string interpolant_name(const Interpolant& interpolant);
/// Error("spec") for another name, Error("number") for a rho that is not positive.
Interpolant parse_interpolant(const std::string& name, const std::string& where, double rho = 7);

}  // namespace schedbench
