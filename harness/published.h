// Figures that papers printed (results/published/): to stand beside ours.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace schedbench {

struct PublishedRow {
    std::string source, table, dataset, model, metric, method, status, remark;
    int steps = 0;
    double value = 0;
    /// "arXiv:2106.03802 L_simple", with the status where it is not "as printed".
    std::string label() const;
};

/// Rows of a CSV file with the columns that results/published/README.md explains. Error("file") names file
/// and line.
std::vector<PublishedRow> read_published(const std::string& path);

nlohmann::json to_json(const PublishedRow& row);
PublishedRow published_row(const nlohmann::json& json);

/// What a printed bound is a bound of.
struct BoundMethod {
    std::string stride, variance, first_step;
    std::string note{};  ///< where the method cannot be matched in full
};

/// How a printed row of bits/dim was made, on statistics with `levels` levels that hold Gamma_t (`gamma`) and
/// learned variance (`learned`) or not; nothing where no rule is known. Bao et al. 2022 (code) have the table
/// variance in the first step; the figures of Watson et al. 2021 fit nodes kT/K, and the variance of the
/// respaced chain, for their even and quadratic strides alike.
std::optional<BoundMethod> bound_method(const PublishedRow& row, int levels, bool gamma, bool learned);

}  // namespace schedbench
