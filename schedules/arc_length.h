// Knots at equal arc length of a learned curve (Williams et al. 2024, algorithm 1), and the interpolants it
// needs.
#pragma once

#include <string>
#include <vector>

#include "schedules/interpolant.h"

namespace schedbench {

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
        slope_;  ///< value_ = the interpolant's coordinate of sigma; slope_ empty for straight lines
    Interpolant kind_;
};

struct UpdateOptions {
    Interpolant interpolant = Interpolant::pchip_ln_sigma;
    double gamma = 1;  ///< new knot = gamma * optimum + (1 - gamma) * old knot, in sigma; (0, 1]
    double exponent =
        0.5;  ///< length of an interval = cost^exponent; 1/4 for costs of fourth order in the step
    double floor = 1e-12;  ///< costs below floor * (largest cost) are raised to it
    double cap = 0;        ///< lengths above cap * (mean length) are cut to it; 0: no cap
    int steps_out = 0;     ///< read off this many steps instead of as many as came in (then gamma must be 1)
};

/// Cumulative length [T+1] of costs [T]: 0, then sums of max(cost, floor * largest)^exponent, each of them at
/// most `cap` times their mean (0: no cap). Error("number") for a cap that is negative or below 1.
std::vector<double> cumulative_length(const std::vector<double>& costs, double exponent, double floor,
                                      double cap = 0);

/// Repeated updates of few knots may leave the clean end: a step into a small level is nearly free under the
/// weight sigma(t'), however wide it is, so every update widens it. The length of the path does not depend on
/// the knots, so a measured length that falls while the cleanest interval widens says that this has happened.
struct Collapse {
    bool found = false;
    double length_ratio = 1;     ///< length on the last grid over that on the first
    double clean_widening = 1;   ///< ln(grid[1]/grid[0]) of the last grid over that of the first
    std::string advice() const;  ///< one line for people; "" unless found
};
/// grids: [k] lists of the same number of rising levels above 0, in the order of the updates; lengths: [k],
/// of the costs measured on each. Found: the length fell below half of the first, and the cleanest interval
/// widened.
Collapse find_collapse(const std::vector<std::vector<double>>& grids, const std::vector<double>& lengths);

/// One UpdateSchedule step. grid: T+1 rising levels; costs[j] >= 0 belongs to [grid[j], grid[j+1]]. All costs
/// zero: the grid comes back unchanged (with steps_out: its own coordinate in equal pieces of the index).
/// Error("number") for a grid that does not rise, costs that are negative, not finite or of the wrong number,
/// or gamma outside (0, 1].
std::vector<double> update_schedule(const std::vector<double>& grid, const std::vector<double>& costs,
                                    const UpdateOptions& options,
                                    const std::string& where = "update of the schedule");

}  // namespace schedbench
