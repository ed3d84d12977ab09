#include "eval/neighbours.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <span>

#include "core/error.h"
#include "eval/features.h"

namespace schedbench {

namespace {

constexpr int64_t kStripValues = 4 << 20;  ///< distances held at once: 16 MB in float32
constexpr int64_t kColumnRows = 1024;      ///< rows of the other set centred at once
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A set of features with what bounds of distances need.
struct Points {
    at::Tensor rows;     ///< [n, d], float32 or float64, contiguous, as given
    at::Tensor centre;   ///< [d] float32, common to both sets; distances do not depend on it
    at::Tensor squares;  ///< [n] float32, |row - centre|^2

    Points(const at::Tensor& features, const at::Tensor& shift) : rows(features.to(at::kCPU)), centre(shift) {
        if (rows.scalar_type() != at::kFloat) rows = rows.to(at::kDouble);
        rows = rows.contiguous();
        squares = at::empty({size()}, at::kFloat);
        for (int64_t i = 0; i < size(); i += kColumnRows) {
            const int64_t count = std::min(kColumnRows, size() - i);
            squares.narrow(0, i, count).copy_(centred(i, count).square().sum(1));
        }
        if (!at::isfinite(squares).all().item<bool>())
            throw Error("number", "features are too large: their squares overflow float32",
                        "neighbour metrics", "scale both sets by one factor");
    }
    int64_t size() const { return rows.size(0); }
    at::Tensor centred(int64_t start, int64_t count) const {
        return (rows.narrow(0, start, count) - centre).to(at::kFloat);  // float64 rows: one rounding
    }
};

template <class T>
double squared_distance(const T* x, const T* y, int64_t d) {
    double sum = 0;
    for (int64_t k = 0; k < d; ++k) {
        const double difference = static_cast<double>(x[k]) - static_cast<double>(y[k]);
        sum += difference * difference;
    }
    return sum;
}

double exact_distance(const Points& a, int64_t i, const Points& b, int64_t j) {
    const int64_t d = a.rows.size(1);
    if (a.rows.scalar_type() == at::kFloat && b.rows.scalar_type() == at::kFloat)
        return squared_distance(a.rows.const_data_ptr<float>() + i * d,
                                b.rows.const_data_ptr<float>() + j * d, d);
    SCHEDBENCH_ASSERT(a.rows.scalar_type() == at::kDouble && b.rows.scalar_type() == at::kDouble);
    return squared_distance(a.rows.const_data_ptr<double>() + i * d, b.rows.const_data_ptr<double>() + j * d,
                            d);
}

/// |u|^2 + |v|^2 - 2 u.v in float32 is off by at most g (|u|^2 + |v|^2), g = 2 (d + 8) eps: d additions a
/// product, 2 |u.v| <= |u|^2 + |v|^2, the rounding of the centred rows and of the three terms (Higham,
/// Accuracy and Stability of Numerical Algorithms, section 3.1, with the order of additions left open).
double relative_error(int64_t d) {
    return 2 * static_cast<double>(d + 8) * static_cast<double>(std::numeric_limits<float>::epsilon());
}

/// Bounds of the squared distances from a strip of rows of one set to all of another, in memory that is used
/// again and again.
class Strip {
  public:
    Strip(const Points& from, const Points& to)
        : from_(from), to_(to), error_(relative_error(from.rows.size(1))) {
        height_ = std::clamp<int64_t>(kStripValues / to.size(), 1, 1024);
        height_ = std::min(height_, from.size());
        values_ = at::empty({height_, to.size()}, at::kFloat);
    }
    int64_t height() const { return height_; }

    /// Rows [start, start + count): float32 [count, m], valid until the next call.
    at::Tensor lower(int64_t start, int64_t count) {
        const at::Tensor rows = from_.centred(start, count), out = values_.narrow(0, 0, count);
        for (int64_t j = 0; j < to_.size(); j += kColumnRows) {
            const int64_t width = std::min(kColumnRows, to_.size() - j);
            out.narrow(1, j, width).copy_(at::mm(rows, to_.centred(j, width).t()));
        }
        return add_squares(out.mul_(-2), start, 1 - error_);
    }
    /// The same rows, from lower(): a copy in memory of its own.
    at::Tensor upper(const at::Tensor& lower, int64_t start) {
        if (!above_.defined()) above_ = at::empty_like(values_);
        return add_squares(above_.narrow(0, 0, lower.size(0)).copy_(lower), start, 2 * error_);
    }

  private:
    at::Tensor add_squares(const at::Tensor& out, int64_t start, double scale) const {
        return out.add_((from_.squares.narrow(0, start, out.size(0)) * scale).unsqueeze(1))
            .add_((to_.squares * scale).unsqueeze(0));
    }
    const Points& from_;
    const Points& to_;
    double error_;
    int64_t height_ = 0;
    at::Tensor values_, above_;
};

struct Neighbour {
    double squared = 0;  ///< distance
    int64_t index = 0;
    bool operator<(const Neighbour& o) const {
        return squared != o.squared ? squared < o.squared : index < o.index;
    }
};

/// The nearest `count` points of each point's own set, itself left out, sorted.
std::vector<std::vector<Neighbour>> nearest(const Points& points, int64_t count) {
    std::vector<std::vector<Neighbour>> out(static_cast<size_t>(points.size()));
    Strip strip(points, points);
    for (int64_t start = 0; start < points.size(); start += strip.height()) {
        const int64_t rows = std::min(strip.height(), points.size() - start);
        const at::Tensor lower = strip.lower(start, rows);
        lower.diagonal(start).fill_(kInfinity);
        // The count-th smallest upper bound: the count-th neighbour is not farther.
        const at::Tensor reach =
            std::get<0>(at::topk(strip.upper(lower, start), count, 1, /*largest=*/false)).amax(1, true);
        const at::Tensor candidates = (lower <= reach).nonzero();
        const auto pairs = candidates.accessor<int64_t, 2>();
        for (int64_t p = 0; p < candidates.size(0); ++p) {
            const int64_t i = start + pairs[p][0], j = pairs[p][1];
            out[static_cast<size_t>(i)].push_back({exact_distance(points, i, points, j), j});
        }
        for (int64_t i = start; i < start + rows; ++i) {
            auto& row = out[static_cast<size_t>(i)];
            SCHEDBENCH_ASSERT(static_cast<int64_t>(row.size()) >= count);
            std::partial_sort(row.begin(), row.begin() + count, row.end());
            row.resize(static_cast<size_t>(count));
            row.shrink_to_fit();
        }
    }
    return out;
}

struct Pair {
    int64_t ball = 0, point = 0;
};

/// The balls of one set and which points of the other they hold.
struct Balls {
    std::vector<Pair> inside;  ///< by ball, then point
    std::vector<Pair> ring;    ///< only held once the ball has grown to its next neighbour
};

enum class Edge { included, excluded };  ///< does a ball hold points at exactly its radius?

bool holds(double squared, double radius, Edge edge) {
    return edge == Edge::included ? squared <= radius : squared < radius;
}

struct BallSize {
    size_t k;
    Edge edge;
};

/// One pass over all distances for balls of several sizes.
std::vector<Balls> find_balls(const Points& centres, const std::vector<std::vector<Neighbour>>& neighbours,
                              const Points& points, std::span<const BallSize> sizes) {
    std::vector<Balls> out(sizes.size());
    size_t largest = 0;
    for (const BallSize& size : sizes) largest = std::max(largest, size.k);
    Strip strip(centres, points);
    for (int64_t start = 0; start < centres.size(); start += strip.height()) {
        const int64_t rows = std::min(strip.height(), centres.size() - start);
        const at::Tensor reach = at::empty({rows, 1}, at::kFloat);
        for (int64_t i = 0; i < rows; ++i) {
            const double radius = neighbours[static_cast<size_t>(start + i)][largest].squared;
            // Rounded up: a lower bound beyond this is beyond the radius.
            reach.data_ptr<float>()[i] = std::nextafter(static_cast<float>(radius), kInfinity);
        }
        const at::Tensor candidates = (strip.lower(start, rows) <= reach).nonzero();
        const auto pairs = candidates.accessor<int64_t, 2>();
        for (int64_t p = 0; p < candidates.size(0); ++p) {
            const int64_t i = start + pairs[p][0], j = pairs[p][1];
            const double squared = exact_distance(centres, i, points, j);
            const auto& radii = neighbours[static_cast<size_t>(i)];
            for (size_t s = 0; s < sizes.size(); ++s) {
                const auto [k, edge] = sizes[s];
                if (holds(squared, radii[k - 1].squared, edge)) {
                    out[s].inside.push_back({i, j});
                } else if (holds(squared, radii[k].squared, edge)) {
                    out[s].ring.push_back({i, j});
                }
            }
        }
    }
    return out;
}

std::vector<double> centred(std::vector<double> values) {
    RunningMean running;
    for (double value : values) running.add(value);
    for (double& value : values) value -= running.mean;
    return values;
}

/// psi_i = (m - 1)(mean F_(-l) - F_(-i)).
std::vector<double> jackknife_influence(const std::vector<double>& left_out) {
    std::vector<double> out = centred(left_out);
    for (double& value : out) value *= -static_cast<double>(left_out.size() - 1);
    return out;
}

double mean_variance(const std::vector<double>& values) {
    RunningMean running;
    for (double value : values) running.add(value);
    return running.variance() / static_cast<double>(running.n);
}

/// Share of points in some ball. `of_points` and `of_balls` are the influences on the two sides.
double share_held(const Balls& balls, const std::vector<std::vector<Neighbour>>& neighbours, size_t k,
                  size_t points, std::vector<double>& of_points, std::vector<double>& of_balls) {
    std::vector<int64_t> number(points, 0), holder(points, -1);
    for (const Pair& pair : balls.inside) {
        ++number[static_cast<size_t>(pair.point)];
        holder[static_cast<size_t>(pair.point)] = pair.ball;
    }
    double held = 0;
    of_points.clear();
    for (const int64_t count : number) {
        of_points.push_back(count > 0 ? 1 : 0);
        held += of_points.back();
    }
    // Without ball l: the points that only l held are lost, unless a ball that grows then takes them; and
    // such balls take points that none held.
    std::vector<double> change(neighbours.size(), 0);
    for (size_t j = 0; j < points; ++j) {
        if (number[j] == 1) change[static_cast<size_t>(holder[j])] -= 1;
    }
    std::set<std::pair<int64_t, int64_t>> counted;  // (ball left out, point)
    for (const Pair& pair : balls.ring) {
        const size_t j = static_cast<size_t>(pair.point);
        if (number[j] > 1) continue;
        const auto& own = neighbours[static_cast<size_t>(pair.ball)];
        for (size_t q = 0; q < k; ++q) {
            const int64_t left_out = own[q].index;
            if (number[j] == 1 && holder[j] != left_out) continue;
            if (counted.emplace(left_out, pair.point).second) change[static_cast<size_t>(left_out)] += 1;
        }
    }
    const double n = static_cast<double>(points);
    for (double& value : change) value = (held + value) / n;
    of_points = centred(std::move(of_points));
    of_balls = jackknife_influence(change);
    return held / n;
}

double density_of(const Balls& balls, const std::vector<std::vector<Neighbour>>& neighbours, size_t k,
                  size_t points, std::vector<double>& of_points, std::vector<double>& of_balls) {
    const double scale = 1 / (static_cast<double>(k) * static_cast<double>(points));
    of_points.assign(points, 0);
    std::vector<double> without(neighbours.size(), static_cast<double>(balls.inside.size()));
    for (const Pair& pair : balls.inside) {
        of_points[static_cast<size_t>(pair.point)] += 1 / static_cast<double>(k);
        without[static_cast<size_t>(pair.ball)] -= 1;
    }
    for (const Pair& pair : balls.ring) {
        const auto& own = neighbours[static_cast<size_t>(pair.ball)];
        for (size_t q = 0; q < k; ++q) without[static_cast<size_t>(own[q].index)] += 1;
    }
    for (double& value : without) value *= scale;
    of_points = centred(std::move(of_points));
    of_balls = jackknife_influence(without);
    return static_cast<double>(balls.inside.size()) * scale;
}

/// Share of balls that hold some point. Here each side's deletions are counted.
double coverage_of(const Balls& balls, const std::vector<std::vector<Neighbour>>& neighbours, size_t k,
                   size_t points, std::vector<double>& of_points, std::vector<double>& of_balls) {
    const size_t m = neighbours.size();
    std::vector<int64_t> number(m, 0), only(m, -1);
    for (const Pair& pair : balls.inside) {
        ++number[static_cast<size_t>(pair.ball)];
        only[static_cast<size_t>(pair.ball)] = pair.point;
    }
    double covered = 0;
    for (const int64_t count : number) covered += count > 0 ? 1 : 0;
    const double total = static_cast<double>(m);
    std::vector<double> without_point(points, covered);
    for (size_t i = 0; i < m; ++i) {
        if (number[i] == 1) without_point[static_cast<size_t>(only[i])] -= 1;
    }
    for (double& value : without_point) value /= total;

    std::vector<bool> would(m, false);  // empty now, not empty once grown
    for (const Pair& pair : balls.ring) {
        if (number[static_cast<size_t>(pair.ball)] == 0) would[static_cast<size_t>(pair.ball)] = true;
    }
    std::vector<double> without_ball(m, covered);
    for (size_t i = 0; i < m; ++i) {
        without_ball[i] -= number[i] > 0 ? 1 : 0;
        if (!would[i]) continue;
        for (size_t q = 0; q < k; ++q) without_ball[static_cast<size_t>(neighbours[i][q].index)] += 1;
    }
    for (double& value : without_ball) value /= total - 1;
    of_points = jackknife_influence(without_point);
    of_balls = jackknife_influence(without_ball);
    return covered / total;
}

void check_set(const at::Tensor& features, int64_t k, const char* what) {
    check_features(features, what);
    if (features.size(0) < k + 2) {
        throw Error("number",
                    "has " + std::to_string(features.size(0)) + " rows, neighbour " + std::to_string(k) +
                        " of each point and the next one need at least " + std::to_string(k + 2),
                    what, "take more samples");
    }
    if ((features == features[0]).all().item<bool>()) {
        throw Error("number", "all " + std::to_string(features.size(0)) + " rows are equal", what,
                    "neighbourhoods of such a set have no size; check the images");
    }
}

/// Values and influences; no errors yet.
NeighbourMetrics measure(const Points& fake, const Points& real, size_t k, size_t l) {
    NeighbourMetrics out;
    const size_t n = static_cast<size_t>(fake.size()), m = static_cast<size_t>(real.size());
    {
        const auto neighbours = nearest(real, static_cast<int64_t>(std::max(k, l)) + 1);
        const BallSize sizes[] = {{k, Edge::included}, {l, Edge::excluded}};
        const std::vector<Balls> balls = find_balls(real, neighbours, fake, sizes);
        NeighbourMetric &p = out.precision, &d = out.density, &c = out.coverage;
        p.estimate.value = share_held(balls[0], neighbours, k, n, p.influence, p.influence_ref);
        d.estimate.value = density_of(balls[1], neighbours, l, n, d.influence, d.influence_ref);
        c.estimate.value = coverage_of(balls[1], neighbours, l, n, c.influence, c.influence_ref);
    }
    const auto neighbours = nearest(fake, static_cast<int64_t>(k) + 1);
    const BallSize sizes[] = {{k, Edge::included}};
    const std::vector<Balls> balls = find_balls(fake, neighbours, real, sizes);
    NeighbourMetric& r = out.recall;
    r.estimate.value = share_held(balls[0], neighbours, k, m, r.influence_ref, r.influence);
    return out;
}

/// Value, and its variance if the balls were fixed and only the counted points random.
struct Counted {
    double value = 0, variance = 0;
};

/// A share that comes out as 0 or 1 gets the variance of half a point, not none.
Counted counted_share(double share, size_t of) {
    const double n = static_cast<double>(of), p = std::clamp(share, 0.5 / n, 1 - 0.5 / n);
    return {share, p * (1 - p) / n};
}

constexpr size_t kMetrics = 4;
std::array<Counted, kMetrics> counted(const NeighbourMetrics& x) {
    const size_t n = x.precision.influence.size(), m = x.precision.influence_ref.size();
    return {counted_share(x.precision.estimate.value, n), counted_share(x.recall.estimate.value, m),
            Counted{x.density.estimate.value, mean_variance(x.density.influence)},
            counted_share(x.coverage.estimate.value, m)};
}

constexpr int64_t kLargestBlocks = 20, kSmallestBlocks = 5, kSmallestBlock = 30;

/// By how much the metrics vary more than with fixed balls, from disjoint blocks of both sets. Empty where
/// too few blocks fit.
std::optional<std::array<double, kMetrics>> inflation(const at::Tensor& generated,
                                                      const at::Tensor& reference, const at::Tensor& centre,
                                                      size_t k, size_t l) {
    const int64_t n = generated.size(0), m = reference.size(0);
    const int64_t smallest = std::max(kSmallestBlock, 3 * static_cast<int64_t>(std::max(k, l)));
    const int64_t blocks = std::min(kLargestBlocks, std::min(n, m) / smallest);
    if (blocks < kSmallestBlocks) return std::nullopt;
    std::array<RunningMean, kMetrics> values, variances;
    for (int64_t b = 0; b < blocks; ++b) {
        const auto rows = [&](const at::Tensor& set) {
            const int64_t begin = set.size(0) * b / blocks;
            return Points(set.narrow(0, begin, set.size(0) * (b + 1) / blocks - begin), centre);
        };
        const auto block = counted(measure(rows(generated), rows(reference), k, l));
        for (size_t q = 0; q < kMetrics; ++q) {
            values[q].add(block[q].value);
            variances[q].add(block[q].variance);
        }
    }
    std::array<double, kMetrics> out{};
    for (size_t q = 0; q < kMetrics; ++q) {
        const double ratio = variances[q].mean > 0 ? values[q].variance() / variances[q].mean : 1;
        out[q] = std::max(1.0, ratio);
    }
    return out;
}

}  // namespace

NeighbourMetrics neighbour_metrics(const at::Tensor& generated, const at::Tensor& reference,
                                   const NeighbourOptions& options) {
    if (options.precision_k < 1 || options.density_k < 1)
        throw Error("option", "k must be at least 1", "neighbour metrics");
    check_set(generated, options.precision_k, "generated features");
    check_set(reference, std::max(options.precision_k, options.density_k), "reference features");
    if (generated.size(1) != reference.size(1)) {
        throw Error("shape",
                    "the two sets have different feature dimensions (" + std::to_string(generated.size(1)) +
                        " and " + std::to_string(reference.size(1)) + ")",
                    "neighbour metrics", "compare features of one extractor");
    }
    const bool single = generated.scalar_type() == at::kFloat && reference.scalar_type() == at::kFloat;
    const auto type = single ? at::kFloat : at::kDouble;
    const at::Tensor fake = generated.to(at::kCPU, type), real = reference.to(at::kCPU, type);
    const at::Tensor centre = real.mean(0).to(at::kFloat);
    const size_t k = static_cast<size_t>(options.precision_k), l = static_cast<size_t>(options.density_k);

    NeighbourMetrics out = measure(Points(fake, centre), Points(real, centre), k, l);
    const auto fixed_balls = counted(out);
    const auto factors = inflation(fake, real, centre, k, l);
    const std::pair<NeighbourMetric*, std::string> metrics[] = {{&out.precision, "precision"},
                                                                {&out.recall, "recall"},
                                                                {&out.density, "density"},
                                                                {&out.coverage, "coverage"}};
    for (size_t q = 0; q < kMetrics; ++q) {
        const auto& [metric, name] = metrics[q];
        Estimate& e = metric->estimate;
        e.name = name + options.suffix;
        e.n = generated.size(0);
        e.estimand = name + " at this n and m";
        if (factors) {
            e.se = std::sqrt(fixed_balls[q].variance * (*factors)[q]);
            e.method = "spread of the counted points, inflated as disjoint blocks vary; reference sampled";
        } else {
            e.se = std::sqrt(mean_variance(metric->influence) + mean_variance(metric->influence_ref));
            e.method = "delete-one jackknife, an upper bound; reference sampled";
            e.warning = "too few samples for blocks: the error is an upper bound";
        }
    }
    return out;
}

}  // namespace schedbench
