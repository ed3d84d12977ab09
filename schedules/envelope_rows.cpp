// Rows as lower envelopes. Sources enter in the order of s and each wins only over higher queries than those
// before it, so the envelope is a stack: a new source throws out those at the end that it beats where they
// begin. This holds whatever the costs of the previous row are; only the way to look up a query depends on
// the order of the queries.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "schedules/row_solver.h"

namespace schedbench {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLowest = std::numeric_limits<double>::lowest();

size_t at(int i) {
    return static_cast<size_t>(i);
}

/// A number as the sum of a double and what it leaves out.
struct Pair {
    double high, low;
    explicit Pair(long double value)
        : high(static_cast<double>(value)),
          low(static_cast<double>(value - static_cast<long double>(high))) {}
    double minus(const Pair& other) const { return (high - other.high) + (low - other.low); }
};

struct Node {
    Pair slope, offset;
    double x;      ///< as in the form
    double query;  ///< CrossingForm::queries()
    double key;    ///< slope that falls in s
};

/// One source of the envelope.
struct Piece {
    double start;  ///< it is the best for queries above this, up to the start of the next
    double height, key;
    int source;
};

template <bool logarithm, bool walk>
class EnvelopeRows : public RowSolver {
  public:
    explicit EnvelopeRows(const CrossingForm& form)
        : table_size_(static_cast<int>(form.x.size()) - 1), scale_(form.scale), pieces_(form.x.size()) {
        const std::vector<double> queries = form.queries();
        const bool falls = table_size_ < 2 || form.slope[1] >= form.slope.back();
        SCHEDBENCH_ASSERT(falls || !logarithm);
        for (size_t t = 0; t < form.x.size(); ++t) {
            const long double offset = form.offset.empty() ? 0 : form.offset[t];
            const double slope = static_cast<double>(form.slope[t]);
            nodes_.push_back(
                {Pair(form.slope[t]), Pair(offset), form.x[t], queries[t], falls ? slope : -slope});
            SCHEDBENCH_ASSERT(t < 2 || nodes_[t].key <= nodes_[t - 1].key);
            if (t > 1) highest_query_ = std::max(highest_query_, queries[t]);
        }
    }

    void row(int lowest, const std::vector<double>& previous, std::vector<double>& next,
             uint16_t* parent) override {
        size_t size = 0, current = 0;
        Piece* const pieces = pieces_.data();
        for (int t = lowest + 1; t <= table_size_; ++t) {
            enter(t - 1, previous[at(t - 1)], pieces, size);
            const Node& node = nodes_[at(t)];
            if (size == 0) {
                next[at(t)] = kInfinity;
                *parent++ = 0;
                continue;
            }
            if constexpr (walk) {
                current = std::min(current, size - 1);
                while (current + 1 < size && pieces[current + 1].start < node.query) ++current;
            } else {
                current = 0;
                for (size_t length = size; length > 1;) {
                    const size_t half = length / 2;
                    current = pieces[current + half].start < node.query ? current + half : current;
                    length -= half;
                }
            }
            const int from = pieces[current].source;
            next[at(t)] = previous[at(from)] + edge(nodes_[at(from)], node);
            *parent++ = static_cast<uint16_t>(from);
        }
    }

  private:
    double edge(const Node& s, const Node& t) const {
        const double product = s.slope.minus(t.slope) * t.x;
        if constexpr (logarithm) return scale_ * std::log1p(product);
        return s.offset.minus(t.offset) + product;
    }

    /// Query beyond which `late` is better than `early`.
    double crossing(const Piece& early, const Piece& late) const {
        const double rise = late.height - early.height, fall = early.key - late.key;
        if (fall == 0) return rise < 0 ? -kInfinity : kInfinity;
        if constexpr (!logarithm) return rise / fall;
        // early.height + scale ln(early.key - y) = late.height + scale ln(late.key - y). At the lowest of all
        // queries (x = 0) the costs of both are 0, so there the heights decide alone and the first of equals
        // stays.
        if (rise < 0) return -kInfinity;
        return std::max(kLowest, late.key - fall / std::expm1(rise / scale_));
    }

    void enter(int s, double before, Piece* pieces, size_t& size) {
        if (!(before < kInfinity)) return;
        const Node& node = nodes_[at(s)];
        Piece piece{-kInfinity, before, node.key, s};
        if constexpr (!logarithm) piece.height += node.offset.high;
        for (; size > 0; --size) {
            piece.start = crossing(pieces[size - 1], piece);
            if (!(piece.start < highest_query_)) return;
            if (piece.start > pieces[size - 1].start) break;
        }
        if (size == 0) piece.start = -kInfinity;
        pieces[size++] = piece;
    }

    int table_size_;
    double scale_;
    double highest_query_ = -kInfinity;
    std::vector<Node> nodes_;
    std::vector<Piece> pieces_;
};

}  // namespace

std::vector<double> CrossingForm::queries() const {
    std::vector<double> out = x;
    const bool falls = slope.size() < 3 || slope[1] >= slope.back();
    for (size_t t = 1; t < x.size(); ++t) {
        if (logarithm)
            out[t] = std::max(kLowest, static_cast<double>(slope[t] - 1 / static_cast<long double>(x[t])));
        else if (!falls)
            out[t] = -x[t];
    }
    return out;
}

int CrossingForm::first_disorder() const {
    const std::vector<double> list = queries();
    for (size_t t = 4; t < list.size(); ++t)
        if (list[t] < list[t - 1]) return static_cast<int>(t);
    return 0;
}

std::unique_ptr<RowSolver> envelope_rows(const CrossingForm& form, bool walk) {
    using std::make_unique;
    if (form.logarithm && walk) return make_unique<EnvelopeRows<true, true>>(form);
    if (form.logarithm) return make_unique<EnvelopeRows<true, false>>(form);
    if (walk) return make_unique<EnvelopeRows<false, true>>(form);
    return make_unique<EnvelopeRows<false, false>>(form);
}

}  // namespace schedbench
