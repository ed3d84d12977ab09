// The table of noise levels of EDM's iDDPM discretisation (Karras et al. 2022, arXiv 2206.00364, table 1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace schedbench {

enum class IddpmTable {
    exact,    ///< double, in a form that does not cancel
    float32,  ///< as in the original sampler: abar_j and their ratio in single precision, the recursion in
              ///< double
};

/// u_0 > u_1 > ... > u_M = 0 [M+1]: u_{j-1} = sqrt((u_j^2 + 1)/max(abar_{j-1}/abar_j, c1) - 1),
/// abar_j = sin^2(pi/2 j/M/(1 + c2)). Error("number") for M outside 1..1000000, c1 outside (0, 1), c2 <= 0.
std::vector<double> iddpm_levels(int64_t table_size, double c1, double c2, IddpmTable kind,
                                 const std::string& where);

}  // namespace schedbench
