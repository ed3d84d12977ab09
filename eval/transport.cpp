#include "eval/transport.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>

#include "core/error.h"

namespace schedbench {

namespace {

/// Below this ratio of extreme singular values the squared matrix has lost too many digits: an eigenvalue s^2
/// comes with an error of eps s_max^2, so s_min with eps s_max^2 / s_min / 2.
constexpr double kWellConditioned = 1e-4;

std::optional<at::Tensor> cholesky_factor(const at::Tensor& matrix) {
    auto [factor, info] = at::linalg_cholesky_ex(matrix);
    // A row with a value that is not finite has such a one on the diagonal too.
    if (info.item<int64_t>() != 0 || !at::isfinite(factor.diagonal()).all().item<bool>()) return std::nullopt;
    return factor;
}

/// The lower triangle of L^T S L (what is above it is not set), L lower triangular: a quarter of the
/// operations of two full products, since in strips of columns only rows from the strip on are not zero or
/// not asked for.
at::Tensor congruence(const at::Tensor& lower, const at::Tensor& symmetric) {
    constexpr int64_t kStrip = 256;
    const int64_t d = lower.size(0);
    at::Tensor out = at::empty({d, d}, at::kDouble);
    for (int64_t j = 0; j < d; j += kStrip) {
        const int64_t columns = std::min(kStrip, d - j);
        const at::Tensor product =  // rows j.. of the strip of S L
            at::mm(symmetric.narrow(0, j, d - j).narrow(1, j, d - j),
                   lower.narrow(0, j, d - j).narrow(1, j, columns));
        for (int64_t i = j; i < d; i += kStrip) {
            const int64_t rows = std::min(kStrip, d - i);
            at::Tensor block = out.narrow(0, i, rows).narrow(1, j, columns);
            at::mm_out(block, lower.narrow(0, i, d - i).narrow(1, i, rows).t(),
                       product.narrow(0, i - j, d - i));
        }
    }
    return out;
}

/// L with S = L L^T, from the features where they are at hand (no digits are lost by squaring), else from S.
at::Tensor factor(const Moments& moments, const at::Tensor& features) {
    if (features.defined()) {
        const at::Tensor centred = (features.to(at::kCPU, at::kDouble) - moments.mean) /
                                   std::sqrt(static_cast<double>(features.size(0) - 1));
        if (centred.size(0) <= centred.size(1)) return centred.t().contiguous();
        return std::get<1>(at::linalg_qr(centred, "r")).t().contiguous();
    }
    if (const auto lower = cholesky_factor(moments.covariance)) return *lower;
    auto [values, vectors] = at::linalg_eigh(moments.covariance);
    const double noise = values.abs().max().item<double>() * static_cast<double>(values.size(0)) *
                         std::numeric_limits<double>::epsilon();
    const int64_t kept = (values > noise).sum().item<int64_t>(), first = values.size(0) - kept;  // ascending
    return vectors.narrow(1, first, kept) * values.narrow(0, first, kept).sqrt();
}

/// The first route; empty where it would not be exact. first = L1 L1^T, and L1^T S2 L1 = A diag(s^2) A^T.
bool by_eigenvalues(const Moments& first, const Moments& second, TransportParts parts, Transport& out) {
    const auto singular = [](const Moments& m) { return m.n > 0 && m.n <= m.mean.size(0); };
    if (singular(first) || singular(second)) return false;
    const auto lower1 = cholesky_factor(first.covariance);
    if (!lower1) return false;
    const at::Tensor inner = congruence(*lower1, second.covariance);
    at::Tensor squares, left;
    if (parts == TransportParts::maps) {
        std::tie(squares, left) = at::linalg_eigh(inner, "L");
    } else {
        squares = at::linalg_eigvalsh(inner, "L");
    }
    // S2 singular, or not definite for rounding: so is this.
    const double smallest = squares[0].item<double>(), largest = squares[-1].item<double>();
    if (!(smallest > kWellConditioned * kWellConditioned * largest)) return false;
    out.singular = squares.sqrt();
    out.root_trace = out.singular.sum().item<double>();
    if (parts == TransportParts::maps) {
        out.to_first = at::mm(*lower1, left);
        // P = L2 B with L2 B = S2 L1 A / s, and S2 L1 A = L1^-T (A s^2): so P = L1^-T A s.
        out.to_second = at::linalg_solve_triangular(lower1->t(), left, /*upper=*/true) * out.singular;
    }
    out.route = "eigenvalues";
    return true;
}

}  // namespace

double Transport::distance() const {
    return std::max(0.0, mean_term + (trace1 + trace2 - 2 * root_trace));
}

double Transport::harmonic_sum() const {
    const at::Tensor row = singular.unsqueeze(0), column = singular.unsqueeze(1);
    const at::Tensor sum = row + column;
    return at::where(sum > 0, row * column / sum, at::zeros_like(sum)).sum().item<double>();
}

Transport gaussian_transport(const Moments& first, const at::Tensor& first_features, const Moments& second,
                             const at::Tensor& second_features, TransportParts parts) {
    const int64_t d = first.mean.size(0);
    for (const Moments* m : {&first, &second}) {
        if (m->mean.dim() != 1 || m->mean.size(0) != d || m->covariance.dim() != 2 ||
            m->covariance.size(0) != d || m->covariance.size(1) != d) {
            throw Error("shape",
                        "the two sets have different feature dimensions (" + std::to_string(d) + " and " +
                            std::to_string(second.mean.numel()) + ")",
                        "Frechet distance", "compare features of one extractor");
        }
    }
    Transport out;
    out.mean_term = (first.mean - second.mean).square().sum().item<double>();
    out.trace1 = first.covariance.trace().item<double>();
    out.trace2 = second.covariance.trace().item<double>();
    const double sums = first.covariance.sum().item<double>() + second.covariance.sum().item<double>();
    if (!std::isfinite(out.mean_term + out.trace1 + out.trace2 + sums)) {
        throw Error("number", "mean or covariance is not finite", "Frechet distance");
    }
    if (by_eigenvalues(first, second, parts, out)) return out;

    const at::Tensor factor1 = factor(first, first_features), factor2 = factor(second, second_features);
    const at::Tensor product = at::mm(factor1.t(), factor2);
    out.route = "singular values";
    if (product.numel() == 0) {  // one population is a single point
        out.singular = at::zeros({0}, at::kDouble);
        out.to_first = out.to_second = at::zeros({d, 0}, at::kDouble);
        return out;
    }
    if (parts == TransportParts::distance) {
        out.singular = at::linalg_svdvals(product);
        out.root_trace = out.singular.sum().item<double>();
        return out;
    }
    auto [left, singular, right] = at::linalg_svd(product, /*full_matrices=*/false);
    out.root_trace = singular.sum().item<double>();
    const int64_t kept = (singular > kTransportFloor * singular.max()).sum().item<int64_t>();
    out.singular = singular.narrow(0, 0, kept);
    out.to_first = at::mm(factor1, left.narrow(1, 0, kept));
    out.to_second = at::mm(factor2, right.t().narrow(1, 0, kept));
    return out;
}

Transport gaussian_transport(const Moments& first, const Moments& second, TransportParts parts) {
    return gaussian_transport(first, {}, second, {}, parts);
}

}  // namespace schedbench
