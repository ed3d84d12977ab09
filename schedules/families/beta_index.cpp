// The "beta" scheduler of ComfyUI: table positions at quantiles of a Beta distribution (Lee et al. 2024,
// arXiv 2407.12173). Other libraries take the quantiles in sigma: that is beta-sigma.
//
// Rounding: t = F^-1(1 - i/N) (T-1) to the nearest entry. With alpha = beta and even N the middle quantile is
// 1/2 and, if T is even, t lies half way between two entries. Published tables (SD, N = 10: 499) come from a
// quantile that falls short of 1/2 by one place; others give one place too much, hence 500. A tie goes down
// here, as published, whatever the last place of the quantile is.
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

#include "core/error.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

/// Nearer to a tie than this is a tie: more than quantiles err by, less than any other position comes near to
/// one.
constexpr double kTie = 1e-9;

std::vector<int64_t> indices(const FamilyContext& c) {
    const double alpha = c.positive("alpha"), beta = c.positive("beta");
    const double last = c.process.table_size() - 1;
    std::vector<int64_t> out;
    for (int i = 0; i < c.count; ++i) {
        const double share = 1 - static_cast<double>(i) / c.count;
        double quantile = 1;
        try {
            quantile = boost::math::ibeta_inv(alpha, beta, share);
        } catch (const std::exception&) {
            throw Error("number",
                        "no quantile can be found for alpha=" + format_number(alpha) +
                            ", beta=" + format_number(beta),
                        c.where, "choose alpha and beta nearer to 1");
        }
        out.push_back(1 + static_cast<int64_t>(std::ceil(quantile * last - 0.5 - kTie)));
    }
    return out;
}

}  // namespace

ScheduleFamily beta_index() {
    ScheduleFamily f;
    f.entry = {
        "beta-index",
        "quantiles of a Beta distribution, in the index of the table (beta-sigma: in sigma)",
        "Lee et al. 2024; index form: ComfyUI",
        {{"alpha", SpecParam::Type::number, "0.6", "first shape parameter; below 1: dense at the noisy end"},
         {"beta", SpecParam::Type::number, "0.6", "second shape parameter; below 1: dense at the clean end"}},
        {"comfy-beta"}};
    f.coordinate = "Beta(alpha, beta) quantile of the index";
    f.map = "t_i = 1 + (T-1) F^-1(1 - i/N), i = 0..N-1";
    f.rounding = "nearest entry, ties down; entries chosen twice are merged (with allow-fewer)";
    f.indices = indices;
    return f;
}

}  // namespace schedbench::family_list
