#include "schedules/dm_non_uniform.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace schedbench {

namespace {

/// A value and its derivatives by the four lambdas that a step can depend on: s-2, s-1, s, s+1.
struct Dual {
    double value = 0;
    std::array<double, 4> slope{};

    static Dual variable(double value, size_t i) {
        Dual out{value};
        out.slope[i] = 1;
        return out;
    }
    /// f(value), where f' = derivative.
    Dual through(double f, double derivative) const {
        Dual out{f};
        for (size_t i = 0; i < 4; ++i) out.slope[i] = derivative * slope[i];
        return out;
    }
    friend Dual operator+(const Dual& a, const Dual& b) {
        Dual out{a.value + b.value};
        for (size_t i = 0; i < 4; ++i) out.slope[i] = a.slope[i] + b.slope[i];
        return out;
    }
    friend Dual operator-(const Dual& a, const Dual& b) { return a + b.through(-b.value, -1); }
    friend Dual operator*(const Dual& a, const Dual& b) {
        Dual out{a.value * b.value};
        for (size_t i = 0; i < 4; ++i) out.slope[i] = a.slope[i] * b.value + a.value * b.slope[i];
        return out;
    }
    friend Dual operator/(const Dual& a, const Dual& b) {
        return a * b.through(1 / b.value, -1 / (b.value * b.value));
    }
};

/// Integral of t^power e^t over [0, h]. Integration by parts cancels for small h, where the series is short.
double exponential_moment(int power, double h) {
    if (h < 1) {
        double sum = 0, term = std::pow(h, power + 1);
        for (int j = 0; j < 20; ++j) {
            sum += term / (j + power + 1);
            term *= h / (j + 1);
        }
        return sum;
    }
    double moment = std::expm1(h);
    for (int k = 1; k <= power; ++k) moment = std::pow(h, k) * std::exp(h) - k * moment;
    return moment;
}

double moment(int power, double h) {
    return exponential_moment(power, h);
}
Dual moment(int power, const Dual& h) {
    return h.through(exponential_moment(power, h.value), std::pow(h.value, power) * std::exp(h.value));
}

template <class Number>
std::array<Number, 3> weights_of(int order, const Number& h, const Number& a, const Number& b) {
    const Number m0 = moment(0, h);
    if (order == 1) return {m0, Number{}, Number{}};
    const Number m1 = moment(1, h);
    if (order == 2) return {m0 + m1 / a, Number{} - m1 / a, Number{}};
    const Number m2 = moment(2, h), ab = a + b;
    return {m0 + (m2 + (a + ab) * m1) / (a * ab), Number{} - (m2 + ab * m1) / (a * b),
            (m2 + a * m1) / (b * ab)};
}

/// w(lambda) with its derivative.
Dual network_error(const Dual& lambda, NetworkError error) {
    const double level = std::exp(-lambda.value);
    if (error == NetworkError::pixel) return lambda.through(level, -level);
    const double one = 1 + level * level, w = level * level / std::sqrt(one);
    return lambda.through(w, -w * (2 - level * level / one));
}

/// (value^2 + width^2)^(1/2): the modulus without its kink.
Dual smooth_modulus(const Dual& a, double width) {
    const double modulus = std::hypot(a.value, width);
    return a.through(modulus, modulus == 0 ? 0 : a.value / modulus);
}

constexpr size_t kTruncation = 3;  ///< steps before this one count on their own (Xue et al.)

/// The bound with all moduli of sums rounded off by `width`, and its gradient by the lambdas where wanted.
double bound(const std::vector<double>& lambda, NetworkError error, double width,
             std::vector<double>* gradient) {
    struct Term {
        size_t step;
        Dual value;
    };
    const size_t steps = lambda.size() - 1;
    std::vector<std::array<Term, 3>> terms(steps);  // of every knot: from the steps n, n+1, n+2
    std::vector<size_t> used(steps, 0);
    double total = 0;
    auto add = [&](size_t step, const Dual& part) {
        total += part.value;
        for (size_t i = 0; gradient && i < 4; ++i)
            if (step + i >= 2) (*gradient)[step + i - 2] += part.slope[i];
    };
    if (gradient) gradient->assign(lambda.size(), 0);
    for (size_t s = 0; s < steps; ++s) {
        const size_t from_end = std::min(s, steps - 1 - s);
        const int order = static_cast<int>(std::min<size_t>(from_end, 2)) + 1;
        std::array<Dual, 4> x;
        for (size_t i = 0; i < 4; ++i) x[i] = s + i >= 2 ? Dual::variable(lambda[s + i - 2], i) : Dual{};
        const std::array<Dual, 3> weights = weights_of(order, x[3] - x[2], x[2] - x[1], x[1] - x[0]);
        const Dual growth = x[2].through(std::exp(x[2].value), std::exp(x[2].value));
        Dual squares;
        for (size_t k = 0; k < static_cast<size_t>(order); ++k) {
            const Dual part = network_error(x[2 - k], error) * growth * weights[k];
            const size_t n = s - k;
            if (order == 1)
                add(s, part);  // positive
            else if (s < kTruncation)
                squares = squares + part * part;
            else
                terms[n][used[n]++] = {s, part};
        }
        if (squares.value > 0) {
            const double root = std::sqrt(squares.value);
            add(s, squares.through(root, 0.5 / root));
        }
    }
    for (size_t n = 0; n < steps; ++n) {
        double sum = 0;
        for (size_t k = 0; k < used[n]; ++k) sum += terms[n][k].value.value;
        const Dual modulus = smooth_modulus(Dual{sum}, used[n] ? width : 0);
        total += modulus.value;
        if (modulus.value == 0) continue;
        for (size_t k = 0; gradient && k < used[n]; ++k)
            for (size_t i = 0; i < 4; ++i)
                if (terms[n][k].step + i >= 2)
                    (*gradient)[terms[n][k].step + i - 2] += sum / modulus.value * terms[n][k].value.slope[i];
    }
    return total;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Logarithms of the gaps as free variables: the knots rise whatever they are, and their sum is scaled to the
/// range.
class LogGaps {
  public:
    LogGaps(const std::vector<double>& start, NetworkError error)
        : first_(start.front()), last_(start.back()), error_(error), gaps(start.size() - 1) {
        for (size_t i = 0; i < gaps.size(); ++i) gaps[i] = std::log(start[i + 1] - start[i]);
    }
    std::vector<double> lambdas(const std::vector<double>& x) const {
        std::vector<double> out{first_};
        double total = 0;
        for (double gap : x) total += std::exp(gap);
        double sum = 0;
        for (double gap : x) out.push_back(first_ + (last_ - first_) * ((sum += std::exp(gap)) / total));
        out.back() = last_;
        return out;
    }
    double value(const std::vector<double>& x, double width) const {
        return bound(lambdas(x), error_, width, nullptr);
    }
    double gradient(const std::vector<double>& x, double width, std::vector<double>& out) const {
        const std::vector<double> lambda = lambdas(x);
        std::vector<double> by_lambda;
        const double value = bound(lambda, error_, width, &by_lambda);
        // lambda_k = first + sum of the gaps before it, each gap_j = (last - first) e^{x_j} / sum of e^x
        out.assign(x.size(), 0);
        double behind = 0, mean = 0;
        for (size_t j = x.size(); j-- > 0;) {
            if (j + 1 < x.size()) behind += by_lambda[j + 1];
            out[j] = behind;
            mean += behind * (lambda[j + 1] - lambda[j]) / (last_ - first_);
        }
        for (size_t j = 0; j < x.size(); ++j) out[j] = (out[j] - mean) * (lambda[j + 1] - lambda[j]);
        return value;
    }

  private:
    double first_, last_;
    NetworkError error_;

  public:
    std::vector<double> gaps;
};

/// BFGS with a halving line search, from `x` on; stops where no step lowers the value any more.
void descend(const LogGaps& problem, double width, std::vector<double>& x) {
    const size_t n = x.size();
    std::vector<double> slope, next_slope, step(n), moved(n), change(n), bend(n);
    double value = problem.gradient(x, width, slope);
    std::vector<double> inverse(n * n, 0);
    auto reset = [&] {
        const double scale = 1 / std::max(std::sqrt(dot(slope, slope)), 1e-300);
        std::fill(inverse.begin(), inverse.end(), 0.0);
        for (size_t i = 0; i < n; ++i) inverse[i * n + i] = scale;
    };
    reset();
    bool fresh = true;
    for (int round = 0; round < 400; ++round) {
        for (size_t i = 0; i < n; ++i)
            step[i] = -std::inner_product(slope.begin(), slope.end(),
                                          inverse.begin() + static_cast<std::ptrdiff_t>(i * n), 0.0);
        double largest = 0;
        for (double one : step) largest = std::max(largest, std::abs(one));
        const double fall = dot(step, slope);
        double share =
            std::min(1.0, 1 / std::max(largest, 1e-300));  // no gap changes by more than a factor e
        bool lower = false;
        double next = value;
        for (int halving = 0; halving < 40 && !lower; ++halving, share /= 2) {
            for (size_t i = 0; i < n; ++i) moved[i] = x[i] + share * step[i];
            next = problem.gradient(moved, width, next_slope);
            lower = next < value + 1e-4 * share * fall;
        }
        if (!lower && fresh) return;
        if (!lower) {
            reset();
            fresh = true;
            continue;
        }
        const double before = value;
        value = next;
        for (size_t i = 0; i < n; ++i) {
            change[i] = moved[i] - x[i];
            bend[i] = next_slope[i] - slope[i];
        }
        x = moved;
        slope = next_slope;
        fresh = false;
        if (before - value < 1e-15 * before) return;
        const double curvature = dot(change, bend);
        if (!(curvature > 1e-14 * std::sqrt(dot(change, change) * dot(bend, bend)))) continue;
        std::vector<double> image(n);
        for (size_t i = 0; i < n; ++i)
            image[i] = std::inner_product(bend.begin(), bend.end(),
                                          inverse.begin() + static_cast<std::ptrdiff_t>(i * n), 0.0);
        const double scale = (1 + dot(bend, image) / curvature) / curvature;
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j)
                inverse[i * n + j] +=
                    scale * change[i] * change[j] - (image[i] * change[j] + change[i] * image[j]) / curvature;
    }
}

}  // namespace

std::array<double, 3> exponential_lagrange_weights(int order, double h, double a, double b) {
    return weights_of(order, h, a, b);
}

double dm_non_uniform_bound(const std::vector<double>& lambda, NetworkError error) {
    return bound(lambda, error, 0, nullptr);
}

std::vector<double> minimise_dm_non_uniform(const std::vector<double>& start, NetworkError error) {
    SCHEDBENCH_ASSERT(start.size() >= 2);
    if (start.size() == 2) return start;
    LogGaps problem(start, error);
    std::vector<double> x = problem.gaps;
    std::vector<double> best = start;
    double lowest = dm_non_uniform_bound(start, error);
    // The kinks of |.| come back bit by bit, so that a minimum that lies on some of them is found as well.
    const double scale = lowest / static_cast<double>(start.size());
    for (double width = 0.1; width > 1e-12; width /= 100) {
        descend(problem, width * scale, x);
        const double value = problem.value(x, 0);
        if (value < lowest) {
            lowest = value;
            best = problem.lambdas(x);
        }
    }
    return best;
}

}  // namespace schedbench
