#include "eval/frechet.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double count(int64_t n) {
    return static_cast<double>(n);
}

double variance(const std::vector<double>& values) {
    RunningMean running;
    for (double value : values) running.add(value);
    return running.variance();
}

/// What one side's samples say, taken in blocks of rows: at 50,000 x 2048 features all of them at once would
/// be several gigabytes. y = P^T (x - mu) are the coordinates of the transport, whose covariance is
/// diag(s^2).
struct Side {
    /// phi(x) = 2 (mu - mu')^T (x - mu) + (x - mu)^T (I - T)(x - mu) - Tr((I - T) S): the derivative of F in
    /// the direction of one sample (delta method), with (x - mu)^T T (x - mu) = sum_i y_i^2 / s_i and Tr(T S)
    /// = sum s.
    std::vector<double> influence;
    /// sum_ij V_ij / (s_i s_j (s_i + s_j)), V_ij = mean(y_i^2 y_j^2) - mean(y_i y_j)^2: n times the variance
    /// of the sample covariance of y. For Gaussian features V_ij = s_i^2 s_j^2 (1 + delta_ij), and the sum is
    /// H + S/2. NaN unless asked for.
    double curvature = kNaN;

    Side(const at::Tensor& features, const Moments& own, const Moments& other, double trace,
         const at::Tensor& map, const Transport& t, bool with_curvature) {
        const int64_t rows = features.size(0), r = t.singular.size(0);
        const int64_t block = std::max<int64_t>(1, kBlockValues / features.size(1));
        const at::Tensor shift = own.mean - other.mean, inverse = t.singular.reciprocal();
        const double constant = trace - t.singular.sum().item<double>();
        at::Tensor fourth;
        if (with_curvature) fourth = at::zeros({r, r}, at::kDouble);
        for (int64_t start = 0; start < rows; start += block) {
            const at::Tensor centred =
                features.narrow(0, start, std::min(block, rows - start)).to(at::kCPU, at::kDouble) - own.mean;
            const at::Tensor y = at::mm(centred, map), squares = y.square();
            const at::Tensor phi =
                2 * at::mv(centred, shift) + centred.square().sum(1) - at::mv(squares, inverse) - constant;
            influence.insert(influence.end(), phi.data_ptr<double>(), phi.data_ptr<double>() + phi.numel());
            if (!with_curvature) continue;
            fourth.addmm_(squares.t(), squares);
        }
        if (!with_curvature) return;
        // sum y y^T / (n - 1) = P^T S P = diag(s^2).
        const at::Tensor s = t.singular, v = fourth / count(rows);
        v.diagonal().sub_((s.square() * (count(rows - 1) / count(rows))).square());
        const at::Tensor sum = s.unsqueeze(0) + s.unsqueeze(1);
        curvature = (v / (at::outer(s, s) * sum)).sum().item<double>();
    }

    static constexpr int64_t kBlockValues = 4 << 20;  ///< 32 MB in float64
};

double gaussian_curvature(const Transport& t) {
    return t.harmonic_sum() + t.root_trace / 2;
}

std::string size_warning(int64_t n, int64_t m, bool sampled, int64_t d) {
    const bool of_reference = sampled && m < n;
    const int64_t smaller = of_reference ? m : n;
    const std::string who = (of_reference ? "the reference has " : "there are ") + std::to_string(smaller) +
                            (of_reference ? " samples" : " generated samples") + " for " + std::to_string(d) +
                            " features";
    if (smaller < 4 * d)
        return kUnreliable + who + ": below 4 a feature neither the value nor its error can be trusted";
    if (smaller < kSafeSamplesPerFeature * d)
        return who + ": below 16 a feature the correction of the bias is not safe";
    return "";
}

/// SD of F between two samples of one Gaussian population, k = 1/n + 1/m:
/// Var = k^2 [2 sum s^2 + sum_{i != j} (s_i s_j / (s_i + s_j))^2 + (1/2) sum s^2].
double null_standard_deviation(const at::Tensor& s, double k) {
    const at::Tensor sum = s.unsqueeze(0) + s.unsqueeze(1);
    const at::Tensor pairs = (at::outer(s, s) / sum).square();
    const double off_diagonal = pairs.sum().item<double>() - pairs.diagonal().sum().item<double>();
    return k * std::sqrt(2.5 * s.square().sum().item<double>() + off_diagonal);
}

}  // namespace

FrechetReference FrechetReference::of_features(const at::Tensor& features) {
    return {feature_sums(features).moments(), features};
}

FrechetReference FrechetReference::of_moments(Moments moments) {
    return {std::move(moments), {}};
}

double frechet_distance(const Moments& generated, const Moments& reference) {
    return gaussian_transport(generated, reference, TransportParts::distance).distance();
}

double frechet_distance(const at::Tensor& generated, const at::Tensor& reference) {
    return gaussian_transport(feature_sums(generated).moments(), generated, feature_sums(reference).moments(),
                              reference, TransportParts::distance)
        .distance();
}

FrechetResult frechet(const at::Tensor& generated, const FrechetReference& reference,
                      const FrechetOptions& options) {
    const Moments own = feature_sums(generated).moments();
    const Moments& other = reference.moments;
    const int64_t n = own.n, m = other.n, d = own.mean.size(0);
    const bool sampled = options.reference == ReferenceRole::sampled && m > 0;
    const bool has_reference = reference.features.defined();

    FrechetResult out;
    out.parts = gaussian_transport(own, generated, other, reference.features, TransportParts::maps);
    const Transport& t = out.parts;
    const bool fourth = options.debias != DebiasMethod::gaussian;
    Side side(generated, own, other, t.trace1, t.to_second, t, fourth);
    out.influence = std::move(side.influence);
    const double variance_of_generated = variance(out.influence) / count(n);
    out.se_exact_reference = std::sqrt(variance_of_generated);
    out.se_sampled_reference = kNaN;

    // E[F] - F = Tr S1 / n + Tr S2 / m + (1/2n) curvature_1 + (1/2m) curvature_2, second order in the
    // sampling errors.
    const auto curvature = [&](const Side& s) { return fourth ? s.curvature : gaussian_curvature(t); };
    out.bias.generated = (t.trace1 + curvature(side) / 2) / count(n);
    if (sampled && has_reference) {
        Side mirrored(reference.features, other, own, t.trace2, t.to_first, t, fourth);
        out.influence_ref = std::move(mirrored.influence);
        out.se_sampled_reference = std::sqrt(variance_of_generated + variance(out.influence_ref) / count(m));
        out.bias.reference = (t.trace2 + curvature(mirrored) / 2) / count(m);
    } else if (sampled) {
        out.bias.reference = (t.trace2 + gaussian_curvature(t) / 2) / count(m);
    }
    out.null_sd = null_standard_deviation(t.singular, 1 / count(n) + (sampled ? 1 / count(m) : 0));

    const double raw = t.distance();
    std::string correction =
        options.debias == DebiasMethod::gaussian ? "Gaussian closed form" : "fourth-moment closed form";
    if (options.debias == DebiasMethod::jackknife) {
        const int64_t blocks = std::min(n, std::max<int64_t>(options.jackknife_blocks, 100));
        out.bias.generated = raw - frechet_jackknife(generated, reference, blocks).debiased;
        correction = "jackknife of " + std::to_string(blocks) + " blocks";
        if (sampled && has_reference) correction += ", fourth-moment closed form for the reference";
    }
    if (sampled && !has_reference && options.debias != DebiasMethod::gaussian) {
        correction += ", Gaussian closed form for the reference";
    }

    Estimate& e = out.at_n;
    e.name = options.name;
    e.value = raw;
    e.n = n;
    e.estimand = "Frechet distance at this n";
    if (sampled && has_reference) {
        e.se = out.se_sampled_reference;
        e.method = "influence function, reference sampled";
    } else {
        e.se = out.se_exact_reference;
        e.method = sampled ? "influence function, generated samples only (the reference has no features)"
                           : "influence function, reference exact";
    }
    e.warning = size_warning(n, m, sampled, d);
    out.debiased = e;
    out.debiased.value = raw - out.bias.total();
    out.debiased.estimand = "Frechet distance, bias removed";
    out.debiased.method += "; bias by " + correction;
    if (!e.warning.empty() && !e.warning.starts_with(kUnreliable))
        out.debiased.warning = kUnreliable + e.warning;
    return out;
}

JackknifeResult frechet_jackknife(const at::Tensor& generated, const FrechetReference& reference,
                                  int64_t blocks) {
    const FeatureSums all = feature_sums(generated);
    const int64_t n = all.n();
    if (blocks < 2 || blocks > n) {
        throw Error(
            "option",
            "a jackknife of " + std::to_string(n) + " samples needs 2 to " + std::to_string(n) + " blocks",
            "jackknife");
    }
    const int64_t d = all.dimension();
    const auto distance_of = [&](const Moments& moments, const at::Tensor& rows) {
        return gaussian_transport(moments, rows, reference.moments, reference.features,
                                  TransportParts::distance)
            .distance();
    };
    JackknifeResult out;
    RunningMean left_out;
    for (int64_t g = 0; g < blocks; ++g) {
        const int64_t begin = n * g / blocks, end = n * (g + 1) / blocks;
        FeatureSums rest = all;
        rest.remove(generated.narrow(0, begin, end - begin));
        // The rows themselves are needed only where the covariance is singular.
        const bool deficient = rest.n() <= 2 * d;
        const at::Tensor rows =
            deficient ? at::cat({generated.narrow(0, 0, begin), generated.narrow(0, end, n - end)})
                      : at::Tensor();
        out.left_out.push_back(distance_of(rest.moments(), rows));
        left_out.add(out.left_out.back());
    }
    const double groups = count(blocks);
    out.debiased = groups * distance_of(all.moments(), generated) - (groups - 1) * left_out.mean;
    out.se = std::sqrt((groups - 1) / groups * left_out.m2);
    return out;
}

}  // namespace schedbench
