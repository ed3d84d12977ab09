// Which way a metric is better, by its name: distances, discrepancies and bits/dim are better when smaller.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace schedbench {

/// True for the Inception score, precision, recall, density, coverage and accuracy under any extractor
/// ("precision[tf1]", "recall-fashion32"); false for all others.
inline bool larger_is_better(std::string_view metric) {
    constexpr std::array<std::string_view, 7> kLarger = {"is",      "inception-score", "precision", "recall",
                                                         "density", "coverage",        "accuracy"};
    return std::any_of(kLarger.begin(), kLarger.end(), [&](std::string_view name) {
        return metric.starts_with(name) &&
               (metric.size() == name.size() ||
                std::string_view("[-:.").find(metric[name.size()]) != std::string_view::npos);
    });
}

}  // namespace schedbench
