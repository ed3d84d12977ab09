// Knots at equal arc length of a learned curve (Williams et al. 2024, algorithm 1), and the interpolants it
// needs.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

enum class Interpolant { linear, pchip_sigma, pchip_ln_sigma };

std::string interpolant_name(Interpolant kind);  ///< "linear", "pchip-sigma", "pchip-ln-sigma"
Interpolant parse_interpolant(const std::string& name,
                              const std::string& where);  ///< Error("spec") for another name

/// Slopes of the shape-preserving cubic of Fritsch and Butland (1984) at x[0] < ... < x[n-1], n >= 2:
/// weighted harmonic means of the neighbouring secants inside, limited three-point slopes at the ends.
std::vector<double> pchip_slopes(const std::vector<double>& x, const std::vector<double>& y);

/// A monotone curve level(length) through points (length_i, sigma_i), both strictly rising.
class LengthCurve {
  public:
    /// Error("number") if a list is not finite or not rising, or if a logarithm of a level <= 0 would be
    /// needed.
    LengthCurve(std::vector<double> length, std::vector<double> sigma, Interpolant kind,
                const std::string& where);
    double sigma_at(double length) const;
    double total() const { return length_.back(); }
    /// Levels at `steps` equal pieces of the length: steps + 1 of them, rising, the end points exactly kept.
    std::vector<double> equal_pieces(int steps) const;

  private:
    std::vector<double> length_, sigma_, value_,
        slope_;  ///< value_ = sigma or ln sigma; slope_ empty for `linear`
    Interpolant kind_;
};

struct UpdateOptions {
    Interpolant interpolant = Interpolant::pchip_ln_sigma;
    double gamma = 1;  ///< new knot = gamma * optimum + (1 - gamma) * old knot, in sigma; (0, 1]
    double exponent =
        0.5;  ///< length of an interval = cost^exponent; 1/4 for costs of fourth order in the step
    double floor = 1e-12;  ///< costs below floor * (largest cost) are raised to it
    int steps_out = 0;     ///< read off this many steps instead of as many as came in (then gamma must be 1)
};

/// Cumulative length [T+1] of costs [T]: 0, then sums of max(cost, floor * largest)^exponent.
std::vector<double> cumulative_length(const std::vector<double>& costs, double exponent, double floor);

/// One UpdateSchedule step. grid: T+1 rising levels; costs[j] >= 0 belongs to [grid[j], grid[j+1]]. All costs
/// zero: the grid comes back unchanged (with steps_out: its own coordinate in equal pieces of the index).
/// Error("number") for a grid that does not rise, costs that are negative, not finite or of the wrong number,
/// or gamma outside (0, 1].
std::vector<double> update_schedule(const std::vector<double>& grid, const std::vector<double>& costs,
                                    const UpdateOptions& options,
                                    const std::string& where = "update of the schedule");

}  // namespace schedbench
