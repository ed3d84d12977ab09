// Corrector cost of Gaussian data in closed form.
#pragma once

namespace schedbench::closed_form {

/// VE, N(0, c^2): L = v^2 (t^2 - t'^2)^2 / (q'^2 q), q = c^2 + t^2; squared_weight = v^2.
inline double gaussian_cost(double c, double to, double from, double squared_weight) {
    const double q = c * c + from * from, q1 = c * c + to * to, gap = from * from - to * to;
    return squared_weight * gap * gap / (q1 * q1 * q);
}

}  // namespace schedbench::closed_form
