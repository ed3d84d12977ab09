// The embedded Runge-Kutta pair of Dormand and Prince (J. Comput. Appl. Math. 6(1), 1980, table 2), orders 5
// and 4 with seven stages of which the last is the first of the next step, for many initial value problems
// side by side. Every row chooses its own steps, so that its solution does not depend on the other rows of
// the batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

namespace schedbench {

struct StepControl {
    double rtol = 1e-5, atol = 1e-5;  ///< a component's error per step: at most atol + rtol |y|
    int64_t max_steps = 20000;        ///< attempted steps
};

/// dy/dt of some rows: rows [b] int64 (which of the given ones), t [b], y [b, n] -> [b, n]; all float64.
using RowSlope = std::function<at::Tensor(const at::Tensor& rows, const at::Tensor& t, const at::Tensor& y)>;

/// y(end) [B, n] from y(begin) = start, begin < end. The error norm of a row is the root mean square over its
/// first columns (Hairer, Norsett and Wanner, Solving ODEs I, eq. II.4.11) or the greatest among its last
/// `alone` ones, whichever is larger: a few quantities of interest are not averaged away among thousands of
/// others. Local extrapolation; step factor 0.9 err^(-1/5) in [0.2, 5], no growth right after a rejection;
/// first step: a hundredth. Error("number") naming `where` if max_steps are not enough or the steps become
/// too small (a slope that is not finite, or noise above the tolerance).
at::Tensor integrate_rows(const RowSlope& slope, const at::Tensor& start, int64_t alone, double begin,
                          double end, const StepControl& control, const std::string& where = "--rtol");

}  // namespace schedbench
